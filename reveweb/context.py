"""What every template can use."""

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from billing import ledger
from kit import request_id
from kit.http.requests import site_of
from reveweb.login.viewer import mark_of
from reveweb.pages.crawlers import is_listed
from reveweb.pages.landing import CARD
from reveweb.version import VERSION

THEMES = ("light", "dark")
DEFAULT_HUE = 274  # as static/css/tokens.css has it


def site(request: HttpRequest) -> dict[str, Any]:
    """Give a site's name and address, what is simulated or sold, the theme, the request's id and the viewer's balance.

    The address and the balance are looked up only where they are shown.
    """

    @cache
    def balance() -> int | None:
        user = getattr(request, "user", None)
        return ledger.wallet_of(user.pk).balance if user is not None and user.is_authenticated else None

    theme = request.COOKIES.get("theme", "")
    return {
        "SITE_NAME": settings.SITE_NAME,
        "LOGO_TEXT": settings.LOGO_TEXT,
        "ACCENT_HUE": settings.ACCENT_HUE if settings.ACCENT_HUE != DEFAULT_HUE else None,
        "ICON_HUE": settings.ACCENT_HUE,
        "SUPPORT_EMAIL": settings.SUPPORT_EMAIL,
        "TERMS_URL": settings.TERMS_URL,
        "PRIVACY_URL": settings.PRIVACY_URL,
        "STATUS_URL": settings.STATUS_URL,
        "EXPLORE": settings.EXPLORE,
        "SITE_URL": lambda: site_of(request),
        "INDEXED": is_listed(request),
        "LINK_CARD": CARD,
        "SANDBOX": settings.SANDBOX,
        "PAYMENTS": settings.PAYMENTS,
        "LOCAL_INBOX": settings.LOCAL_INBOX,
        "SIMULATED_PAYMENTS": settings.EMBEDDED_STRIPE,
        "THEME": theme if theme in THEMES else "",
        "VERSION": VERSION,
        "VIEWER": lambda: mark_of(request.user) if hasattr(request, "user") else "",
        "REQUEST_ID": request_id.current.get(),
        "credit_balance": balance,
    }
