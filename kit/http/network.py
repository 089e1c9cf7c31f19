"""Keeps what we fetch or send out of private networks, whatever address an upstream or a caller names.

The check is made on the resolved address of every request, redirects included, and the connection goes to exactly that
address, so a name that resolves differently a moment later changes nothing.
"""

import asyncio
import contextlib
import socket
import ssl
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from weakref import WeakValueDictionary

import httpx

from kit.http.addresses import is_public
from kit.loops import PerLoop

LOOK_UP_SECONDS = 5.0
# A look-up that nobody answers holds its thread until the resolver gives up, long after we did. So they have threads of
# their own, and the names of one domain only so many: whoever owns one with dead servers stops nobody else.
_LOOK_UPS = ThreadPoolExecutor(256, thread_name_prefix="look-up")
OF_ONE_DOMAIN = 4  # few: it takes 64 dead domains at once to have all threads
# Below a country's letters these are nobody's own, as in example.co.uk.
_SHARED = {"ac", "co", "com", "edu", "go", "gob", "gov", "mil", "ne", "net", "nom", "or", "org", "plc", "sch"}


class ForbiddenAddress(Exception):
    """A request would have gone to a host that is neither public nor trusted."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connects to public addresses, and beside them only to the very host and port of `trusted`, where one is.

    With `lets_private` to every address, as a machine needs it on which somebody develops.
    """

    def __init__(
        self,
        *,
        trusted: httpx.URL | None,
        limits: httpx.Limits,
        verify: ssl.SSLContext | bool = True,
        lets_private: bool = False,
    ) -> None:
        self._lets_private = lets_private
        self._trusted = None if trusted is None else _origin(trusted)
        self._inner = httpx.AsyncHTTPTransport(limits=limits, verify=verify, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.scheme not in ("http", "https"):
            raise ForbiddenAddress(f"nothing is fetched or sent over {request.url.scheme}")
        if not self._lets_private and _origin(request.url) != self._trusted:
            request = await _pinned(request)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _pinned(request: httpx.Request) -> httpx.Request:
    """Return a copy of `request` that goes to its host's resolved address.

    A copy, because a relative redirect is resolved against the original, which must still name the host.
    """
    _, host, port = _origin(request.url)
    address = await _public_address(host, port)
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        # TLS still names and verifies the host, not the address.
        extensions={**request.extensions, "sni_hostname": host},
    )


async def _public_address(host: str, port: int) -> str:
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            found = await _looked_up(host, port)
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"{host} cannot be looked up") from error
    except OSError as error:
        raise httpx.ConnectError(f"{host} has no address: {error}") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise ForbiddenAddress(f"{host} is not a public address")
    return addresses[0]


async def _looked_up(host: str, port: int) -> list[Any]:
    loop = asyncio.get_running_loop()
    places = _places.get().setdefault(_domain_of(host), asyncio.Semaphore(OF_ONE_DOMAIN))
    await places.acquire()

    def ended(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(places.release)

    looking: Future[list[Any]] = _LOOK_UPS.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    looking.add_done_callback(ended)
    return await asyncio.wrap_future(looking)


def _domain_of(host: str) -> str:
    """Return what of a host's name somebody registered, as well as can be told from the name."""
    labels = host.lower().rstrip(".").split(".")
    is_shared = len(labels[-1]) == 2 and labels[-2:-1] and labels[-2] in _SHARED
    return ".".join(labels[-3 if is_shared else -2 :])


async def _nothing(_: object) -> None:
    """There is nothing to close."""


_places: PerLoop["WeakValueDictionary[str, asyncio.Semaphore]"] = PerLoop(WeakValueDictionary, _nothing)


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
