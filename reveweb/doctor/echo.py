"""What the doctor asks this site for from outside, through whatever stands in front: what came of a request on its way.

Only with a token that a process of this very installation signed a minute ago at most; to anybody else there is nothing
here. What is told is how the request arrived, and who we are in a form that names nothing.
"""

import asyncio
from collections.abc import AsyncGenerator
from hashlib import sha256

from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET

from kit import site
from kit.http.requests import client_ip
from reveweb.version import VERSION

MOST_AGE_SECONDS = 60
MOST_HELD_SECONDS = 30.0
PIECES, PIECE_SECONDS = 3, 0.4
_SIGNER = signing.TimestampSigner(salt="reveweb.doctor")


def token(held: float = 0.0) -> str:
    """Return what lets one ask, for a minute; `held` is for how many seconds the answer is to be kept back."""
    return _SIGNER.sign(f"{min(held, MOST_HELD_SECONDS):g}")


def name_of(installation: str) -> str:
    """Return what tells two installations apart, and names neither."""
    return sha256(f"reveweb.doctor {installation}".encode()).hexdigest()[:16]


@require_GET
async def echo(request: HttpRequest) -> HttpResponse:
    """Tell how this request came."""
    await asyncio.sleep(_held(request))
    told = {
        "installation": name_of(await site.soon()),
        "version": VERSION,
        "scheme": request.scheme,
        "host": request.get_host(),
        "address": client_ip(request),
        "peer": request.META.get("REMOTE_ADDR"),
        "forwarded_for": request.headers.get("X-Forwarded-For", ""),
        "forwarded_proto": request.headers.get("X-Forwarded-Proto", ""),
    }
    return JsonResponse(told, headers={"Cache-Control": "no-store"})


@require_GET
async def stream(request: HttpRequest) -> HttpResponseBase:
    """Send a few pieces with pauses between them, with the headers of the event stream that pages read."""
    _held(request)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(_pieces(), content_type="text/event-stream", headers=headers)


async def _pieces() -> AsyncGenerator[str]:
    for number in range(PIECES):
        if number:
            await asyncio.sleep(PIECE_SECONDS)
        yield f": piece {number + 1}\n\n"


def _held(request: HttpRequest) -> float:
    try:
        return float(_SIGNER.unsign(request.GET.get("token", ""), max_age=MOST_AGE_SECONDS))
    except signing.BadSignature:
        raise Http404 from None
