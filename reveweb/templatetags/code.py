"""The first call to the API, wherever a page shows it."""

from typing import Any

from django import template
from django.template.context import Context

from kit.http.requests import site_of
from reveweb.docs.code import chosen_language, first_call

register = template.Library()


@register.inclusion_tag("components/code_tabs.html", name="first_call", takes_context=True)
def show_first_call(context: Context, *, keeps_height: bool = False) -> dict[str, Any]:
    """Show the call in each language; with `keeps_height` all take the room of the longest, so that nothing moves."""
    request = context["request"]
    return {
        "codes": first_call(site_of(request)),
        "name": "first-call",
        "label": "The call",
        "chosen": chosen_language(request.COOKIES),
        "keeps_height": keeps_height,
    }
