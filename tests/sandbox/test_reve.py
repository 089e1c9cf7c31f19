"""The API the sandbox answers, as a client sees it."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

import httpx
import pytest
from PIL import Image

from sandbox.ratios import SIZES

from .conftest import Sandbox

Start = Callable[..., Sandbox]


def test_it_answers_an_asynchronous_submit_at_once_and_says_how_far_it_is(start: Start) -> None:
    sandbox = start(SANDBOX_SECONDS="1")
    expected = {
        "a quiet harbour": ["pending", "processing", "completed"],
        "other words [sandbox:processing-words]": ["queued", "in_progress", "completed"],
    }
    ids, begun = {}, {}
    for prompt in expected:
        before = time.monotonic()
        answer = sandbox.generate(prompt)
        assert answer.status_code == 202
        assert answer.json() == {"id": answer.json()["id"], "status": "pending"}
        ids[prompt], begun[prompt] = answer.json()["id"], (before, time.monotonic())
    seen: dict[str, list[str]] = {prompt: [] for prompt in expected}
    while any(words[-1:] != ["completed"] for words in seen.values()):
        for prompt, words in seen.items():
            before = time.monotonic()
            word = sandbox.status(ids[prompt]).json()["status"]
            # How old the job was when it said so: on a busy machine some time between these.
            least, most = before - begun[prompt][1], time.monotonic() - begun[prompt][0]
            early, late, done = expected[prompt]
            assert {early: least < 0.6, late: most > 0.4, done: most > 0.9}[word], (word, least, most)
            if words[-1:] != [word]:
                words.append(word)
        time.sleep(0.03)
    for prompt, words in seen.items():
        assert words == [word for word in expected[prompt] if word in words]


def test_it_waits_and_answers_a_synchronous_submit_with_the_image(painter: Sandbox) -> None:
    answer = painter.client.post(
        "/v1/reve-image/generate", json={"prompt": "a red fox in the forest", "aspect_ratio": "16:9"}
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "completed"
    assert body["metadata"] == {
        "prompt": "a red fox in the forest",
        "width": 1344,
        "height": 756,
        "model": "reve-sandbox-1",
        "created_at": body["metadata"]["created_at"],
    }
    image = httpx.get(body["url"], timeout=100)
    assert image.headers["content-type"] == "image/png"
    picture = Image.open(io.BytesIO(image.content))
    picture.load()
    assert picture.size == (1344, 756)
    assert picture.info["Software"] == "reveweb sandbox"


@pytest.mark.parametrize("path", ["images", "reve-image"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_it_answers_the_status_with_and_without_a_trailing_slash(sandbox: Sandbox, path: str, slash: str) -> None:
    job_id = sandbox.generate("dunes", family=path).json()["id"]
    answer = sandbox.client.get(f"/v1/{path}/status/{job_id}{slash}")
    assert answer.status_code == 200
    assert answer.json()["id"] == job_id


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc"])
def test_it_wants_a_key(sandbox: Sandbox, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    for answer in (
        httpx.post(f"{sandbox.url}/v1/images/generate", json={"prompt": "x"}, headers=headers),
        httpx.get(f"{sandbox.url}/v1/images/status/img_1", headers=headers),
    ):
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "unauthorized"


def test_it_wants_one_particular_key_when_told_so(particular: Sandbox) -> None:
    body = {"prompt": "[sandbox:never]", "async": True}
    for key, status in (("another", 401), ("the-on", 401), ("the-one", 202)):
        headers = {"Authorization": f"Bearer {key}"}
        assert httpx.post(f"{particular.url}/v1/images/generate", json=body, headers=headers).status_code == status


def test_it_applies_one_mode_to_everything_but_lets_a_prompt_choose_another(particular: Sandbox) -> None:
    assert particular.generate("anything").status_code == 402
    assert particular.generate("anything [sandbox:refuse]").status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": ""},
        {"prompt": "  \n "},
        {"prompt": 7},
        {"prompt": "x" * 4001},
        {"prompt": "x", "aspect_ratio": "5:4"},
        {"prompt": "x", "aspect_ratio": ["1:1"]},
        {"prompt": "x", "async": "yes"},
        {"prompt": "x", "negative_prompt": 3},
        ["prompt"],
        {"prompt": "[sandbox:no-such-mode] x"},
    ],
)
def test_it_refuses_an_invalid_body(sandbox: Sandbox, body: object) -> None:
    answer = sandbox.client.post("/v1/images/generate", json=body)
    assert answer.status_code == 422
    assert set(answer.json()["error"]) == {"code", "message"}


def test_it_refuses_half_a_surrogate_pair(sandbox: Sandbox) -> None:
    answer = sandbox.client.post("/v1/images/generate", content=b'{"prompt": "\\ud83d"}')
    assert answer.status_code == 422


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_it_refuses_a_body_that_is_not_json(sandbox: Sandbox, content: bytes) -> None:
    answer = sandbox.client.post("/v1/images/generate", content=content)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"


def test_it_refuses_a_huge_body(sandbox: Sandbox) -> None:
    assert sandbox.client.post("/v1/images/generate", content=b" " * 300_000).status_code == 413


def test_it_answers_unknown_routes_and_jobs_as_json(sandbox: Sandbox) -> None:
    for answer in (
        sandbox.client.get("/nowhere"),
        sandbox.client.get("/v1/images/status/img_unknown"),
        sandbox.client.get("/cdn/unknown.png"),
    ):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
    assert sandbox.client.get("/v1/images/generate").status_code == 405


def test_it_ignores_an_idempotency_key_and_counts_each_submit(sandbox: Sandbox) -> None:
    prompt = "counted: a heron by the lake"
    before = sandbox.jobs(prompt)["generate_calls"]
    for _ in range(2):
        sandbox.client.post(
            "/v1/images/generate", json={"prompt": prompt, "async": True}, headers={"Idempotency-Key": "same"}
        )
    after = sandbox.jobs(prompt)
    assert after["generate_calls"] == before + 2
    assert [job["prompt"] for job in after["jobs"]] == [prompt, prompt]
    assert set(after["jobs"][0]) == {"id", "prompt", "status", "created_at"}


def test_it_names_images_unguessably_and_draws_each_anew(painter: Sandbox) -> None:
    first, second = painter.finished("the same prompt"), painter.finished("the same prompt")
    assert first["url"] != second["url"]
    assert (
        httpx.get(first["url"], timeout=100).content != httpx.get(second["url"], timeout=100).content
    )  # asked again, drawn anew


@pytest.mark.parametrize(
    "prompt",
    ["🦊🌙", "غروب الشمس فوق البحر", "山と海の夕暮れ「静けさ」", "e\u0301te\u0301 «été à Łódź»", "\x00 \u202e odd"],
)
def test_it_paints_any_unicode_prompt(painter: Sandbox, prompt: str) -> None:
    done = painter.finished(prompt, ratio="3:2")
    assert done["metadata"]["prompt"] == prompt
    picture = Image.open(io.BytesIO(httpx.get(done["url"], timeout=100).content))
    picture.load()
    assert picture.size == SIZES["3:2"]


def test_it_explains_itself_to_people_and_says_that_it_lives(sandbox: Sandbox) -> None:
    page = sandbox.client.get("/")
    assert "simulated upstream" in page.text
    assert "[sandbox:truncated]" in page.text
    assert sandbox.client.get("/healthz").json()["status"] == "ok"
