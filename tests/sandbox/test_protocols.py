"""The other image APIs the sandbox answers, as their own clients would see them."""

from __future__ import annotations

import base64
import io
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from sandbox.sources import Sources, shape_of

from .conftest import Sandbox

RED = (210, 20, 20)


def sheet(colour: tuple[int, int, int], size: tuple[int, int] = (96, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def left_half_transparent() -> bytes:
    mask = Image.new("RGBA", (96, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 48, 64))
    out = io.BytesIO()
    mask.save(out, "PNG")
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def until(look: Callable[[], Any], done: Callable[[Any], bool]) -> Any:
    end = time.monotonic() + 100
    while time.monotonic() < end:
        if done(found := look()):
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def openai(sandbox: Sandbox, **body: Any) -> httpx.Response:
    return sandbox.client.post("/openai/v1/images/generations", json={"prompt": "a fox", **body})


def test_openais_models_answer_as_each_does(sandbox: Sandbox) -> None:
    gpt = openai(sandbox, model="gpt-image-1", size="1536x1024").json()
    assert opened(base64.b64decode(gpt["data"][0]["b64_json"])).size == (1536, 1024)
    assert gpt["usage"]["input_tokens_details"] == {"text_tokens": 20, "image_tokens": 0}
    other = openai(sandbox, model="dall-e-3", size="1792x1024").json()
    assert opened(httpx.get(other["data"][0]["url"]).content).size == (1792, 1024)
    spelled = openai(sandbox, model="dall-e-3", response_format="b64_json").json()
    assert opened(base64.b64decode(spelled["data"][0]["b64_json"])).size == (1024, 1024)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "gpt-image-1", "response_format": "url"}, "response_format"),
        ({"model": "gpt-image-1", "size": "1360x768"}, "size"),
        ({"size": "wide"}, "size"),
        ({"n": 2}, "n"),
    ],
)
def test_openais_refusals_name_the_parameter(sandbox: Sandbox, body: dict[str, Any], param: str) -> None:
    answer = openai(sandbox, **body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def test_openais_edit_leaves_what_its_mask_covers(sandbox: Sandbox) -> None:
    files = [("image[]", ("a.png", sheet(RED), "image/png")), ("mask", ("m.png", left_half_transparent(), "image/png"))]
    fields = {"prompt": "a hat", "model": "gpt-image-1"}
    answer = sandbox.client.post("/openai/v1/images/edits", data=fields, files=files).json()
    picture = opened(base64.b64decode(answer["data"][0]["b64_json"]))
    assert picture.size == (96, 64)
    assert picture.getpixel((80, 30)) == RED
    assert picture.getpixel((10, 30)) != RED


def test_openais_mask_must_fit(sandbox: Sandbox) -> None:
    files = {"image": ("a.png", sheet(RED, (50, 50))), "mask": ("m.png", left_half_transparent())}
    answer = sandbox.client.post("/openai/v1/images/edits", data={"prompt": "a hat"}, files=files)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "mask")


FAL = {"Authorization": "Key test-key"}


def test_fals_request_is_queued_looked_at_and_fetched(sandbox: Sandbox) -> None:
    body = {"prompt": "a fox", "image_size": {"width": 640, "height": 480}}
    queued = sandbox.client.post("/fal/fal-ai/flux/dev", json=body, headers=FAL).json()
    assert queued["status"] == "IN_QUEUE"
    assert "/fal/fal-ai/flux/requests/" in queued["status_url"]
    done = until(
        lambda: httpx.get(queued["status_url"], headers=FAL).json(), lambda told: told["status"] == "COMPLETED"
    )
    result = httpx.get(done["response_url"], headers=FAL).json()
    assert opened(httpx.get(result["images"][0]["url"]).content).size == (640, 480)


def test_fals_key_has_a_scheme_of_its_own(sandbox: Sandbox) -> None:
    assert sandbox.client.post("/fal/fal-ai/flux/dev", json={"prompt": "a fox"}).status_code == 401


def test_fals_refused_prompt_is_a_result(sandbox: Sandbox) -> None:
    queued = sandbox.client.post("/fal/a/b", json={"prompt": "a [sandbox:refuse]"}, headers=FAL).json()
    until(lambda: httpx.get(queued["status_url"], headers=FAL).json(), lambda told: told["status"] == "COMPLETED")
    result = httpx.get(queued["response_url"], headers=FAL)
    assert (result.status_code, result.json()["detail"][0]["type"]) == (422, "content_policy_violation")


def test_fals_job_is_below_its_app(sandbox: Sandbox) -> None:
    queued = sandbox.client.post("/fal/fal-ai/flux/dev", json={"prompt": "a fox"}, headers=FAL).json()
    wrong = queued["status_url"].replace("/flux/", "/flux/dev/")
    assert httpx.get(wrong, headers=FAL).status_code == 404


def test_replicate_tells_what_a_model_takes_and_takes_no_more(sandbox: Sandbox) -> None:
    at = "/replicate/v1/models/sandbox/artist"
    schemas = sandbox.client.get(at).json()["latest_version"]["openapi_schema"]["components"]["schemas"]
    assert set(schemas["Input"]["properties"]) == {
        "prompt",
        "negative_prompt",
        "aspect_ratio",
        "image_input",
        "mask",
        "seed",
    }
    refused = sandbox.client.post(f"{at}/predictions", json={"input": {"prompt": "a", "width": 512}})
    assert (refused.status_code, "width is not allowed" in refused.json()["detail"]) == (422, True)


