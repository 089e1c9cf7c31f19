"""HTTPS for the requests that pass no page's middleware; for pages Django's `SecurityMiddleware` does the same.

With `SSL_REDIRECT=1` a call of the API over plain HTTP is refused before anything of it is looked at: a redirect would
have the key sent again, and nobody would notice that it went over the wire in the clear. The other lanes redirect.
"""

from collections.abc import Awaitable, Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect

from reveweb.answers import ANSWERS, NeedsHttps
from reveweb.lanes import Lane, lane_of
from reveweb.voices import error_response

PLAIN = ("/healthz", "/readyz", "/metrics")  # what balancers and Prometheus ask this process itself over plain HTTP

Answering = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def is_needed(request: HttpRequest) -> bool:
    """Tell whether `request` came in the clear and may not."""
    return bool(settings.SECURE_SSL_REDIRECT) and not request.is_secure() and request.path_info not in PLAIN


def bind(request: HttpRequest, response: HttpResponseBase) -> None:
    """Have whoever gets `response` over HTTPS come back over nothing else, for `HSTS_SECONDS`."""
    if settings.SECURE_HSTS_SECONDS and request.is_secure():
        also = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
        also += "; preload" if settings.SECURE_HSTS_PRELOAD else ""
        response["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}{also}"


def over_https(get_response: Answering) -> Answering:
    """Lets no request in that came in the clear and may not (middleware)."""

    async def middleware(request: HttpRequest) -> HttpResponseBase:
        if not is_needed(request):
            response = await get_response(request)
        elif Lane.API in lane_of(request.path_info):
            response = error_response(request, ANSWERS[NeedsHttps])
        else:
            response = HttpResponsePermanentRedirect(f"https://{request.get_host()}{request.get_full_path()}")
        bind(request, response)
        return response

    return middleware


over_https.async_capable = True  # type: ignore[attr-defined]
over_https.sync_capable = False  # type: ignore[attr-defined]
