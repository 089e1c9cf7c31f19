"""What a request says about where it comes from."""

from django.conf import settings
from django.http import HttpRequest

from kit.http import proxies


def site_of(request: HttpRequest) -> str:
    """Return where this site is reached, without a trailing slash: `PUBLIC_URL`, or else as the request came."""
    return settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"


def client_ip(request: HttpRequest) -> str | None:
    """Return the caller's address, or None; behind proxies that we trust, the one that the first of them saw."""
    address = proxies.caller(request.META.get("REMOTE_ADDR") or "", request.headers.get("X-Forwarded-For", ""))
    return str(address) if address else None


def without_nul(text: str) -> str:
    """Return `text` without NUL characters, which PostgreSQL can neither store nor compare."""
    return text.replace("\x00", "")
