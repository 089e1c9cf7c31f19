"""An image as a file to keep: its bytes in the format that is wanted, under a name that says what it shows."""

import asyncio
import contextlib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache, partial
from urllib.parse import quote

from django.core.files.storage import default_storage
from django.http import HttpResponse

from generator.files import images, marks
from generator.models import Generation
from kit import storage
from kit.http import signed
from kit.loops import Shares
from kit.text import hyphenated
from kit.threads import Pool, in_thread

CONVERSIONS_AT_ONCE = 2  # each takes a core, and the memory of a decoded image
CONVERSIONS_OF_ONE_ACCOUNT = 2  # waiting or running: everybody shares one queue, and nobody may fill it
DELIVERIES_OF_ONE_ACCOUNT = 2  # images for programs, in that queue or in one like it; its others wait for these

CACHED = "private, no-cache"
FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}  # as addresses and Pillow call them
_EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp"}
_ID_LENGTH = 8


class TooManyConversions(Exception):
    """The account has as many conversions waiting or running as it may."""


@dataclass(frozen=True)
class Download:
    """A file's bytes, how a browser is to save them, and their type."""

    data: bytes
    disposition: str
    content_type: str

    def response(self) -> HttpResponse:
        """Return it as an answer that a browser saves."""
        response = HttpResponse(self.data, content_type=self.content_type)
        response["Content-Disposition"] = self.disposition
        response["Content-Length"] = str(len(self.data))
        response["Cache-Control"] = CACHED
        response["X-Content-Type-Options"] = "nosniff"
        return response


def is_conversion(generation: Generation, format: str) -> bool:
    """Whether the bytes as they are stored are not yet in `format`."""
    return _EXTENSIONS[format] != generation.file_extension


def original_format(generation: Generation) -> str:
    """Return the format of the stored bytes, as addresses call it."""
    return next(format for format, extension in _EXTENSIONS.items() if extension == generation.file_extension)


async def download_of(
    generation: Generation, format: str, *, prompt: bool = False, within: tuple[int, int] | None = None
) -> Download:
    """Return a completed image in `format`: the very bytes that were stored where they are that already.

    With `prompt` what was asked for is written into the file. `within` is the most pixels across and down that it may
    have. Raises FileNotFoundError, BadImage, StorageAway.
    """
    data = await storage.in_time(partial(images.read, generation.file_name))
    mark = marks.mark_of(generation, prompt=prompt)
    if is_conversion(generation, format) or not _fits(generation, within):
        data = await in_thread(partial(images.convert, data, FORMATS[format], mark, within=within), Pool.PROCESSOR)
    else:
        # One that leaves as it is waits for no conversion: it is only looked for its mark.
        change, pool = (marks.told, Pool.PROCESSOR) if prompt else (marks.carried, Pool.FILES)
        data = await in_thread(partial(change, data, mark), pool)
    return Download(data, disposition(generation, format), images.CONTENT_TYPES[_EXTENSIONS[format]])


def address_of(generation: Generation) -> HttpResponse:
    """Answer with the storage's own address of a completed image, which it sends as `download_of` would unconverted."""
    format = original_format(generation)
    return signed.redirect(
        default_storage,
        images.path_of(generation.file_name),
        content_type=images.CONTENT_TYPES[_EXTENSIONS[format]],
        seconds=signed.MINUTE,
        cache_control=CACHED,
        disposition=disposition(generation, format),
    )


def disposition(generation: Generation, format: str) -> str:
    """Return the `Content-Disposition` of an image as a file in `format`, with a name that says what it shows."""
    extension = _EXTENSIONS[format]
    name, ascii_name = (f"{_name(generation, in_ascii=ascii)}.{extension}" for ascii in (False, True))
    header = f'attachment; filename="{ascii_name}"'
    if name != ascii_name:
        header += f"; filename*=UTF-8''{quote(name)}"  # RFC 5987, for names beyond ASCII
    return header


async def converted(generation: Generation, format: str, *, prompt: bool = False) -> Download:
    """Return a completed image in a format that it is not stored in, when its turn comes.

    Raises FileNotFoundError, BadImage, TooManyConversions.
    """
    with _place_of(generation.wallet_id):
        return await _in_turn(generation, format, prompt=prompt)


async def delivered(generation: Generation, format: str, *, within: tuple[int, int] | None = None) -> Download:
    """Return a completed image to a program that waits for it, in any format, and smaller where it is not `within`.

    However many of an account's come at once, each has its turn. Raises FileNotFoundError, BadImage, StorageAway.
    """
    async with delivery_for(generation.wallet_id):
        if is_conversion(generation, format) or not _fits(generation, within):
            return await _in_turn(generation, format, within=within)
        return await download_of(generation, format)


def delivery_for(wallet_id: int) -> AbstractAsyncContextManager[None]:
    """Wait until few of an account's images are on their way to programs, and be one of them while inside.

    A backlog of one account therefore waits where nobody else does.
    """
    return _deliveries.place(wallet_id)


async def _in_turn(
    generation: Generation, format: str, *, prompt: bool = False, within: tuple[int, int] | None = None
) -> Download:
    async with _turns():
        work = asyncio.ensure_future(download_of(generation, format, prompt=prompt, within=within))
        try:
            return await asyncio.shield(work)
        finally:
            # Whoever hangs up leaves a thread at work, which nothing can stop: the turn is taken until it is done.
            await asyncio.wait([work])


def _fits(generation: Generation, within: tuple[int, int] | None) -> bool:
    if within is None:
        return True
    return (generation.width or 0) <= within[0] and (generation.height or 0) <= within[1]


@contextlib.contextmanager
def _place_of(wallet_id: int) -> Iterator[None]:
    """Take one of the account's places in the queue while inside. Raises TooManyConversions."""
    if _places[wallet_id] >= CONVERSIONS_OF_ONE_ACCOUNT:
        raise TooManyConversions
    _places[wallet_id] += 1
    try:
        yield
    finally:
        _places[wallet_id] -= 1
        if not _places[wallet_id]:
            del _places[wallet_id]


@lru_cache(maxsize=1)
def _turns() -> asyncio.Semaphore:
    return asyncio.Semaphore(CONVERSIONS_AT_ONCE)


_deliveries = Shares(DELIVERIES_OF_ONE_ACCOUNT)

# In memory, for what it guards is this process's own queue; and a process that dies takes its count along. Only the
# event loop's thread changes it.
_places: Counter[int] = Counter()


def _name(generation: Generation, *, in_ascii: bool) -> str:
    """Return the prompt's first words and the beginning of the id; the id alone for a prompt without letters."""
    prompt = generation.prompt[:400]
    if in_ascii:
        prompt = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode()
    words = hyphenated(prompt)
    return f"{words}-{generation.public_id[:_ID_LENGTH]}".lstrip("-")
