"""One class that draws: it waits, sends again what is worth it, and tells errors by type.

What is sent and to which address comes from the generated code; answers are read here, for proxies answer too, with
pages that no schema knows.
"""

import os
import random
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from reveweb_client.errors import ConnectionFailed, ImageFailed, PromptRefused, TookTooLong, of_status
from reveweb_client.generated.api.images import edit_image, generate_image, image_status, remix_images
from reveweb_client.generated.client import AuthenticatedClient
from reveweb_client.generated.models import EditRequest, GenerateRequest, RemixRequest

TIMEOUT_SECONDS = 660.0  # for one image, all tries and pauses together
ANSWER_SECONDS = 30.0
LONGEST_PAUSE = 30.0
LONGEST_LOOK = 8.0


@dataclass(frozen=True)
class Image:
    """An image: `status` is pending or completed, and what is completed has a `url` that needs no key.

    `body` is all that the API said of it.
    """

    id: str
    status: str
    url: str | None
    width: int | None
    height: int | None
    body: Mapping[str, Any] = field(repr=False)
    client: "Reveweb" = field(repr=False, compare=False)

    def read(self) -> bytes:
        """Return the image's file. Raises ConnectionFailed, and ApiError once it was deleted."""
        if self.url is None:
            raise ValueError(f"{self.id} is not finished yet")
        return self.client.download(self.url)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the image's file to `path` and return that. Raises as `read`, and OSError."""
        where = Path(path)
        where.write_bytes(self.read())
        return where


Picture = Image | str | os.PathLike[str]


