"""What a request says about where it comes from."""

from django.conf import settings
from django.http import HttpRequest


def client_ip(request: HttpRequest) -> str | None:
    """Return the caller's address; behind a proxy that we trust, the one that the proxy saw."""
    if settings.TRUST_FORWARDED_FOR and (forwarded := request.headers.get("X-Forwarded-For")):
        return forwarded.rpartition(",")[2].strip() or None
    return request.META.get("REMOTE_ADDR") or None
