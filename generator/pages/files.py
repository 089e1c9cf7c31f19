"""Stored images, and the stream that pages listen to."""

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_safe

from billing import ledger
from generator.files import images
from generator.pages import stream
from kit.http import parts, signed
from kit.threads import in_thread

_FILE_NAME = re.compile(r"[0-9A-Za-z]{32}(?:_(?:480|960))?\.(png|jpg|webp)")
_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "cross-origin"}


def _signed_for() -> int | None:
    # A CDN fetches from here and keeps what it gets, for years: the bytes, and nothing that is signed.
    return None if settings.IMAGE_BASE_URL else signed.HOUR


@require_safe
async def image(request: HttpRequest, file_name: str) -> HttpResponseBase:
    """Serve a stored image or thumbnail to anybody who knows its unguessable name; it never changes.

    This is the permanent address that the API promises: strangers to whom its owner only shares an image get others
    (`views.shared`).
    """
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        return HttpResponse(status=404)
    stored = parts.Stored(
        images.path_of(file_name), images.CONTENT_TYPES[match[1]], file_name, headers=_HEADERS, signed_for=_signed_for()
    )
    try:
        return await parts.answer(request, lambda: stored)
    except FileNotFoundError:
        return HttpResponse(status=404)


async def events(request: HttpRequest) -> HttpResponseBase:
    """The signed-in account's changes as server-sent events, for about ten minutes or until the log-in ends."""
    user = await request.auser()
    if user.pk is None:
        return HttpResponse(status=401)
    user_id, session_key = user.pk, request.session.session_key
    assert session_key is not None
    log_in = stream.LogIn(session_key, user.get_session_auth_hash())
    wallet = await in_thread(lambda: ledger.wallet_of(user_id))
    response = StreamingHttpResponse(stream.events(wallet.pk, log_in), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response
