"""Times on pages: said in UTC by the server, and by the page's script (`times.js`) as its reader would say them."""

from datetime import UTC, datetime

from django import template
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def moment(at: datetime | None, how: str = "ago") -> SafeString:
    """Return `at` as a `<time>`; nothing where there is none.

    `how` is what the script makes of it: "ago" says how long ago it was, "exact" the time in the reader's zone, as fits
    a deadline, and "seconds" that with its seconds.
    """
    if at is None:
        return SafeString("")
    at = at.astimezone(UTC)
    words = date_format(at, "j F Y, H:i:s" if how == "seconds" else "j F Y, H:i")
    stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return format_html('<time datetime="{}" data-moment="{}">{} UTC</time>', stamp, how, words)
