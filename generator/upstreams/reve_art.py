"""The upstream client: speaks the documented Reve API, and is the only code of the apps that does.

UpstreamError
├─ NotAccepted            the upstream certainly does not have the job: sending it again is safe
│  └─ Busy                … because it asked us to wait (429, or 503 with Retry-After)
├─ Unclear                no usable answer (timeout, 5xx, broken JSON): it may have accepted the job
├─ PromptRefused          400 or 422: it will never draw this prompt
├─ OperatorTrouble        401, 402, 403: our own key or credit at the upstream
└─ Gone                   404: it does not know what we ask about

What it offers as an image and is none raises `generator.errors.BadImage`.
"""

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from django.conf import settings
from django.utils import timezone

from generator.errors import BadImage, ImageUnreachable
from kit.http.network import ForbiddenAddress, GuardedTransport
from kit.http.requests import without_nul

# The document knows `pending` and `completed`; the other words are those that APIs of this kind use. Any word that is
# in neither list means that the upstream is still at it.
COMPLETED_WORDS = frozenset({"completed", "complete", "succeeded", "success", "done", "finished"})
FAILED_WORDS = frozenset({"failed", "failure", "error", "errored", "cancelled", "canceled", "rejected", "expired"})

CONNECTIONS = 1200  # at once, of one process; nobody has more in hand, so that none waits for one
KEPT_CONNECTIONS = 150
POLL_TIMEOUT_SECONDS = 10.0
DOWNLOAD_SECONDS = 45.0  # for the whole image
MAX_ANSWER_BYTES = 1024 * 1024
MAX_REDIRECTS = 3
ID_MAX_LENGTH = 255


class UpstreamError(Exception):
    """Root of what can go wrong with the upstream (the module draws the tree)."""


class NotAccepted(UpstreamError):
    """The upstream certainly does not have the job."""


class Busy(NotAccepted):
    """The upstream asked us to wait `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unclear(UpstreamError):
    """No usable answer: the upstream may or may not have done what we asked."""


class PromptRefused(UpstreamError):
    """The upstream will not draw this prompt; the message is its own."""


class OperatorTrouble(UpstreamError):
    """The upstream refuses our key or asks us to pay: only the operator can fix it."""


class Gone(UpstreamError):
    """The upstream does not know what we ask about."""


@dataclass(frozen=True)
class Job:
    """What the upstream says of a job. `state` is "pending", "completed" or "failed"; `url` may miss in any of them."""

    id: str
    state: str
    url: str = ""
    model: str = ""
    message: str = ""


class ReveClient:
    """One pooled connection to the upstream; belongs to the event loop it is first used on."""

    def __init__(self, base_url: str, api_key: str) -> None:
        self._base_url = httpx.URL(base_url)
        headers = {"User-Agent": "reveweb"}
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=KEPT_CONNECTIONS)
        self._api = httpx.AsyncClient(
            base_url=base_url,
            headers={**headers, "Authorization": f"Bearer {api_key}"},
            timeout=httpx.Timeout(settings.UPSTREAM_TIMEOUT_SECONDS, connect=5.0),
            limits=limits,
            trust_env=False,
        )
        # Images come without our key, and only from where no private network can be reached through us.
        self._images = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(20.0, connect=5.0),
            transport=GuardedTransport(trusted=self._base_url, limits=limits),
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._api.aclose()
        await self._images.aclose()

    async def submit(self, *, prompt: str, negative_prompt: str, aspect_ratio: str) -> Job:
        """Ask for an image, asynchronously. Raises every UpstreamError except Gone."""
        body: dict[str, Any] = {"prompt": prompt, "aspect_ratio": aspect_ratio, "async": True}
        if negative_prompt:
            body["negative_prompt"] = negative_prompt
        try:
            answer = await self._ask("POST", "/v1/reve-image/generate", json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotAccepted(f"no connection: {error}") from error
        except httpx.HTTPError as error:
            raise Unclear(f"no answer: {error!r}") from error
        try:
            job = _job(_checked(answer))
        except Gone as error:
            raise OperatorTrouble(f"REVE_API_URL has no generate endpoint: {error}") from error
        if not 1 <= len(job.id) <= ID_MAX_LENGTH:
            raise Unclear("an answer without a usable id")
        return job

    async def poll(self, upstream_id: str) -> Job:
        """Ask how a job is doing. Raises every UpstreamError."""
        path = f"/v1/reve-image/status/{_quoted(upstream_id)}"
        try:
            answer = await self._ask("GET", path, timeout=httpx.Timeout(POLL_TIMEOUT_SECONDS, connect=5.0))
        except httpx.HTTPError as error:
            raise Unclear(f"no answer: {error!r}") from error
        return _job(_checked(answer))

    async def download(self, url: str) -> bytes:
        """Fetch an image of at most `IMAGE_MAX_BYTES`. Raises BadImage, ImageUnreachable."""
        try:
            async with self._images.stream("GET", self._base_url.join(url)) as answer:
                _check_download(answer)
                data = await _read_limited(answer, settings.IMAGE_MAX_BYTES)
        except ForbiddenAddress as error:
            raise BadImage(str(error)) from error
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects, ValueError) as error:
            raise BadImage(f"the image's address is of no use: {error}") from error
        except httpx.HTTPError as error:
            raise ImageUnreachable(f"the image could not be fetched: {error!r}") from error
        if data is None:
            raise BadImage(f"the image has more than {settings.IMAGE_MAX_BYTES} bytes")
        return data

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Return a whole answer of at most `MAX_ANSWER_BYTES`. Raises Unclear for a longer one."""
        async with self._api.stream(method, path, **options) as answer:
            data = await _read_limited(answer, MAX_ANSWER_BYTES)
        if data is None:
            raise Unclear(f"{answer.status_code}: an answer of more than {MAX_ANSWER_BYTES} bytes")
        kept = {name: answer.headers[name] for name in ("Retry-After",) if name in answer.headers}
        return httpx.Response(answer.status_code, headers=kept, content=data)


