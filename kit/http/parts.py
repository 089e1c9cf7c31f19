"""A stored file as an answer: sent in pieces, and only a part of it to whoever asks for one; or by the storage itself.

Never more than a piece of it is in memory. Storage that is not local may first fetch the whole file, onto the disk.
"""

import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO

from django.core.files.base import File
from django.core.files.storage import Storage, default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, parse_http_date_safe

from kit import storage
from kit.http import signed
from kit.threads import Pool, in_thread

PIECE = 256 * 1024  # bytes; a thumbnail is smaller and goes out at once

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True)
class Stored:
    """A file in storage, what it is, and the headers that it goes out with. `etag` has no quotation marks.

    `signed_for` is how many seconds an address of the storage is good for that may stand in for the bytes; None where
    its name there is to stay unknown. `kept_in` is the storage. `change` makes what
    is sent of what is stored, and returns the very same bytes where there is nothing to change.
    """

    path: str
    content_type: str
    etag: str
    changed_at: datetime | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    signed_for: int | None = None
    kept_in: Storage = default_storage
    change: Callable[[bytes], bytes] | None = None

    @property
    def last_modified(self) -> int | None:
        """When it changed, in whole seconds since 1970."""
        return int(self.changed_at.timestamp()) if self.changed_at else None


class _NotSatisfiable(Exception):
    """The range that was asked for lies behind the file's end."""


async def answer(request: HttpRequest, found: Stored | Callable[[], Stored]) -> HttpResponseBase:
    """Answer a GET or HEAD with a file, or with the one that a look into the database finds.

    A 304 for a caller who has it, a 206 for one range, a 416 for one behind the end; several ranges are answered with
    the whole, as RFC 9110 allows. With `S3_REDIRECT` a 302 to the storage, where that does. A 503 while the storage is
    away. What that look raises comes through, and so does FileNotFoundError.
    """
    stored = found if isinstance(found, Stored) else await in_thread(found)
    try:
        return await storage.in_time(lambda: _begun(request, stored))
    except storage.StorageAway:
        return storage.away()


def _begun(request: HttpRequest, stored: Stored) -> HttpResponseBase:
    if stored.signed_for is not None and signed.stands_in(request):
        with storage.asked():
            return _elsewhere(stored, stored.signed_for)
    with storage.asked():
        file = stored.kept_in.open(stored.path)  # before anything is said of it: what was deleted is nobody's to have
        if stored.change is not None:
            file = _changed(file, stored.change)
    response: HttpResponseBase | None = None
    try:
        response = _response(request, stored, file)
    finally:
        if response is None or not response.streaming:
            file.close()
    return response


def _changed(file: "File[bytes]", change: Callable[[bytes], bytes]) -> "File[bytes]":
    """Return what is to be sent of a file: beyond a few pieces on the disk, for whoever fetches it may be slow."""
    kept = file.read()
    sent = change(kept)
    if sent is kept:
        file.seek(0)
        return file
    file.close()
    spooled = SpooledTemporaryFile(max_size=4 * PIECE)  # noqa: SIM115 (whoever sends it closes it)
    spooled.write(sent)
    spooled.seek(0)
    return File(spooled)


def _elsewhere(stored: Stored, seconds: int) -> HttpResponseBase:
    response = signed.redirect(
        stored.kept_in,
        stored.path,
        content_type=stored.content_type,
        seconds=seconds,
        cache_control=stored.headers.get("Cache-Control", "no-store"),
        disposition=stored.headers.get("Content-Disposition", ""),
    )
    for name in stored.headers.keys() - {"Cache-Control", "Content-Disposition"}:
        response[name] = stored.headers[name]
    return response


def _response(request: HttpRequest, stored: Stored, file: "File[bytes]") -> HttpResponseBase:
    known = HttpResponse()
    _add_headers(known, stored)
    etag = known["ETag"]
    conditional = get_conditional_response(request, etag=etag, last_modified=stored.last_modified, response=known)
    if conditional is not None and conditional is not known:
        return conditional
    size = file.size
    try:
        span = _span(request, etag, stored.last_modified, size)
    except _NotSatisfiable:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}", "Accept-Ranges": "bytes"})
    start, end = span or (0, size)
    response = _body(request, file, start, end)
    _add_headers(response, stored)
    response["Accept-Ranges"] = "bytes"
    response["Content-Length"] = str(end - start)
    if span:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


def _body(request: HttpRequest, file: "File[bytes]", start: int, end: int) -> HttpResponseBase:
    if request.method == "HEAD":
        return HttpResponse()
    with storage.asked():
        file.seek(start)  # S3 sends all of it now
    if end - start <= PIECE:
        return HttpResponse(file.read(end - start))
    return StreamingHttpResponse(pieces(file, end - start))


async def pieces(file: "File[bytes] | IO[bytes]", left: int) -> AsyncIterator[bytes]:
    """Yield the next `left` bytes and close the file. Each is read in a thread, and a slow reader holds none."""
    try:
        while left and (piece := await in_thread(partial(file.read, min(PIECE, left)), Pool.FILES)):
            left -= len(piece)
            yield piece
    finally:
        file.close()


def _add_headers(response: HttpResponseBase, stored: Stored) -> None:
    response["Content-Type"] = stored.content_type
    response["ETag"] = f'"{stored.etag}"'
    if stored.last_modified is not None:
        response["Last-Modified"] = http_date(stored.last_modified)
    # Whatever its bytes are, a browser takes them for an image and for nothing that could act.
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    for name, value in stored.headers.items():
        response[name] = value


def _span(request: HttpRequest, etag: str, last_modified: int | None, size: int) -> tuple[int, int] | None:
    """Return where the range that was asked for begins and ends; None for the whole file. Raises _NotSatisfiable."""
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    if match is None or request.method != "GET" or not _is_still(request, etag, last_modified):
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= end:
        raise _NotSatisfiable
    return start, end


def _is_still(request: HttpRequest, etag: str, last_modified: int | None) -> bool:
    """Tell whether the caller's earlier part is of this very file, as `If-Range` has it (RFC 9110, 13.1.5)."""
    had = request.headers.get("If-Range")
    if had is None or had == etag:
        return True
    return last_modified is not None and parse_http_date_safe(had) == last_modified
