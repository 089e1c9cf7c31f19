"""Each failure mode, as a client observes it."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from sandbox.failures import DESCRIPTIONS, Mode
from sandbox.spoiled import HUGE_BYTES

from .conftest import KEY, Sandbox

Start = Callable[..., Sandbox]


@contextlib.contextmanager
def asking(sandbox: Sandbox, method: str, path: str, body: Any = None) -> Iterator[socket.socket]:
    """Send a request on a connection of its own, and give that: what comes on it may take any time, or never come."""
    request = httpx.Request(method, sandbox.url + path, json=body, headers={**KEY, "Connection": "close"})
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with socket.create_connection((request.url.host, request.url.port)) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + request.read())
        yield connection


def all_of(connection: socket.socket) -> bytes:
    """Read until nothing comes for a while. Raises AssertionError for an answer that ends."""
    connection.settimeout(0.4)
    received = b""
    with contextlib.suppress(TimeoutError):
        while piece := connection.recv(65536):
            received += piece
        raise AssertionError(f"it ends after {len(received)} bytes")
    return received


def test_it_documents_every_mode() -> None:
    assert set(DESCRIPTIONS) == set(Mode)


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        ("refuse", 422, "content_policy_violation"),
        ("error500", 500, "internal_error"),
        ("unauthorized", 401, "unauthorized"),
        ("payment", 402, "insufficient_credits"),
        ("forbidden", 403, "forbidden"),
    ],
)
def test_it_refuses_at_submit_and_accepts_nothing(sandbox: Sandbox, mode: str, status: int, code: str) -> None:
    prompt = f"refused [sandbox:{mode}]"
    answer = sandbox.generate(prompt)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert sandbox.jobs(prompt)["jobs"] == []


def test_it_fails_later_with_a_reason(sandbox: Sandbox) -> None:
    answer = sandbox.finished("a storm [sandbox:fail]")
    assert answer["status"] == "failed"
    assert answer["error"]["code"] == "generation_failed"
    assert "url" not in answer


def test_it_accepts_the_job_and_yet_answers_500(sandbox: Sandbox) -> None:
    prompt = "ambiguous [sandbox:error500-accepted]"
    assert sandbox.generate(prompt).status_code == 500
    assert len(sandbox.jobs(prompt)["jobs"]) == 1


@pytest.mark.parametrize(("mode", "status"), [("error503", 503), ("busy", 429)])
def test_it_turns_the_first_two_submits_away_and_takes_the_third(sandbox: Sandbox, mode: str, status: int) -> None:
    prompt = f"patience [sandbox:{mode}]"
    answers = [sandbox.generate(prompt) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 202]
    assert answers[0].headers["Retry-After"] == "1"
    assert len(sandbox.jobs(prompt)["jobs"]) == 1


def test_it_accepts_the_job_and_never_answers_the_submit(sandbox: Sandbox) -> None:
    prompt = "silence [sandbox:timeout-submit]"
    with asking(sandbox, "POST", "/v1/images/generate", {"prompt": prompt, "async": True}) as unanswered:
        while not (jobs := sandbox.jobs(prompt)["jobs"]):
            time.sleep(0.02)
        assert all_of(unanswered) == b""
    assert len(jobs) == 1
    assert sandbox.status(jobs[0]["id"]).status_code == 200


def test_it_ignores_async_and_answers_completed(sandbox: Sandbox) -> None:
    answer = sandbox.generate("at once [sandbox:sync-anyway]")
    assert answer.status_code == 200
    assert answer.json()["status"] == "completed"


@pytest.mark.parametrize(("mode", "status", "times"), [("status500", 500, 3), ("status-busy", 429, 2)])
def test_it_spoils_the_first_status_calls(sandbox: Sandbox, mode: str, status: int, times: int) -> None:
    job_id = sandbox.generate(f"first calls [sandbox:{mode}]").json()["id"]
    assert [sandbox.status(job_id).status_code for _ in range(times + 1)] == [status] * times + [200]


def test_it_answers_the_first_status_calls_with_garbage(sandbox: Sandbox) -> None:
    job_id = sandbox.generate("garbage [sandbox:status-garbage]").json()["id"]
    for _ in range(2):
        answer = sandbox.status(job_id)
        assert answer.status_code == 200
        with pytest.raises(ValueError, match="Unterminated"):
            answer.json()
    assert sandbox.status(job_id).json()["id"] == job_id


def test_it_leaves_the_first_status_call_unanswered(sandbox: Sandbox) -> None:
    job_id = sandbox.generate("hang [sandbox:status-timeout]").json()["id"]
    with asking(sandbox, "GET", f"/v1/images/status/{job_id}") as unanswered:
        assert all_of(unanswered) == b""
        assert sandbox.status(job_id).status_code == 200


def test_it_loses_the_job(sandbox: Sandbox) -> None:
    answer = sandbox.generate("gone [sandbox:lost]")
    assert answer.status_code == 202
    assert sandbox.status(answer.json()["id"]).status_code == 404


def test_it_stays_pending_for_ever(sandbox: Sandbox) -> None:
    job_id = sandbox.generate("waiting [sandbox:never]").json()["id"]
    time.sleep(0.1)
    assert sandbox.status(job_id).json() == {"id": job_id, "status": "pending"}


def test_it_completes_without_a_url(sandbox: Sandbox) -> None:
    answer = sandbox.finished("nothing to fetch [sandbox:no-url]")
    assert answer["status"] == "completed"
    assert "url" not in answer


def test_it_serves_a_page_where_the_image_should_be(sandbox: Sandbox) -> None:
    answer = httpx.get(sandbox.finished("page [sandbox:html]")["url"])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_it_serves_half_an_image_that_only_decoding_reveals(sandbox: Sandbox) -> None:
    answer = httpx.get(sandbox.finished("half [sandbox:truncated]")["url"])
    assert answer.status_code == 200
    assert int(answer.headers["content-length"]) == len(answer.content)
    picture = Image.open(io.BytesIO(answer.content))
    with pytest.raises(OSError, match="truncated"):
        picture.load()


def test_it_streams_more_than_sixty_megabytes(sandbox: Sandbox) -> None:
    url = sandbox.finished("huge [sandbox:huge]")["url"]
    with httpx.stream("GET", url) as answer:
        assert "content-length" not in answer.headers
        received = sum(len(chunk) for chunk in answer.iter_raw())
    assert received > HUGE_BYTES > 60_000_000


def test_it_serves_a_tiny_file_that_claims_thirty_thousand_pixels_square(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    answer = httpx.get(sandbox.finished("bomb [sandbox:bomb]")["url"])
    assert len(answer.content) < 2000
    assert Image.open(io.BytesIO(answer.content)).size == (30_000, 30_000)


def test_it_redirects_to_a_private_address(sandbox: Sandbox) -> None:
    answer = httpx.get(sandbox.finished("inward [sandbox:private-redirect]")["url"])
    assert answer.status_code == 302
    assert answer.headers["location"] == "http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("mode", "media_type", "form"),
    [("wrong-type", "image/png", "GIF"), ("jpeg", "image/jpeg", "JPEG"), ("webp", "image/webp", "WEBP")],
)
def test_it_serves_other_formats(sandbox: Sandbox, mode: str, media_type: str, form: str) -> None:
    answer = httpx.get(sandbox.finished(f"another format [sandbox:{mode}]")["url"], timeout=20)
    assert answer.headers["content-type"] == media_type
    picture = Image.open(io.BytesIO(answer.content))
    picture.load()
    assert picture.format == form


def test_it_lets_an_image_trickle(sandbox: Sandbox) -> None:
    url = sandbox.finished("slowly [sandbox:slow-image]")["url"]
    begun = time.monotonic()
    with httpx.stream("GET", url, timeout=60) as answer:
        pieces = answer.iter_raw()
        received = sum(len(next(pieces)) for _ in range(4))
        assert 0.3 < time.monotonic() - begun < 60
        assert received < int(answer.headers["content-length"])


def test_it_leaves_the_first_fetch_of_an_image_hanging_halfway(sandbox: Sandbox) -> None:
    url = sandbox.finished("in one piece [sandbox:stalled-image]")["url"]
    with asking(sandbox, "GET", url.removeprefix(sandbox.url)) as hanging:
        hanging.settimeout(60)
        first = hanging.recv(1)
        headers, _, half = (first + all_of(hanging)).partition(b"\r\n\r\n")
    whole = httpx.get(url, timeout=60).content
    assert 0 < len(half) < len(whole)
    assert f"content-length: {len(whole)}" in headers.decode().lower()
    assert whole.startswith(half)


def test_it_stops_promptly_while_a_client_waits(start: Start) -> None:
    sandbox = start(SANDBOX_SECONDS="250")
    answers: list[int] = []

    def submit() -> None:
        body = {"prompt": "patience", "aspect_ratio": "1:1"}
        answers.append(httpx.post(f"{sandbox.url}/v1/images/generate", json=body, headers=KEY, timeout=200).status_code)

    waiting = threading.Thread(target=submit)
    waiting.start()
    while not sandbox.jobs("patience")["jobs"]:
        time.sleep(0.02)
    begun = time.monotonic()
    assert sandbox.stop() == 0
    waiting.join(100)
    assert time.monotonic() - begun < 60
    assert answers == [503]
    assert sandbox.errors == ""