class Reveweb:
    """A site's API. Methods raise what `reveweb_client.errors` draws; all are blocking and may share an object.

    `timeout` is how long one image may take, in seconds, with all that is sent again. What is asked for as
    `**options` is what the API takes: `negative_prompt`, `aspect_ratio`, `model`, `size`, `quality`, … Each call is
    for one image: several at once (`n`) and `dry_run` are answered otherwise, and raise ValueError before anything is
    sent.
    """

    def __init__(
        self, base_url: str | None = None, api_key: str | None = None, *, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        url, key = base_url or os.environ.get("REVEWEB_URL"), api_key or os.environ.get("REVEWEB_API_KEY")
        if not url or not key:
            raise ValueError("Name the site's address and an API key, here or in REVEWEB_URL and REVEWEB_API_KEY.")
        self.timeout = timeout
        self.raw = AuthenticatedClient(base_url=url.rstrip("/"), token=key, timeout=httpx.Timeout(ANSWER_SECONDS))
        self._files = httpx.Client(timeout=ANSWER_SECONDS, follow_redirects=True)  # never sees the key

    def close(self) -> None:
        """Close its connections."""
        self.raw.get_httpx_client().close()
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- Images

    def generate(self, prompt: str, *, idempotency_key: str | None = None, **options: Any) -> Image:
        """Draw what `prompt` says and return the finished image; a failure costs nothing."""
        return self.wait(self.start(prompt, idempotency_key=idempotency_key, **options))

    def start(self, prompt: str, *, idempotency_key: str | None = None, **options: Any) -> Image:
        """Begin to draw, and return at once; `wait` and `status` follow it."""
        _check(options, generate_image)
        body = GenerateRequest.from_dict({**options, "prompt": prompt, "async": True})
        return self._begin(generate_image, body, idempotency_key)

    def edit(
        self,
        image: Picture,
        prompt: str,
        *,
        mask: Picture | None = None,
        idempotency_key: str | None = None,
        **options: Any,
    ) -> Image:
        """Change a picture as `prompt` says, and only where `mask` is white if there is one.

        A picture is an Image, an id, an https address, or the path of a file, which is uploaded.
        """
        _check(options, edit_image)
        named = {"image": self._named(image)} | ({"mask": self._named(mask)} if mask is not None else {})
        body = EditRequest.from_dict({**options, **named, "prompt": prompt, "async": True})
        return self.wait(self._begin(edit_image, body, idempotency_key))

    def remix(
        self, images: Sequence[Picture], prompt: str, *, idempotency_key: str | None = None, **options: Any
    ) -> Image:
        """Draw a new image that goes by one to six pictures, as `edit` takes them."""
        _check(options, remix_images)
        named = [self._named(one) for one in images]
        body = RemixRequest.from_dict({**options, "images": named, "prompt": prompt, "async": True})
        return self.wait(self._begin(remix_images, body, idempotency_key))

    def status(self, id: str) -> Image:
        """Look at an image once. Raises ImageFailed where there will be none."""
        return self._read(self._send(image_status._get_kwargs(id)))

    def wait(self, image: Image | str, timeout: float | None = None) -> Image:
        """Return an image once it is finished. Raises ImageFailed, TookTooLong after `timeout` seconds."""
        until = time.monotonic() + (self.timeout if timeout is None else timeout)
        found = self.status(image) if isinstance(image, str) else image
        pause = 0.5
        while found.status != "completed":
            if time.monotonic() + pause > until:
                raise TookTooLong(found.id)
            time.sleep(pause)
            pause = min(LONGEST_LOOK, pause * 1.5)
            found = self.status(found.id)
        return found

    def upload(self, path: str | os.PathLike[str]) -> str:
        """Keep a PNG, JPEG or WebP to make images from, and return its id. Free."""
        file = Path(path)
        sent = {"method": "post", "url": "/v1/files", "files": {"file": (file.name, file.read_bytes())}}
        return str(self._send(sent)["id"])

    def download(self, url: str) -> bytes:
        """Return the file at an image's address."""
        return self._answer(self._files, {"method": "get", "url": url}).content

    # --- The account

    def models(self) -> list[dict[str, Any]]:
        """Return the models that can be chosen, with what they do and cost."""
        found: list[dict[str, Any]] = self._get("/v1/models")["data"]
        return found

    def account(self) -> dict[str, Any]:
        """Return what the account has: credits, plan and limits."""
        return self._get("/v1/account")

    # --- Requests

    def _get(self, path: str) -> dict[str, Any]:
        return self._send({"method": "get", "url": quote(path)})

    def _named(self, picture: Picture) -> str:
        if isinstance(picture, Image):
            return picture.id
        words = os.fspath(picture)
        is_name = isinstance(picture, str) and words.startswith(("img_", "file_", "https://", "http://", "data:"))
        return words if is_name else self.upload(words)

    def _begin(self, endpoint: Any, body: Any, idempotency_key: str | None) -> Image:
        key = idempotency_key or str(uuid.uuid4())
        return self._read(self._send(endpoint._get_kwargs(body=body, idempotency_key=key), key))

    def _read(self, body: dict[str, Any]) -> Image:
        if body["status"] == "failed":
            error = body["error"]
            kind = PromptRefused if error["code"] == "prompt_refused" else ImageFailed
            raise kind(body["id"], error["code"], error["message"])
        about = body.get("metadata", {})
        return Image(body["id"], body["status"], body.get("url"), about.get("width"), about.get("height"), body, self)

    def _send(self, sent: dict[str, Any], key: str | None = None) -> dict[str, Any]:
        body: dict[str, Any] = self._answer(self.raw.get_httpx_client(), sent, key).json()
        return body

    def _answer(self, http: httpx.Client, sent: dict[str, Any], key: str | None = None) -> httpx.Response:
        """Send a request until its answer is one, for `timeout` seconds at most."""
        until = time.monotonic() + self.timeout
        pause = 1.0
        while True:
            response: httpx.Response | None = None
            try:
                response = http.request(**sent)
                if response.is_success or _is_image(response):
                    return response
                failed: Exception = _error(response)
            except httpx.HTTPError as error:
                failed = ConnectionFailed(f"{type(error).__name__}: {error}", key)
            if response is not None and response.status_code < 500 and response.status_code not in (408, 429):
                raise failed
            wait = getattr(failed, "retry_after", None)
            wait = pause * random.uniform(0.75, 1.25) if wait is None else wait
            if time.monotonic() + wait > until:
                raise failed
            time.sleep(wait)
            pause = min(LONGEST_PAUSE, pause * 2)


def _check(options: Mapping[str, Any], endpoint: Any) -> None:
    """Raise ValueError for what is not answered with one image."""
    instead = f"use {endpoint.__name__}.sync_detailed(client=reveweb.raw, body=…)"
    if options.get("n", 1) != 1:
        raise ValueError(f"n: one image is made at a time here. Call this several times, or {instead}")
    if options.get("dry_run"):
        raise ValueError(f"dry_run: an image is made here. To ask what it costs, {instead}")


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:  # a page of a proxy's
        return {}
    return body if isinstance(body, dict) else {}


def _is_image(response: httpx.Response) -> bool:
    """Tell whether an answer is an image, whatever its status: one that failed is told by its body."""
    return {"id", "status"} <= _json(response).keys()


def _error(response: httpx.Response) -> Exception:
    told = response.headers.get("Retry-After", "")
    seconds = float(told) if told.isdigit() else None
    name = response.headers.get("X-Request-Id")
    return of_status(response.status_code)(response.status_code, _json(response), retry_after=seconds, request_id=name)
