"""How all dialects speak HTTP: pooled connections, time limits for whole calls, and distrust of whatever is answered.

A `Transport` belongs to one upstream. Each call ends within a limit of its own, reads no more than it was told to, is
unpacked by nobody, and raises nothing but `errors.UpstreamError`. A picture comes by `download`, which carries no key,
reaches no private network, and raises `generator.errors.BadImage`.
"""

import asyncio
import contextlib
import importlib.util
import json
import re
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from unicodedata import category

import httpx
from django.conf import settings
from django.utils import timezone

from generator.errors import BadImage, ImageUnreachable
from generator.upstreams import words
from generator.upstreams.errors import (
    Busy,
    Gone,
    Kind,
    NotAccepted,
    OperatorTrouble,
    PromptRefused,
    Unclear,
    UpstreamError,
)
from kit.http.network import ForbiddenAddress, GuardedTransport
from kit.http.places import Places, make_room

if importlib.util.find_spec("sniffio") is None:
    # httpcore tries to import it several times in each request, and each time all of the path is searched: a third of
    # what a call costs. This says at once that it is not there.
    sys.modules["sniffio"] = None  # type: ignore[assignment]

# Nobody has more in hand than there are connections, so that none waits for one.
SUBMIT_CONNECTIONS = 1050
LOOK_CONNECTIONS = 150
IMAGE_CONNECTIONS = 64
CONNECTIONS = SUBMIT_CONNECTIONS + LOOK_CONNECTIONS
KEPT_CONNECTIONS = 100
KEPT_SECONDS = 3.0  # less than servers keep them: what is sent into one that just ends may have been accepted
CONNECT_SECONDS = 5.0
POLL_TIMEOUT_SECONDS = 10.0
DOWNLOAD_SECONDS = 45.0  # for the whole image
MAX_ANSWER_BYTES = 1024 * 1024
MAX_REDIRECTS = 3
ID_MAX_LENGTH = 255
URL_MAX_LENGTH = 4096
# Asked before the first byte of a job leaves: what it raises is raised, and nothing of the job was sent.
before_sending: ContextVar[Callable[[], None]] = ContextVar("before_sending", default=lambda: None)
# What a protocol reads in an error's status and JSON; None where it is what all protocols mean by it.
Meaning = Callable[[int, Any], UpstreamError | None]
# What httpx and what lies below it raise when an answer is none.
_BROKEN = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError)


@dataclass(frozen=True)
class Access:
    """Where an upstream is and how we get in. `seconds` is how long taking a job may take, `None` the setting."""

    base_url: str
    key: str = ""
    seconds: float | None = None

    def __repr__(self) -> str:
        return "Access(…)"  # no log and no traceback shows the key


