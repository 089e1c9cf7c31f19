"""Pictures at addresses that a caller names: fetched over HTTPS from the public internet, and trusted with nothing.

No key goes along, no private network is reached (`kit.http.network`), what comes has a bound and waits on the disk, and
all of it has one time limit. No account has more than a few of the connections: a server that never comes to an end
keeps nobody else from theirs. What is told of a failure is in our words: an address may name what is nobody's business.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from typing import IO

import httpx

from generator.errors import NotFetched
from kit.http.network import ForbiddenAddress, GuardedTransport
from kit.loops import PerLoop, Shares

SECONDS = 15.0
MAX_REDIRECTS = 3
SCHEMES = ("https",)
IN_MEMORY = 256 * 1024
URL_MAX_LENGTH = 4096
_CONNECTIONS = 64
_OF_ONE_ACCOUNT = 6  # as many as one call may name
_HEADERS = {"User-Agent": "reveweb", "Accept": "image/*", "Accept-Encoding": "identity"}
_BROKEN = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError)


async def fetch(url: str, *, wallet_id: int, most: int) -> IO[bytes]:
    """Return the file at `url`, of at most `most` bytes, at its beginning; to be closed. Raises NotFetched.

    The time that it waits for others of its account is part of its own.
    """
    has_begun = False
    file: IO[bytes] = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (whoever gets it closes it)
    try:
        async with asyncio.timeout(SECONDS), _shares.place(wallet_id):
            has_begun = True
            async with _answer(url) as answer:
                _check(answer, most)
                size = 0
                async for piece in answer.aiter_raw():
                    size += len(piece)
                    if size > most:
                        raise _too_large(most)
                    file.write(piece)
        file.seek(0)
    except BaseException as error:
        file.close()
        if isinstance(error, TimeoutError) and not has_begun:
            raise NotFetched(
                f"{_OF_ONE_ACCOUNT} other pictures of the account were still being fetched after {SECONDS:g} seconds"
            ) from None
        if isinstance(error, TimeoutError):
            raise NotFetched(f"nothing whole came from its address within {SECONDS:g} seconds") from None
        if isinstance(error, ForbiddenAddress):
            raise NotFetched("its address is none in the public internet") from None
        if isinstance(error, (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError)):
            raise NotFetched("its address is none that anything can be fetched from") from None
        if isinstance(error, _BROKEN):
            raise NotFetched("its address cannot be reached") from None
        raise
    return file


@contextlib.asynccontextmanager
async def _answer(url: str) -> AsyncIterator[httpx.Response]:
    """Give the answer that `url` leads to, none of which is read yet. Raises NotFetched, or one of `_BROKEN`."""
    client = _clients.get()
    if len(url) > URL_MAX_LENGTH:
        raise NotFetched("its address is too long")
    request: httpx.Request | None = client.build_request("GET", url)
    for _ in range(1 + MAX_REDIRECTS):
        assert request is not None
        if request.url.scheme not in SCHEMES or request.url.userinfo:
            raise NotFetched("its address must be an https:// one, without a password")
        answer = await client.send(request, stream=True)
        async with contextlib.aclosing(answer):
            request = answer.next_request
            if request is None:
                yield answer
                return
    raise NotFetched("its address leads on and on")


def _check(answer: httpx.Response, most: int) -> None:
    if not answer.is_success:
        raise NotFetched(f"its address answers {answer.status_code}")
    if answer.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise NotFetched("it comes compressed, though it was asked for as it is")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and (len(length) > 18 or int(length) > most):
        raise _too_large(most)


def _too_large(most: int) -> NotFetched:
    return NotFetched(f"it has more than {most // 1024**2} MB")


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _client() -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=0)
    return httpx.AsyncClient(
        headers=_HEADERS,
        timeout=httpx.Timeout(SECONDS, connect=5.0),
        transport=GuardedTransport(trusted=None, limits=limits, verify=_tls()),
        trust_env=False,
    )


_shares = Shares(_OF_ONE_ACCOUNT)
_clients = PerLoop(_client, lambda client: client.aclose())