def test_replicates_picture_may_be_stored_first(sandbox: Sandbox) -> None:
    stored = sandbox.client.post("/replicate/v1/files", files={"content": ("a.png", sheet(RED), "image/png")}).json()
    given = {"prompt": "a hat", "image": stored["urls"]["get"]}
    begun = sandbox.client.post("/replicate/v1/models/sandbox/some-pixels/predictions", json={"input": given}).json()
    done = until(lambda: sandbox.client.get(begun["urls"]["get"]).json(), lambda told: told["status"] == "succeeded")
    assert opened(httpx.get(done["output"][0]).content).size == (96, 64)


def test_replicate_cancels_what_has_not_begun(start: Callable[..., Sandbox]) -> None:
    sandbox = start(SANDBOX_SECONDS="30")
    at = "/replicate/v1/models/sandbox/artist/predictions"
    begun = sandbox.client.post(at, json={"input": {"prompt": "a"}}).json()
    assert begun["status"] == "starting"
    cancelled = sandbox.client.post(begun["urls"]["cancel"]).json()
    assert (cancelled["status"], cancelled["started_at"]) == ("canceled", None)


def test_an_edit_derives_from_its_picture_and_heeds_the_mask(sandbox: Sandbox) -> None:
    mask = Image.new("L", (96, 64), 0)
    mask.paste(255, (0, 0, 48, 64))
    out = io.BytesIO()
    mask.save(out, "PNG")
    body = {"prompt": "a hat", "image": data_url(sheet(RED)), "mask": data_url(out.getvalue())}
    done = sandbox.client.post("/v1/reve-image/edit", json=body).json()
    picture = opened(httpx.get(done["url"]).content)
    assert picture.size == (96, 64)
    assert picture.getpixel((80, 30)) == RED
    assert picture.getpixel((10, 30)) != RED


def test_a_remix_has_its_pictures_side_by_side_below_the_drawing(sandbox: Sandbox) -> None:
    images = [data_url(sheet(RED)), data_url(sheet((20, 190, 30)))]
    done = sandbox.client.post("/v1/reve-image/remix", json={"prompt": "both", "images": images}).json()
    picture = opened(httpx.get(done["url"]).content)
    left, right = picture.getpixel((100, 100)), picture.getpixel((900, 100))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > right[0]
    assert left[1] < right[1]


@pytest.mark.parametrize("image", ["", "x", "data:image/png;base64,AAAA", None, 7, data_url(b"GIF89a")])
def test_what_is_no_picture_is_refused(sandbox: Sandbox, image: object) -> None:
    answer = sandbox.client.post("/v1/reve-image/edit", json={"prompt": "a hat", "image": image})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_image")


def test_an_edit_is_there_after_a_restart(start: Callable[..., Sandbox]) -> None:
    sandbox = start(SANDBOX_SECONDS="0")
    body = {"prompt": "a hat", "image": data_url(sheet(RED))}
    done = sandbox.client.post("/v1/reve-image/edit", json=body).json()
    before = httpx.get(done["url"]).content
    for picture in (sandbox.directory / "plain").glob("*.png"):
        picture.unlink()
    sandbox.stop()
    again = start(SANDBOX_SECONDS="0")
    assert httpx.get(again.url + httpx.URL(done["url"]).path).content == before


def test_jobs_of_before_edits_are_still_there(start: Callable[..., Sandbox], tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with sqlite3.connect(tmp_path / "state" / "reve.sqlite3") as database:
        database.execute(
            "CREATE TABLE job (id TEXT PRIMARY KEY, prompt TEXT NOT NULL, negative_prompt TEXT NOT NULL,"
            " aspect_ratio TEXT NOT NULL, mode TEXT NOT NULL, image TEXT NOT NULL UNIQUE,"
            " created_at REAL NOT NULL, ready_at REAL NOT NULL)"
        )
        database.execute("INSERT INTO job VALUES ('img_1', 'a fox', '', '1:1', '', 'abc', 1, 1)")
    database.close()
    sandbox = start(SANDBOX_SECONDS="0")
    until(lambda: sandbox.status("img_1").json(), lambda told: told["status"] == "completed")
    assert opened(httpx.get(f"{sandbox.url}/cdn/abc.png").content).size == (1024, 1024)


def test_orders_of_the_same_picture_are_in_nobodys_way(tmp_path: Path) -> None:
    sources = Sources(tmp_path)
    picture, drawing = sheet(RED, (160, 90)), sheet(RED, (320, 180))
    name = sources.keep([picture], keeps_shape=True)
    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(lambda: [sources.keep([picture], keeps_shape=True) for _ in range(200)])
        drawn = [sources.drawn_over(name, drawing)]
        while not others.done():
            drawn.append(sources.drawn_over(name, drawing))
    assert {shape_of(one) for one in drawn} == {(160, 90)}
    assert len(list(sources.directory.iterdir())) == 1