class Transport:
    """Pooled connections to one upstream; belongs to the event loop it is first used on.

    `authorization` is how it wants to hear the key, a format with `{key}` in it; `headers` are sent with each call.
    `meaning` is asked first what an error means.
    """

    def __init__(
        self,
        access: Access,
        *,
        authorization: str = "Bearer {key}",
        headers: Mapping[str, str] | None = None,
        meaning: Meaning | None = None,
    ) -> None:
        self.access = access
        self._meaning = meaning
        self._base_url = httpx.URL(access.base_url)
        is_secret = not (settings.SANDBOX and access.key == settings.UPSTREAM_API_KEY)  # the sandbox's is "sandbox"
        self.hidden = words.Hidden([access.key] if is_secret else [], access.base_url)
        common = {"User-Agent": "reveweb", "Accept-Encoding": "identity"}
        # A server of the operator's own may want none.
        known_by = {"Authorization": authorization.format(key=access.key)} if access.key else {}
        make_room(CONNECTIONS + IMAGE_CONNECTIONS)
        # Apart, so that an upstream that lets submissions hang keeps nobody from asking for what is drawn.
        self._submits, self._looks = (
            httpx.AsyncClient(
                base_url=access.base_url,
                headers={**common, **known_by, **(headers or {})},
                transport=Places(_connection, most=most, kept=KEPT_CONNECTIONS, seconds=KEPT_SECONDS),
                trust_env=False,
            )
            for most in (SUBMIT_CONNECTIONS, LOOK_CONNECTIONS)
        )
        # Images come without our key, and only from where no private network can be reached through us.
        self._images = httpx.AsyncClient(
            headers=common,
            timeout=httpx.Timeout(20.0, connect=CONNECT_SECONDS),
            transport=GuardedTransport(
                trusted=self._base_url,
                limits=httpx.Limits(
                    max_connections=IMAGE_CONNECTIONS, max_keepalive_connections=16, keepalive_expiry=KEPT_SECONDS
                ),
                verify=_tls(),
            ),
            trust_env=False,
        )

    @property
    def submit_seconds(self) -> float:
        """How long a submission may take."""
        return self.access.seconds or settings.UPSTREAM_TIMEOUT_SECONDS

    async def aclose(self) -> None:
        """Close all connections."""
        for client in (self._submits, self._looks, self._images):
            await client.aclose()

    async def submit(self, path: str, *, most: int = MAX_ANSWER_BYTES, **options: Any) -> Any:
        """POST a job and return the JSON of a good answer of at most `most` bytes. `options` are httpx's.

        Raises every UpstreamError, NotAccepted where no byte of it was sent, and what `before_sending` does. What is
        Gone here is an address or a model that the upstream does not have.
        """
        is_sent = False

        async def watch(event: str, details: dict[str, Any]) -> None:
            nonlocal is_sent
            if not is_sent and ".send_request_headers." in event:
                before_sending.get()()
                is_sent = True

        options["extensions"] = {"trace": watch}
        try:
            answer = await self._ask(self._submits, "POST", path, self.submit_seconds, most, **options)
        except _BROKEN as error:
            told = self.told(error)
        else:
            return self._checked(answer)
        # From nothing here does the first error hang, as its text may have our key in it (a header that is none).
        raise Unclear(f"no answer: {told}") if is_sent else NotAccepted(f"no connection: {told}")

    async def look(self, path: str, *, method: str = "GET", most: int = MAX_ANSWER_BYTES, **options: Any) -> Any:
        """Ask something short, within `POLL_TIMEOUT_SECONDS`; return the JSON of a good answer.

        Raises every UpstreamError.
        """
        try:
            answer = await self._ask(self._looks, method, path, POLL_TIMEOUT_SECONDS, most, **options)
        except _BROKEN as error:
            told = self.told(error)
        else:
            return self._checked(answer)
        raise Unclear(f"no answer: {told}")

    async def download(self, url: str) -> bytes:
        """Fetch an image of at most `IMAGE_MAX_BYTES` within `DOWNLOAD_SECONDS`. Raises BadImage, ImageUnreachable."""
        problem: BadImage
        try:
            async with asyncio.timeout(DOWNLOAD_SECONDS), self._image_at(url) as answer:
                _check_download(answer)
                data = await _read_limited(answer, settings.IMAGE_MAX_BYTES)
        except ForbiddenAddress:
            problem = BadImage("the image's address is none that we fetch from")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError) as error:
            problem = BadImage(f"the image's address is of no use: {self.told(error)}")
        except _BROKEN as error:
            problem = ImageUnreachable(f"the image could not be fetched: {self.told(error)}")
        else:
            if data is not None:
                return data
            problem = BadImage(f"the image has more than {settings.IMAGE_MAX_BYTES} bytes")
        raise problem

    @contextlib.asynccontextmanager
    async def _image_at(self, url: str) -> AsyncIterator[httpx.Response]:
        """Give the answer that `url` leads to, none of which is read yet. Raises BadImage, or one of `_BROKEN`.

        httpx would follow a redirect by itself once it had read the body that comes with it: unpacked, without limit.
        """
        request: httpx.Request | None = self._images.build_request("GET", self._base_url.join(url))
        for _ in range(1 + MAX_REDIRECTS):
            assert request is not None
            answer = await self._images.send(request, stream=True)
            async with contextlib.aclosing(answer):
                request = answer.next_request
                if request is None:
                    yield answer
                    return
        raise BadImage("the image's address leads on and on")

    async def _ask(
        self, client: httpx.AsyncClient, method: str, path: str, seconds: float, most: int, **options: Any
    ) -> httpx.Response:
        """Return a whole answer of at most `most` bytes. Raises Unclear for a longer one, or one of `_BROKEN`.

        `seconds` are for all of it: limits that begin anew with each byte are none against one that drips.
        """
        # Who found a place at the last moment would send what there is no time left to hear of.
        limits = httpx.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds), pool=seconds / 2)
        async with asyncio.timeout(seconds), client.stream(method, path, timeout=limits, **options) as answer:
            data = await _read_limited(answer, most)
        if data is None:
            raise Unclear(f"{answer.status_code}: an answer of more than {most} bytes")
        kept = {name: answer.headers[name] for name in ("Retry-After",) if name in answer.headers}
        return httpx.Response(answer.status_code, headers=kept, content=data)

    def _checked(self, answer: httpx.Response) -> Any:
        """Return the JSON of a good answer; raise what a bad one means."""
        try:
            data = json.loads(answer.content)
        except (ValueError, RecursionError):
            data = None
            if answer.is_success:
                raise Unclear("an answer that is no JSON") from None
        if not answer.is_success:
            error = (self._meaning and self._meaning(answer.status_code, data)) or self._meant(answer, data)
            error.status = answer.status_code
            raise error
        return data

    def _meant(self, answer: httpx.Response, data: Any) -> UpstreamError:
        status = answer.status_code
        code, said = words.code_of(data), words.of_error(data)
        message = self.said(data)
        told = f"{status}: {message or answer.reason_phrase}"
        # Words alone end nothing for everybody: they may quote a customer's prompt. A code of the upstream's does.
        is_about_funds = status == 402 or words.kind_of(code) is words.Kind.FUNDS
        if is_about_funds and 400 <= status < 500:
            return OperatorTrouble(told, Kind.OUT_OF_FUNDS)
        if status in (429, 503):
            return Busy(told, _retry_after(answer) or 5.0)
        if status in (400, 422) or (status == 403 and words.kind_of(code, said) is words.Kind.CONTENT):
            return PromptRefused(message)
        if status in (401, 403):
            return OperatorTrouble(told)
        if status in (404, 410):
            return Gone(told)
        return Unclear(told)

    def said(self, data: Any) -> str:
        """Return what people may read of an error's JSON."""
        kind = words.kind_of(words.code_of(data))
        return kind.value if kind else words.clean(words.of_error(data), self.hidden)

    def told(self, error: Exception) -> str:
        """Return what a log may say of an error that is not the upstream's own."""
        return f"{type(error).__name__} {words.clean(str(error), self.hidden)}".rstrip()


