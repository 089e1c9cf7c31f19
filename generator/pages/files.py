"""Stored images, and the stream that pages listen to."""

import contextlib
import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET, require_safe

from accounts import sessions
from billing import ledger
from generator.files import images
from generator.library import withheld
from generator.models import Generation
from generator.pages import stream
from kit.http import parts, signed
from kit.threads import in_thread

_FILE_NAME = re.compile(r"([0-9A-Za-z]{32})(_(?:480|960))?\.(png|jpg|webp)")
_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "cross-origin"}
_PRIVATE = {"Cache-Control": "private, no-store"}


def _signed_for() -> int | None:
    # A CDN fetches from here and keeps what it gets, for years: the bytes, and nothing that is signed.
    return None if settings.IMAGE_BASE_URL else signed.HOUR


@require_safe
async def image(request: HttpRequest, file_name: str) -> HttpResponseBase:
    """Serve a stored image or thumbnail to anybody who knows its unguessable name; it never changes.

    This is the permanent address that the API promises: strangers to whom its owner only shares an image get others
    (`views.shared`). What staff took down is for its owner and for them, as they are logged in.
    """
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        return HttpResponse(status=404)
    token, is_thumbnail, extension = match.groups()
    path, kind = images.path_of(file_name), images.CONTENT_TYPES[extension]
    if token in await _withheld():
        return await _to_whom_it_is_left(request, token, parts.Stored(path, kind, file_name, headers=_PRIVATE))
    stored = parts.Stored(path, kind, file_name, headers=_HEADERS, signed_for=_signed_for())

    def instead() -> parts.Stored:
        """The original, if this is a thumbnail that is still to be made."""
        if not is_thumbnail:
            raise FileNotFoundError
        return _until_there_are_thumbnails(token)

    try:
        if is_thumbnail and settings.S3_REDIRECT:  # a bucket would only say that it has none
            with contextlib.suppress(FileNotFoundError):
                return await parts.answer(request, instead)
        # Once more at the end: between the two looks it may have been made.
        for found in (stored, instead) if is_thumbnail else ():
            with contextlib.suppress(FileNotFoundError):
                return await parts.answer(request, found)
        return await parts.answer(request, stored)
    except FileNotFoundError:
        return HttpResponse(status=404)


async def _withheld() -> frozenset[str]:
    known = withheld.at_hand()
    return await in_thread(withheld.tokens) if known is None else known


async def _to_whom_it_is_left(request: HttpRequest, token: str, stored: parts.Stored) -> HttpResponseBase:
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")

    def find() -> parts.Stored:
        if not withheld.may_see(sessions.user_of(session_key), token):
            raise FileNotFoundError
        return stored

    try:
        return await parts.answer(request, find)
    except FileNotFoundError:
        return HttpResponse(status=404, headers={"Cache-Control": "no-store"})


def _until_there_are_thumbnails(token: str) -> parts.Stored:
    """Return the original, which stands in for what is still to be made of it; nobody may keep that."""
    lacking = Generation.objects.filter(status=Generation.Status.COMPLETED, needs_thumbnails=True)
    generation = lacking.filter(file_token=token).first()
    if generation is None:
        raise FileNotFoundError
    name = generation.file_name
    headers = {**_HEADERS, "Cache-Control": "no-store"}
    return parts.Stored(images.path_of(name), images.CONTENT_TYPES[generation.file_extension], name, headers=headers)


@require_GET
async def events(request: HttpRequest) -> HttpResponseBase:
    """The signed-in account's changes as server-sent events, for about ten minutes or until the log-in ends."""
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    found = await in_thread(lambda: _opened(session_key))
    if found is None:
        return HttpResponse(status=401)
    leave = stream.take_place(found[0])
    if leave is None:
        return HttpResponse(status=429, headers={"Retry-After": "10"})
    response = StreamingHttpResponse(stream.events(*found), content_type="text/event-stream")
    response._resource_closers.append(leave)  # type: ignore[attr-defined]  # Django's own, as for files
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


def _opened(session_key: str) -> tuple[int, stream.LogIn] | None:
    """Return the wallet and the log-in of a session; None where nobody is logged in."""
    user = sessions.user_of(session_key)
    if user is None:
        return None
    return ledger.wallet_of(user.pk).pk, stream.LogIn(session_key, user.get_session_auth_hash())