def _quoted(upstream_id: str) -> str:
    from_upstream = httpx.QueryParams({"id": upstream_id})
    return str(from_upstream)[3:].replace("+", "%20").replace("/", "%2F")


def _checked(answer: httpx.Response) -> Any:
    """Return the JSON of a good answer; raise what a bad one means."""
    status, message = answer.status_code, _message(answer)
    if status == 429 or (status == 503 and "Retry-After" in answer.headers):
        raise Busy(message, _retry_after(answer))
    if status in (400, 422):
        raise PromptRefused(message)
    if status in (401, 402, 403):
        raise OperatorTrouble(f"{status}: {message}")
    if status in (404, 410):
        raise Gone(message)
    if not answer.is_success:
        raise Unclear(f"{status}: {message}")
    try:
        return answer.json()
    except (ValueError, RecursionError) as error:
        raise Unclear("an answer that is no JSON") from error


def _job(data: Any) -> Job:
    if not isinstance(data, dict):
        raise Unclear("an answer that is no object")
    metadata = data.get("metadata")
    word = str(data.get("status", "")).lower()
    state = "completed" if word in COMPLETED_WORDS else "failed" if word in FAILED_WORDS else "pending"
    return Job(
        id=_word(data.get("id")),
        state=state,
        url=_word(data.get("url")),
        model=_word(metadata.get("model")) if isinstance(metadata, dict) else "",
        message=_error_message(data) if state == "failed" else "",
    )


def _message(answer: httpx.Response) -> str:
    try:
        return _error_message(answer.json())
    except (ValueError, RecursionError):
        return answer.reason_phrase or str(answer.status_code)


def _error_message(data: Any) -> str:
    """Find the words in the shapes that errors come in: {"error": {"message"}}, {"error"}, {"message"}, {"detail"}."""
    while isinstance(data, dict):
        data = next((data[key] for key in ("error", "message", "detail") if data.get(key)), "")
    words = data if isinstance(data, str) else json.dumps(data)
    return _storable(words).strip()[:400]


def _word(value: Any) -> str:
    return _storable(str(value)) if isinstance(value, str | int) else ""


def _storable(text: str) -> str:
    """Return `text` without what JSON can spell and a database cannot keep: NUL and halves of surrogate pairs."""
    return without_nul(text).encode(errors="replace").decode()


def _retry_after(answer: httpx.Response) -> float:
    """Return the seconds that a Retry-After header asks for, as a number or a date (RFC 9110, 10.2.3), 1 to 120."""
    value = answer.headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - timezone.now()).total_seconds()
        except (ValueError, TypeError):
            seconds = 5.0
    return min(120.0, max(1.0, seconds)) if seconds == seconds else 5.0


def _check_download(answer: httpx.Response) -> None:
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        raise ImageUnreachable(f"the image's server answered {answer.status_code}")
    if not answer.is_success:
        raise BadImage(f"the image's server answered {answer.status_code}")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind and not kind.startswith("image/") and kind not in ("application/octet-stream", "binary/octet-stream"):
        raise BadImage(f"the image's address gives {kind}")
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > settings.IMAGE_MAX_BYTES:
        raise BadImage(f"the image has {length} bytes")


async def _read_limited(answer: httpx.Response, most: int) -> bytes | None:
    """Return an answer's body, or None when it has more than `most` bytes."""
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