def _connection() -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_SECONDS)
    return httpx.AsyncHTTPTransport(limits=limits, verify=_tls(), trust_env=False)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)  # reads all certificates: once for a thousand connections


def identifier(name: str, value: object, most: int) -> str:
    """Return an id or a URL as it came. Raises Unclear for anything else: what is bent into shape is another's."""
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise Unclear(f"an answer without a usable {name}")
    if any(category(character)[0] == "C" for character in value):  # NUL, controls, halves of surrogate pairs
        raise Unclear(f"an answer without a usable {name}")
    return value


def versioned(base_url: str) -> str:
    """Return what stands between an upstream's address and its endpoints: addresses are given with `/v1` or without."""
    return "" if re.search(r"/v\d+/*\Z", httpx.URL(base_url).path) else "/v1"


def quoted(upstream_id: str) -> str:
    """Return an upstream's id as one step of a path."""
    from_upstream = httpx.QueryParams({"id": upstream_id})
    return str(from_upstream)[3:].replace("+", "%20").replace("/", "%2F")


def _retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds that a Retry-After header asks for, as a number or a date (RFC 9110, 10.2.3), 1 to 120.

    None where it asks for nothing that is understood.
    """
    value = answer.headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - timezone.now()).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(120.0, max(1.0, seconds)) if seconds == seconds else None


def _check_download(answer: httpx.Response) -> None:
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        raise ImageUnreachable(f"the image's server answered {answer.status_code}", _retry_after(answer))
    if not answer.is_success:
        raise BadImage(f"the image's server answered {answer.status_code}")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind and not kind.startswith("image/") and kind not in ("application/octet-stream", "binary/octet-stream"):
        raise BadImage(f"the image's address gives {words.name(kind, words.Hidden(), most=40) or 'no image'}")
    if packing := _packing(answer):
        raise BadImage(f"the image comes packed, as {packing}: it was asked for as it is")
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and len(length) < 20 and int(length) > settings.IMAGE_MAX_BYTES:
        raise BadImage(f"the image has {length} bytes")


async def _read_limited(answer: httpx.Response, most: int) -> bytes | None:
    """Return an answer's body as it came, or None when it has more than `most` bytes. Raises httpx.DecodingError.

    It was asked for unpacked. What is packed all the same is refused before any of it is read: a kilobyte may unpack to
    gigabytes, and each packing may hold another.
    """
    if packing := _packing(answer):
        raise httpx.DecodingError(f"an encoding that was not asked for: {packing}")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


def _packing(answer: httpx.Response) -> str:
    """Return how an answer's body is packed, in words for a log; "" where it is as it is."""
    named = [one.strip().lower() for one in answer.headers.get_list("Content-Encoding", split_commas=True)]
    packings = [one for one in named if one not in ("", "identity")][:4]
    return " in ".join(words.name(one, words.Hidden(), most=20) or "something unknown" for one in reversed(packings))
