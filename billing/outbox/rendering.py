"""A queued mail becomes a message: subject, text and HTML, in the site's frame."""

import re
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from accounts import unsubscribe
from accounts.models import User
from billing import identity
from billing.models import OutgoingMail
from kit import accent

# What a person can switch off, and by which preference. Failed payments and matters of safety always go out.
OPTIONAL = {"receipt": "mail_receipts", "renewal": "mail_receipts", "low_balance": "mail_low_balance"}
PAGES = {
    "home": "home",
    "create": "create",
    "gallery": "gallery",
    "docs": "docs",
    "billing": "billing",
    "webhooks": "webhooks",
    "account": "account",
}


def compose(mail: OutgoingMail) -> EmailMultiAlternatives:
    """Write the mail. Raises TemplateDoesNotExist for an unknown one."""
    context = _context(mail)
    subject, text, html = (f"{_stem(mail.template)}{ending}" for ending in _endings(mail.template))
    context["subject"] = " ".join(render_to_string(subject, context).split())
    message = EmailMultiAlternatives(
        context["subject"],
        re.sub(r"\n{3,}", "\n\n", render_to_string(text, context)).strip() + "\n",
        to=[mail.to or context["user"].email],
        reply_to=[settings.SUPPORT_EMAIL] if settings.SUPPORT_EMAIL else None,
        headers=_headers(mail, context),
    )
    message.attach_alternative(render_to_string(html, context), "text/html")
    return message


def is_secret(template: str) -> bool:
    """Tell whether mails of this template may hold a link that opens an account: allauth's do."""
    return "/" in template


def _stem(template: str) -> str:
    return template if is_secret(template) else f"email/{template}"


def _endings(template: str) -> tuple[str, str, str]:
    if is_secret(template):  # as allauth names its own
        return "_subject.txt", "_message.txt", "_message.html"
    return ".subject.txt", ".txt", ".html"


def _context(mail: OutgoingMail) -> dict[str, Any]:
    home = mail.context.get("site") or site()
    user = mail.wallet.user if mail.wallet else None
    kind = OPTIONAL.get(mail.template)
    return {
        **mail.context,
        **{f"{page}_url": home + reverse(name) for page, name in PAGES.items()},
        "stop_url": home + unsubscribe.path_for(user, kind) if user and kind else "",
        "wallet": mail.wallet,
        "user": user,
        "email": mail.context.get("email") or mail.to or (user.email if user else ""),
        "date": mail.created_at,
        "site": home,
        "SITE_NAME": settings.SITE_NAME,
        "LOGO_TEXT": settings.LOGO_TEXT,
        "SUPPORT_EMAIL": settings.SUPPORT_EMAIL,
        "TERMS_URL": settings.TERMS_URL,
        "PRIVACY_URL": settings.PRIVACY_URL,
        "STATUS_URL": settings.STATUS_URL,
        "simulated": settings.EMBEDDED_STRIPE,
        "colour": _colours(),
    }


def _colours() -> dict[str, str]:
    """The accent of static/css/tokens.css, for both themes."""
    hue = settings.ACCENT_HUE
    return {
        "accent": accent.to_hex(0.47, 0.22, hue),
        "on_accent": accent.to_hex(0.99, 0.004, 84),
        "dark_accent": accent.to_hex(0.76, 0.115, hue),
        "on_dark_accent": accent.to_hex(0.17, 0.03, hue),
    }


def _headers(mail: OutgoingMail, context: dict[str, Any]) -> dict[str, str]:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    # The same at every attempt: should a mail go out twice, mail servers see that it is one.
    number = f"{identity.installation()}-{mail.pk}-{int(mail.created_at.timestamp())}"
    headers = {"Message-ID": f"<mail-{number}@{domain}>"}
    headers["Auto-Submitted"] = "auto-generated"
    if context["stop_url"]:
        headers["List-Unsubscribe"] = f"<{context['stop_url']}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def site() -> str:
    """Return this site's address, as far as a worker can know it."""
    return settings.PUBLIC_URL or f"http://localhost:{settings.PORT}"


def wants(user: User, template: str) -> bool:
    """Tell whether the user wants mails of this template."""
    kind = OPTIONAL.get(template)
    return kind is None or bool(getattr(user, kind))
