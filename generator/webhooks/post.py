"""How messages leave: one POST to an address that somebody named, trusted with nothing.

Only the public internet is reached, by the address that was looked at (`kit.http.network`); no redirect is followed,
no connection is used for a second message, all of it has one time limit, and of the answer only the beginning is read.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache

import httpx
from django.conf import settings
from django.utils import timezone

from kit.http.network import ForbiddenAddress, GuardedTransport
from kit.http.places import Places, make_room
from kit.loops import PerLoop
from kit.text import visible

SECONDS = 10.0  # for all of it
CONNECT_SECONDS = 5.0
MOST_READ = 4096  # bytes of an answer
MOST_KEPT = 300  # characters of it
AT_ONCE = 200
_HEADERS = {"User-Agent": "reveweb-webhooks", "Content-Type": "application/json", "Accept-Encoding": "identity"}
_BROKEN = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError)
GONE = 410


@dataclass(frozen=True)
class Reply:
    """What came of a POST: `status` and how the answer began, or `error`, in our words, where there was none.

    `is_silent` tells a receiver that took time and gave no answer. `retry_after` is in seconds.
    """

    milliseconds: int
    status: int | None = None
    answer: str = ""
    error: str = ""
    retry_after: float | None = None

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        return self.status == GONE

    @property
    def is_silent(self) -> bool:
        return self.status is None


async def post(url: str, body: str, headers: Mapping[str, str], *, seconds: float = SECONDS) -> Reply:
    """Send a message, and tell what came of it. Raises nothing but what cancels it."""
    began = time.monotonic()

    def taken() -> int:
        return round((time.monotonic() - began) * 1000)

    try:
        async with asyncio.timeout(seconds):
            request = _clients.get().build_request(
                "POST",
                url,
                content=body.encode(),
                headers=dict(headers),
                timeout=httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds)),
            )
            answer = await _clients.get().send(request, stream=True)
            async with contextlib.aclosing(answer):
                status, retry_after = answer.status_code, _retry_after(answer)
                words = await _beginning(answer)
    except TimeoutError:
        error = f"No answer within {seconds:g} seconds."
    except ForbiddenAddress:
        error = "Its address is none in the public internet."
    except httpx.ConnectError as problem:
        is_tls = isinstance(problem.__cause__, ssl.SSLError) or "certificate" in str(problem).lower()
        error = "Its certificate is none that we trust." if is_tls else "No connection."
    except httpx.TimeoutException:
        error = f"No answer within {seconds:g} seconds."
    except _BROKEN:
        error = "The connection broke off before there was an answer."
    else:
        return Reply(taken(), status, words, _said(status), retry_after)
    return Reply(taken(), error=error)


def _said(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"It answered {status}; redirects are not followed."
    return f"It answered {status}."


async def _beginning(answer: httpx.Response) -> str:
    """Return how an answer's text begins; "" for one that is packed, or breaks off: its status is what counts."""
    if answer.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        return ""
    read = bytearray()
    with contextlib.suppress(httpx.HTTPError, httpx.StreamError, OSError):
        async for piece in answer.aiter_raw():
            read += piece
            if len(read) >= MOST_READ:
                break
    return visible(bytes(read[:MOST_READ]).decode("utf-8", "replace"), most=MOST_KEPT)


def _retry_after(answer: httpx.Response) -> float | None:
    value = answer.headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - timezone.now()).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(86_400.0, max(0.0, seconds)) if seconds == seconds else None


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _connection() -> httpx.AsyncBaseTransport:
    # Kept for nobody: to another host at the same address it would have been checked for the wrong name.
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=0)
    return GuardedTransport(trusted=None, limits=limits, verify=_tls(), lets_private=settings.WEBHOOKS_TO_PRIVATE)


def _client() -> httpx.AsyncClient:
    make_room(AT_ONCE)
    return httpx.AsyncClient(
        headers=_HEADERS, transport=Places(_connection, most=AT_ONCE, kept=50), trust_env=False, follow_redirects=False
    )


_clients = PerLoop(_client, lambda client: client.aclose())
