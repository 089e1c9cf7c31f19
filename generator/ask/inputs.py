"""The pictures that an image is to be made from, as callers name or bring them: each becomes the account's own row.

A picture is an id of an image or a file of the account's own, an https address, or its bytes: in base64, as a data URL,
or as a file of a form. What is brought waits on the disk, and only so many pictures are in memory at a time, however
many come at once. No database connection is held while anything else is waited for.
"""

import asyncio
import base64
import binascii
import math
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from tempfile import TemporaryFile
from typing import IO

from accounts.models import BrowserToken
from billing.models import Wallet
from generator.ask import limits
from generator.ask.callers import Caller
from generator.errors import BadImage, NotFetched, OddSize, PictureRefused
from generator.files import uploads
from generator.models import FILE_ID, PUBLIC_ID, Generation, Upload
from generator.upstreams import fetch
from kit.loops import PerLoop
from kit.threads import Pool, in_thread

TURNS = 2  # pictures, or bodies with pictures, that a process has in memory at a time
NO_PICTURE = "it is no PNG, JPEG or WebP, or it is broken"
_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64,", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{0,20}://", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """A picture that the account has already, by its id."""

    id: str


@dataclass(frozen=True)
class Linked:
    """A picture that is to be fetched."""

    url: str


@dataclass(frozen=True)
class Brought:
    """A picture whose bytes came along, in a file that is its reader's to close."""

    file: IO[bytes]


Given = Named | Linked | Brought


def told(words: str, param: str) -> Given:
    """Return what a field's text gives: an id, an address, or bytes, which are written to the disk.

    Raises PictureRefused, with `param` for the field.
    """
    if PUBLIC_ID.fullmatch(words) or FILE_ID.fullmatch(words):
        return Named(words)
    if prefix := _DATA_URL.match(words):
        return Brought(_decoded(words[prefix.end() :], param))
    if words[:5].lower() == "data:":
        raise PictureRefused(param, "a data URL must begin with data:image/png;base64, (or jpeg, or webp)")
    if _ADDRESS.match(words):
        return Linked(words)
    return Brought(_decoded(words, param))


def _decoded(text: str, param: str) -> IO[bytes]:
    if len(text) > uploads.MOST_BYTES * 1.5:
        raise PictureRefused(param, f"it has more than {uploads.MOST_BYTES // 1024**2} MB")
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise PictureRefused(
            param, "it must be an id (img_… or file_…), an https:// address, a data URL, or base64"
        ) from None
    if not data:
        raise PictureRefused(param, "it is empty")
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 (whoever gets it closes it)
    file.write(data)
    file.seek(0)
    return file


async def resolve_for(caller: Caller, given: Sequence[tuple[str, Given]]) -> list[Generation | Upload]:
    """Do as `resolve`, for a caller of the API."""
    return await resolve(caller.wallet, given, is_test=caller.api_key.is_test, token=caller.token)


async def resolve(
    wallet: Wallet, given: Sequence[tuple[str, Given]], *, is_test: bool = False, token: BrowserToken | None = None
) -> list[Generation | Upload]:
    """Return the rows of pictures, each with the field that it is in, in their order.

    Test keys make samples of samples and nobody else does; what was uploaded is there for all keys. A browser token has
    what it made or brought itself.
    Raises PictureRefused for the first that cannot be used, RateLimited, LimiterUnavailable, UploadsFull, StorageAway.
    """
    # What costs nothing to refuse is refused first.
    known = {
        param: await in_thread(partial(_own, wallet, one.id, param, is_test, token))
        for param, one in given
        if isinstance(one, Named)
    }
    await limits.take_uploads_soon(wallet, len(given) - len(known), token)
    with ExitStack() as fetched:
        files = {param: one.file for param, one in given if isinstance(one, Brought)}
        links = [(param, one.url) for param, one in given if isinstance(one, Linked)]
        got = await asyncio.gather(*(_fetched(wallet, url, param) for param, url in links), return_exceptions=True)
        for file in got:
            if not isinstance(file, BaseException):
                fetched.enter_context(file)
        for (param, _), file in zip(links, got, strict=True):
            if isinstance(file, BaseException):
                raise file
            files[param] = file
        for param, file in files.items():
            known[param] = await bring(wallet, file, param, token)
    return [known[param] for param, _ in given]


async def bring(wallet: Wallet, file: IO[bytes], param: str, token: BrowserToken | None = None) -> Upload:
    """Keep a picture that somebody brought, with a browser token or not.

    Raises PictureRefused, UploadsFull, StorageAway.
    """
    async with turn():
        data = await in_thread(partial(_read, file), Pool.FILES)
        try:
            upload = await uploads.take_soon(wallet, data)
        except OddSize as error:
            raise PictureRefused(param, str(error)) from error
        except BadImage as error:
            raise PictureRefused(param, NO_PICTURE) from error
    if token is not None:
        await in_thread(partial(uploads.came_with, token, upload))
    return upload


@asynccontextmanager
async def turn() -> AsyncIterator[None]:
    """Hold one of the process's places for pictures in memory."""
    async with _turns.get():
        yield


def nearest_ratio(width: int, height: int, ratios: Sequence[str]) -> str:
    """Return the one of `ratios` that a picture of that size is nearest to."""

    def distance(ratio: str) -> float:
        across, _, down = ratio.partition(":")
        return abs(math.log(width * int(down) / (height * int(across))))

    return min(ratios, key=distance)


def _own(wallet: Wallet, id: str, param: str, is_test: bool, token: BrowserToken | None) -> Generation | Upload:
    found: Generation | Upload | None
    if FILE_ID.fullmatch(id):
        found = uploads.use(wallet, id, token)
        words = "there is no file with this id in your account; files are deleted after a while"
    else:
        mine = wallet.generations.completed().filter(is_test=is_test)
        found = (mine if token is None else mine.filter(browser_token=token)).filter(public_id=id).first()
        words = "there is no finished image with this id in your account"
    if found is None:
        raise PictureRefused(param, words)
    return found


async def _fetched(wallet: Wallet, url: str, param: str) -> IO[bytes]:
    try:
        return await fetch.fetch(url, wallet_id=wallet.pk, most=uploads.MOST_BYTES)
    except NotFetched as error:
        raise PictureRefused(param, str(error)) from error


def _read(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(uploads.MOST_BYTES + 1)  # enough to see that it is too large


async def _closed(turns: asyncio.Semaphore) -> None:
    """Nothing is to be closed."""


_turns = PerLoop(lambda: asyncio.Semaphore(TURNS), _closed)
