"""What a request says about where it comes from."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def site_of(request: HttpRequest) -> str:
    """Return where this site is reached, without a trailing slash: `PUBLIC_URL`, or else as the request came."""
    return settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"


def client_ip(request: HttpRequest) -> str | None:
    """Return the caller's address, or None; behind a proxy that we trust, the one that the proxy saw."""
    address = request.META.get("REMOTE_ADDR") or ""
    if settings.TRUST_FORWARDED_FOR and (forwarded := request.headers.get("X-Forwarded-For")):
        address = forwarded.rpartition(",")[2]
    try:  # proxies may write "unknown" or a port behind it; PostgreSQL keeps nothing but an address
        return str(ipaddress.ip_address(address.strip().partition("%")[0]))
    except ValueError:
        return None


def without_nul(text: str) -> str:
    """Return `text` without NUL characters, which PostgreSQL can neither store nor compare."""
    return text.replace("\x00", "")
