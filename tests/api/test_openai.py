"""OpenAI's Images API as its clients call it: what comes back, what it costs, and what is told of what cannot be."""

import base64
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connections
from django.utils import timezone
from PIL import Image

from accounts import keys
from accounts.models import User
from billing.models import Wallet
from generator import live
from generator.api.openai import choices, fields
from generator.ask import pausing, prices
from generator.files import images, marks, uploads
from generator.jobs import lifecycle
from generator.models import Generation, Group, ImageModel, Input, Operation, Price, Route, Upload, Upstream
from tests.api.answers import assert_json
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import working
from tests.generator.test_bare import file

GENERATIONS, EDITS, MODELS = "/v1/images/generations", "/v1/images/edits", "/v1/models"
PICTURE = file("PNG", Image.new("RGB", (96, 64), "navy"))
Serve = Callable[..., httpx.Response]

pytestmark = pytest.mark.usefixtures("images")


def mask(alpha: Callable[[int, int], int], size: tuple[int, int] = (96, 64)) -> bytes:
    """Return a mask as OpenAI's clients send it."""
    image = Image.new("RGBA", size, (10, 20, 30, 255))
    image.putdata([(10, 20, 30, alpha(at % size[0], at // size[0])) for at in range(size[0] * size[1])])
    return file("PNG", image)


@pytest.fixture(autouse=True)
def model(transactional_db: None) -> ImageModel:
    """The first model, which edits and remixes here too, in two sizes and two qualities."""
    model, upstream = ImageModel.objects.get(), Upstream.objects.get(slug="reve")
    model.operations, model.sizes, model.qualities = list(Operation.values), ["1K", "2K"], ["medium", "high"]
    model.save()
    for operation in (Operation.EDIT, Operation.REMIX):
        Route.objects.create(model=model, operation=operation, upstream=upstream)
        Price.objects.create(model=model, operation=operation, credits=2)
    prices.forget()
    return model


@pytest.fixture
def draw(serve: Serve, sandbox: str) -> Serve:
    """Ask for pictures, and have them drawn."""

    def send(path: str = GENERATIONS, /, *, headers: Any = None, **body: Any) -> httpx.Response:
        body = body if "files" in body else {"json": {"prompt": "a lighthouse", **body}}
        with working():
            return serve("POST", path, headers=headers or {}, **body)

    return send


def assert_openai(response: httpx.Response, status: int, code: str | None, kind: str, param: str | None = None) -> str:
    """Check that an answer is this error in OpenAI's shape, and return its message."""
    body = assert_json(response)
    assert response.status_code == status, body
    assert set(body) == {"error"}
    assert {"message", "type", "param", "code"} <= set(body["error"])
    assert (body["error"]["code"], body["error"]["type"], body["error"]["param"]) == (code, kind, param)
    return str(body["error"]["message"])


def picture_in(spelled: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(spelled)))


def events_of(text: str) -> Iterator[tuple[str, Any]]:
    for name, data in re.findall(r"^event: (.*)\ndata: (.*)\n\n", text, re.MULTILINE):
        yield name, json.loads(data)


# --- Drawing ------------------------------------------------------------------------------------------------------


@pytest.mark.services
def test_an_image_comes_in_base64_under_openais_names(draw: Serve, wallet: Wallet) -> None:
    response = draw(model="gpt-image-1", size="1536x1024", quality="low")
    body = assert_json(response)
    assert response.status_code == 200, body
    made = Generation.objects.get()
    assert set(body) == {"created", "background", "data", "output_format", "size", "quality", "usage"}
    [one] = body["data"]
    assert set(one) == {"b64_json", "id"}
    image = picture_in(one["b64_json"])
    assert (image.format, f"{image.width}x{image.height}") == ("PNG", body["size"])
    assert made.finished_at is not None
    assert (body["output_format"], body["quality"], body["created"]) == (
        "png",
        "medium",
        int(made.finished_at.timestamp()),
    )
    assert (made.aspect_ratio, made.size, made.quality) == ("3:2", "1K", "medium")
    assert body["usage"]["total_tokens"] == 0
    assert body["usage"]["credits"] == 1
    assert response.headers["X-Model"] == "text2image_v1"
    assert (response.headers["X-Credits-Charged"], response.headers["X-Credits-Remaining"]) == ("1", "2")
    assert response.headers["x-ratelimit-limit-requests"] == response.headers["RateLimit-Limit"] == "100000"
    assert response.headers["x-ratelimit-reset-requests"] == response.headers["RateLimit-Reset"] + "s"
    assert response.headers["openai-processing-ms"].isdigit()
    assert audit(wallet) == 2


@pytest.mark.parametrize("named", ["", "dall-e-3", "text2image_v1"])
def test_other_names_are_answered_with_an_address(draw: Serve, named: str) -> None:
    body = assert_json(draw(model=named) if named else draw())
    made = Generation.objects.get()
    assert body["data"] == [{"url": f"http://testserver/images/{made.file_name}", "id": made.public_id}]
    assert body["output_format"] == "png"


def test_whoever_asks_for_one_way_gets_that(draw: Serve) -> None:
    assert set(assert_json(draw(response_format="b64_json"))["data"][0]) == {"b64_json", "id"}
    assert set(assert_json(draw(model="gpt-image-2", response_format="url"))["data"][0]) == {"url", "id"}


@pytest.mark.parametrize(
    ("asked", "format", "fits"), [("jpeg", "JPEG", 60_000), ("webp", "WEBP", 60_000), ("png", "PNG", 10**7)]
)
def test_a_picture_is_converted_and_keeps_its_mark(draw: Serve, asked: str, format: str, fits: int) -> None:
    few = {} if asked == "png" else {"output_compression": 10}
    body = assert_json(draw(output_format=asked, **few))
    data = base64.b64decode(body["data"][0]["b64_json"])
    assert Image.open(io.BytesIO(data)).format == asked.upper()
    assert marks.GENERATED.encode() in data
    assert body["output_format"] == asked


def test_compression_tells(draw: Serve) -> None:
    sizes = [
        len(base64.b64decode(draw(output_format="jpeg", output_compression=kept).json()["data"][0]["b64_json"]))
        for kept in (0, 95)
    ]
    assert sizes[0] < sizes[1]


@pytest.mark.services
def test_several_are_one_group_and_each_is_charged(draw: Serve, wallet: Wallet) -> None:
    response = draw(n=3)
    body = assert_json(response)
    assert [one["id"] for one in body["data"]] == [one.public_id for one in Generation.objects.order_by("position")]
    assert Group.objects.get().count == 3
    assert (response.headers["X-Credits-Charged"], body["usage"]["credits"]) == ("3", 3)
    assert audit(wallet) == 0


def test_what_failed_is_told_beside_what_was_drawn(serve: Serve, sandbox: str, wallet: Wallet) -> None:
    def fail_one() -> None:
        while not (found := Generation.objects.first()):
            time.sleep(0.02)
        lifecycle.fail(found, code="upstream_failed", message="It was not drawn.")
        connections.close_all()

    thread = threading.Thread(target=fail_one)
    thread.start()
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(serve, "POST", GENERATIONS, json={"prompt": "a lighthouse", "n": 2})
        thread.join()
        with working():
            response = asking.result()
    body = assert_json(response)
    assert response.status_code == 200, body
    assert len(body["data"]) == len(body["failed"]) == 1
    assert body["failed"][0]["error"]["type"] == "server_error"
    assert (response.headers["X-Credits-Charged"], response.headers["X-Credits-Remaining"]) == ("1", "2")
    assert audit(wallet) == 2


# --- Choices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "ratio", "size_class"),
    [
        ("auto", "1:1", ""),
        ("", "1:1", ""),
        ("1024x1024", "1:1", "1K"),
        ("1792x1024", "16:9", "1K"),
        ("1024x1536", "2:3", "1K"),
        ("256x256", "1:1", "1K"),
        ("2048x2048", "1:1", "2K"),
        ("3840x2160", "16:9", "2K"),
        ("3000x1", "16:9", "1K"),
        ("2K", "1:1", "2K"),
        ("9:16", "9:16", ""),
    ],
)
def test_a_size_is_the_nearest_that_the_model_offers(model: ImageModel, size: str, ratio: str, size_class: str) -> None:
    chosen = choices.choose(None, Operation.CREATE, size, "")
    assert (chosen.aspect_ratio, chosen.size) == (ratio, size_class)


@pytest.mark.parametrize(
    ("quality", "offered", "is_taken"),
    [
        ("auto", ["medium", "high"], ""),
        ("low", ["medium", "high"], "medium"),
        ("standard", ["medium", "high"], "medium"),
        ("hd", ["medium", "high"], "high"),
        ("max", ["low", "hd"], "hd"),
        ("high", [], ""),
        ("high", ["turbo"], ""),
    ],
)
def test_a_quality_is_the_nearest_that_the_model_offers(
    model: ImageModel, quality: str, offered: list[str], is_taken: str
) -> None:
    model.qualities = offered
    assert choices.choose(model, Operation.CREATE, "", quality).quality == is_taken


def test_a_model_of_ones_own_qualities_may_be_asked_for_them(model: ImageModel) -> None:
    model.qualities = ["turbo", "calm"]
    assert choices.choose(model, Operation.CREATE, "", "calm").quality == "calm"


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"prompt": "  "}, "prompt", "invalid_value"),
        ({"prompt": "x" * 4001}, "prompt", "invalid_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"n": 11}, "n", "invalid_value"),
        ({"n": "many"}, "n", "invalid_value"),
        ({"size": "huge"}, "size", "invalid_value"),
        ({"size": "0x5"}, "size", "invalid_value"),
        ({"quality": "divine"}, "quality", "invalid_value"),
        ({"background": "transparent"}, "background", "invalid_value"),
        ({"output_format": "gif"}, "output_format", "invalid_value"),
        ({"output_format": "jpeg", "response_format": "url"}, "output_format", "invalid_value"),
        ({"output_compression": 50}, "output_compression", "invalid_value"),
        ({"output_format": "webp", "output_compression": 101}, "output_compression", "invalid_value"),
        ({"partial_images": 4, "stream": True}, "partial_images", "invalid_value"),
        ({"response_format": "tiff"}, "response_format", "invalid_value"),
        ({"svg": {"model": "x"}}, "svg", "unsupported_parameter"),
        ({"frame_count": 3}, "frame_count", "unsupported_parameter"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(
    serve: Serve, wallet: Wallet, body: dict[str, Any], param: str, code: str
) -> None:
    response = serve("POST", GENERATIONS, json={"prompt": "a lighthouse", **body})
    message = assert_openai(response, 400, code, "invalid_request_error", param)
    assert message.startswith(f"{param}: ")
    assert (response.headers["X-Credits-Charged"], response.headers["X-Credits-Remaining"]) == ("0", "3")
    assert audit(wallet) == 3


def test_what_says_nothing_here_is_passed_over(draw: Serve) -> None:
    ignored = {"user": "u", "safety_identifier": "s", "moderation": "low", "style": "vivid", "complexity": "low"}
    assert draw(**ignored, unheard_of={"of": 1}, background="opaque", quality=None).status_code == 200


def test_the_table_knows_every_field_once() -> None:
    names = [row.name for row in fields.table()]
    assert len(names) == len(set(names))
    assert {"image", "mask", "prompt", "n", "size", "stream", "user", "markup", "…"} <= set(names)


def test_a_key_for_some_models_draws_with_the_first_of_those(draw: Serve, api: Api) -> None:
    other = ImageModel.objects.create(slug="sketch", name="Sketch", aspect_ratios=["16:9"], sizes=["4K"], order=5)
    Route.objects.create(model=other, operation=Operation.CREATE, upstream=Upstream.objects.get(slug="reve"))
    api.key.image_models = ["sketch"]
    api.key.version += 1
    api.key.save()
    prices.forget()
    response = draw(model="gpt-image-1", size="1024x1024")
    assert (response.status_code, response.headers["X-Model"]) == (200, "sketch"), response.text
    made = Generation.objects.get()
    assert (made.aspect_ratio, made.size) == ("16:9", "4K")
    refused = draw(model="text2image_v1")
    assert_openai(refused, 403, "model_not_found", "invalid_request_error", "model")
    assert draw(EDITS, data={"prompt": "x"}, files={"image": PICTURE}).status_code == 403


def test_a_sample_says_so_and_costs_nothing(draw: Serve, alice: User, wallet: Wallet) -> None:
    _, secret = keys.mint(user=alice, name="samples", is_test=True)
    headers = {"Authorization": f"Bearer {secret}"}
    response = draw(headers=headers)
    assert (response.status_code, response.json().get("test")) == (200, True), response.text
    assert response.headers["X-Credits-Charged"] == "0"
    forced = draw(prompt="x [test:rate_limited]", headers=headers)
    assert_openai(forced, 429, "rate_limit_exceeded", "requests")
    assert audit(wallet) == 3


def test_a_model_that_there_is_not(serve: Serve, wallet: Wallet) -> None:
    response = serve("POST", GENERATIONS, json={"prompt": "x", "model": "no-such"})
    assert "no-such" in assert_openai(response, 404, "model_not_found", "invalid_request_error", "model")
    assert audit(wallet) == 3


def test_what_the_model_does_not_do(serve: Serve, model: ImageModel) -> None:
    Route.objects.filter(operation=Operation.EDIT).delete()
    prices.forget()
    response = serve("POST", EDITS, data={"prompt": "x", "model": model.slug}, files={"image": PICTURE})
    assert "does not edit" in assert_openai(response, 400, "invalid_value", "invalid_request_error", "model")


# --- Editing ------------------------------------------------------------------------------------------------------


def brought() -> list[Upload]:
    rows = Input.objects.filter(group=Group.objects.get()).order_by("position")
    return [one.upload for one in rows if one.upload]


@pytest.mark.services
@pytest.mark.parametrize("name", ["image", "image[]"])
def test_a_picture_is_edited_in_its_own_shape(draw: Serve, wallet: Wallet, name: str) -> None:
    form = {
        "data": {"prompt": "make it night", "model": "gpt-image-1"},
        "files": {name: ("a.png", PICTURE, "image/png")},
    }
    response = draw(EDITS, **form)
    assert response.status_code == 200, response.text
    made = Generation.objects.get()
    assert (made.operation, made.aspect_ratio, made.credits) == ("edit", "3:2", 2)
    assert set(response.json()["data"][0]) == {"b64_json", "id"}
    [upload] = brought()
    assert (upload.width, upload.height) == (96, 64)
    assert audit(wallet) == 1


def test_several_pictures_are_remixed(draw: Serve) -> None:
    other = file("PNG", Image.new("RGB", (64, 64), "red"))
    files = [("image[]", ("a.png", PICTURE, "image/png")), ("image[]", ("b.png", other, "image/png"))]
    response = draw(EDITS, data={"prompt": "both", "size": "1024x1024", "n": "1"}, files=files)
    assert response.status_code == 200, response.text
    made = Generation.objects.get()
    assert (made.operation, made.aspect_ratio) == ("remix", "1:1")
    assert [upload.width for upload in brought()] == [96, 64]


def test_a_mask_is_white_where_it_was_transparent(draw: Serve) -> None:
    cut = mask(lambda x, y: 0 if x < 48 else 255 if y < 32 else 128)
    files = {"image": ("a.png", PICTURE, "image/png"), "mask": ("m.png", cut, "image/png")}
    response = draw(EDITS, data={"prompt": "a moon"}, files=files)
    assert response.status_code == 200, response.text
    kept = Group.objects.get().mask
    assert kept is not None
    _, turned = uploads.pictures_of(uploads.Sources((), kept))
    assert turned is not None
    shades = Image.open(io.BytesIO(turned.data)).convert("L")
    assert [shades.getpixel(at) for at in ((0, 0), (47, 63), (48, 0), (95, 63))] == [255, 255, 0, 127]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (mask(lambda x, y: 255), "no transparent pixels"),
        (file("PNG", Image.new("RGB", (96, 64))), "no transparent pixels"),
        (mask(lambda x, y: 0, (64, 64)), "as large as the image"),
        (b"no picture at all", "no PNG"),
    ],
)
def test_a_mask_that_says_nothing_is_refused(serve: Serve, wallet: Wallet, given: bytes, words: str) -> None:
    response = serve("POST", EDITS, data={"prompt": "x"}, files={"image": PICTURE, "mask": ("m.png", given)})
    assert words in assert_openai(response, 400, "invalid_value", "invalid_request_error", "mask")
    assert audit(wallet) == 3


@pytest.mark.parametrize(
    ("files", "param", "code"),
    [
        ({"other": PICTURE}, "image", "missing_required_parameter"),
        ({"image": b"nothing"}, "image", "invalid_value"),
        ([("image[]", PICTURE)] * 7, "image", "invalid_value"),
        ([("image[]", PICTURE), ("image[]", PICTURE), ("mask", mask(lambda x, y: 0))], "mask", "invalid_value"),
        ({"image": PICTURE, "markup": PICTURE}, "markup", "unsupported_parameter"),
    ],
)
def test_pictures_that_do_not_go_together(serve: Serve, wallet: Wallet, files: Any, param: str, code: str) -> None:
    response = serve("POST", EDITS, data={"prompt": "x"}, files=files)
    assert_openai(response, 400, code, "invalid_request_error", param)
    assert audit(wallet) == 3


def test_an_edit_in_json_names_its_pictures(draw: Serve, serve: Serve, give: Callable[[int], None]) -> None:
    give(5)
    kept = assert_json(serve("POST", "/v1/files", files={"file": PICTURE}))["id"]
    cut = assert_json(serve("POST", "/v1/files", files={"file": mask(lambda x, y: 0 if x else 255)}))["id"]
    response = draw(EDITS, images=[{"file_id": kept}], mask={"file_id": cut})
    assert response.status_code == 200, response.text
    of = Group.objects.get()
    assert [upload.public_id for upload in brought()] == [kept]
    assert of.mask is not None
    assert of.mask.public_id != cut  # it was turned into ours
    spelled = base64.b64encode(PICTURE).decode()
    response = draw(EDITS, images=[{"image_url": f"data:image/png;base64,{spelled}"}] * 2)
    assert (response.status_code, Group.objects.last().operation) == (200, "remix")  # type: ignore[union-attr]


# --- Streams ------------------------------------------------------------------------------------------------------


@pytest.mark.services
def test_a_stream_ends_with_the_picture(draw: Serve, wallet: Wallet) -> None:
    response = draw(stream=True, partial_images=2, output_format="jpeg")
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.text.startswith(": drawing\n\n")
    (first, part), (last, whole) = events_of(response.text)
    assert (first, last) == ("image_generation.partial_image", "image_generation.completed")
    assert (part["type"], whole["type"]) == (first, last)
    small, image = picture_in(part["b64_json"]), picture_in(whole["b64_json"])
    assert (small.format, image.format, max(small.size)) == ("JPEG", "JPEG", 480)
    assert part["partial_image_index"] == 0
    needed = {"b64_json", "background", "created_at", "output_format", "quality", "size", "type", "usage"}
    assert needed <= set(whole)
    assert whole["size"] == f"{image.width}x{image.height}"
    assert (response.headers["X-Credits-Charged"], response.headers["X-Model"]) == ("1", "text2image_v1")
    assert audit(wallet) == 2


def test_a_stream_of_several_has_an_event_for_each(draw: Serve) -> None:
    names = [name for name, _ in events_of(draw(stream=True, n=2).text)]
    assert names == ["image_generation.completed"] * 2


def test_a_stream_of_an_edit_has_its_own_names(draw: Serve) -> None:
    response = draw(EDITS, data={"prompt": "x", "stream": "true"}, files={"image": PICTURE})
    assert [name for name, _ in events_of(response.text)] == ["image_edit.completed"]


def test_a_stream_tells_of_a_failure(draw: Serve, wallet: Wallet) -> None:
    [(name, data)] = events_of(draw(stream=True, prompt="x [sandbox:refuse]").text)
    assert (name, data["type"]) == ("error", "error")
    assert data["error"]["code"] == "moderation_blocked"
    assert audit(wallet) == 3


def test_a_stream_goes_on_for_as_long_as_its_image_may_take(draw: Serve, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    assert [name for name, _ in events_of(draw(stream=True).text)] == ["image_generation.completed"]


@pytest.mark.parametrize("is_named", [False, True])
def test_a_stream_that_may_wait_no_longer_says_where_its_images_are(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, is_named: bool
) -> None:
    monkeypatch.setattr(live, "WAITING_FOR_ONE", 0)  # as where the process ends
    headers = {"Idempotency-Key": "mine"} if is_named else {"x-stainless-retry-count": "0"}
    response = serve("POST", GENERATIONS, json={"prompt": "a lighthouse", "stream": True, "n": 2}, headers=headers)
    [(name, data)] = events_of(response.text)
    assert (name, data["error"]["code"]) == ("error", "image_not_finished")
    ids = set(Generation.objects.values_list("public_id", flat=True))
    assert (len(ids), set(data["error"]["ids"])) == (2, ids)
    assert ("is not charged again" in data["error"]["message"]) == is_named
    assert any(f"/v1/reve-image/status/{one}" in data["error"]["message"] for one in ids) != is_named


def test_a_stream_whose_picture_cannot_be_read_says_where_it_is(draw: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "read", lambda name: (_ for _ in ()).throw(FileNotFoundError))
    [(_, data)] = events_of(draw(stream=True, output_format="jpeg").text)
    made = Generation.objects.get().public_id
    assert (data["error"]["code"], data["error"]["ids"]) == ("service_unavailable", [made])
    assert f"/v1/reve-image/status/{made}" in data["error"]["message"]
    assert "not charged again" not in data["error"]["message"]


@pytest.mark.parametrize("fails_first", [True, False])
def test_a_stream_tells_of_those_that_failed_beside_what_was_drawn(
    serve: Serve, sandbox: str, wallet: Wallet, fails_first: bool
) -> None:
    def fail_one() -> None:
        lifecycle.fail(Generation.objects.latest("pk"), code="upstream_failed", message="It was not drawn.")

    with ThreadPoolExecutor(1) as pool:
        body = {"prompt": "a lighthouse", "n": 2, "stream": True}
        asking = pool.submit(serve, "POST", GENERATIONS, json=body)
        while Generation.objects.count() < 2:
            time.sleep(0.02)
        last = Generation.objects.latest("pk")
        if fails_first:
            fail_one()
            with working():
                response = asking.result()
        else:
            Generation.objects.filter(pk=last.pk).update(due_at=timezone.now() + timedelta(seconds=60))
            with working():
                while not Generation.objects.filter(status="completed").exists():
                    time.sleep(0.02)
            while live.waiting() > 1:  # its event is told, before anybody can see that the other has ended
                time.sleep(0.02)
            fail_one()
            response = asking.result()
    told = list(events_of(response.text))
    last_but = (
        ["image_generation.completed"] if fails_first else ["image_generation.completed", "image_generation.failed"]
    )
    assert [name for name, _ in told] == last_but
    [failed] = told[-1][1]["failed"]
    assert (failed["id"], failed["error"]["code"]) == (last.public_id, "image_generation_failed")
    assert audit(wallet) == 2


# --- Errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [GENERATIONS, GENERATIONS + "/", EDITS, "/v1/models/text2image_v1"])
def test_a_wrong_key(serve: Serve, path: str) -> None:
    method = "GET" if "models" in path else "POST"
    response = serve(method, path, headers={"Authorization": "Bearer sk-nothing"})
    assert_openai(response, 401, "invalid_api_key", "invalid_request_error")
    assert response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", [MODELS, MODELS + "/"])
def test_the_list_of_models_tells_its_errors_to_these_clients_too(serve: Serve, settings: Any, path: str) -> None:
    response = serve("GET", path, headers={"Authorization": "Bearer rv_nothing"})
    assert (response.status_code, response.json()["error"]["type"]) == (401, "invalid_request_error")
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert "type" not in serve("GET", "/v1/account", headers={"Authorization": ""}).json()["error"]
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 1
    [*_, late] = [serve("GET", path) for _ in range(3)]
    error = late.json()["error"]
    assert (late.status_code, error["code"], error["type"]) == (429, "rate_limited", "requests")  # the code is ours
    assert late.headers["retry-after-ms"] == late.headers["Retry-After"] + "000"


def test_no_key(serve: Serve) -> None:
    assert_openai(serve("POST", GENERATIONS, headers={"Authorization": ""}), 401, None, "invalid_request_error")


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "invalid_json"),
        ({"content": b"[]", "headers": {"Content-Type": "application/json"}}, 400, "invalid_value"),
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
        ({"content": b"x" * 70_000}, 413, "body_too_large"),
        ({"content": b"x", "headers": {"Host": "a/b"}}, 400, "invalid_host"),
    ],
)
def test_refusals_before_any_view_have_that_shape(serve: Serve, how: dict[str, Any], status: int, code: str) -> None:
    assert_openai(serve("POST", GENERATIONS, **how), status, code, "invalid_request_error")


def test_a_form_that_is_none(serve: Serve) -> None:
    response = serve("POST", EDITS, content=b"x", headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert assert_json(response)["error"]["type"] == "invalid_request_error"
    assert response.status_code == 400


def test_other_methods_and_addresses(serve: Serve) -> None:
    assert_openai(serve("GET", GENERATIONS), 405, "method_not_allowed", "invalid_request_error")
    assert_openai(serve("POST", "/v1/images/variations"), 404, "unknown_url", "invalid_request_error")


def test_plain_http_is_refused_in_that_shape(serve: Serve, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert_openai(serve("POST", GENERATIONS, json={}), 403, "https_required", "invalid_request_error")


def test_no_credits_is_a_quota_that_no_retry_mends(serve: Serve, wallet: Wallet) -> None:
    response = serve("POST", GENERATIONS, json={"prompt": "x", "n": 4})
    assert_openai(response, 429, "insufficient_quota", "insufficient_quota")
    assert response.headers["x-should-retry"] == "false"
    assert audit(wallet) == 3


def test_a_limit_says_when_to_come_again(serve: Serve, api: Api, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    api.key.rate_limit = 3
    api.key.save()
    serve("POST", GENERATIONS, json={"prompt": "x", "n": 2})
    response = serve("POST", GENERATIONS, json={"prompt": "x", "n": 2})
    assert_openai(response, 429, "rate_limit_exceeded", "requests")
    assert response.headers["retry-after-ms"] == response.headers["Retry-After"] + "000"
    assert "x-should-retry" not in response.headers


def test_more_than_a_limit_has_room_for_is_no_limit_to_wait_for(serve: Serve, alice: User) -> None:
    _, secret = keys.mint(user=alice, name="slow", rate_limit=1)
    headers = {"Authorization": f"Bearer {secret}"}
    response = serve("POST", GENERATIONS, json={"prompt": "a lighthouse", "n": 2}, headers=headers)
    assert_openai(response, 400, "invalid_value", "invalid_request_error", "n")


def test_a_refused_prompt(draw: Serve, wallet: Wallet) -> None:
    response = draw(prompt="x [sandbox:refuse]")
    message = assert_openai(response, 400, "moderation_blocked", "image_generation_user_error", "prompt")
    assert "credit was returned" in message
    assert (response.headers["x-should-retry"], response.headers["X-Credits-Charged"]) == ("false", "0")
    assert audit(wallet) == 3


def test_a_failure_upstream(draw: Serve, wallet: Wallet) -> None:
    response = draw(prompt="x [sandbox:fail]")
    assert_openai(response, 500, "image_generation_failed", "server_error")
    assert "x-should-retry" not in response.headers  # another try is another picture
    assert audit(wallet) == 3


# --- Trying again -------------------------------------------------------------------------------------------------


def test_a_call_that_waits_too_long_is_to_be_sent_again_and_gets_its_picture(
    serve: Serve, draw: Serve, wallet: Wallet, settings: Any
) -> None:
    settings.SYNC_WAIT_SECONDS = 0.2
    key = {"Idempotency-Key": "one-1"}
    late = serve("POST", GENERATIONS, json={"prompt": "a lighthouse"}, headers=key)
    assert_openai(late, 503, "image_not_finished", "server_error")
    assert (late.headers["x-should-retry"], late.headers["retry-after-ms"]) == ("true", "1000")
    settings.SYNC_WAIT_SECONDS = 20
    again = draw(headers=key)
    assert (again.status_code, again.headers["Idempotent-Replayed"], again.headers["X-Credits-Charged"]) == (
        200,
        "true",
        "0",
    )
    assert audit(wallet) == 2
    other = serve("POST", GENERATIONS, json={"prompt": "another"}, headers=key)
    assert_openai(other, 409, "idempotency_conflict", "invalid_request_error")
    assert other.headers["x-should-retry"] == "false"


@pytest.mark.services
def test_a_client_that_counts_its_tries_is_charged_once(
    serve: Serve, draw: Serve, wallet: Wallet, settings: Any
) -> None:
    """OpenAI's clients send no Idempotency-Key of their own, and try again by themselves."""
    settings.SYNC_WAIT_SECONDS = 0.2
    body, tries = {"json": {"prompt": "a lighthouse"}}, [{"x-stainless-retry-count": str(at)} for at in range(3)]
    for headers in tries[:2]:
        assert serve("POST", GENERATIONS, headers=headers, **body).status_code == 503
    settings.SYNC_WAIT_SECONDS = 20
    again = draw(headers=tries[2])
    assert (again.status_code, Generation.objects.count()) == (200, 1)
    assert audit(wallet) == 2
    # That call is over: the next one is another, whether or not its first try arrived.
    assert draw(headers=tries[1]).status_code == 200
    assert draw(headers=tries[0]).status_code == 200
    assert (Generation.objects.count(), audit(wallet)) == (3, 0)


def test_a_call_that_no_other_one_takes_up_is_not_to_be_tried_again(serve: Serve, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    late = serve("POST", GENERATIONS, json={"prompt": "a lighthouse"})
    message = assert_openai(late, 503, "image_not_finished", "server_error")
    made = Generation.objects.get().public_id
    assert (late.headers["x-should-retry"], late.json()["error"]["ids"]) == ("false", [made])
    assert f"/v1/reve-image/status/{made}" in message
    assert "not charged again" not in message


def test_two_same_calls_that_are_tried_again_get_a_picture_each(serve: Serve, draw: Serve, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0.1
    for headers in [{"x-stainless-retry-count": "0"}] * 2:
        serve("POST", GENERATIONS, json={"prompt": "a lighthouse"}, headers=headers)
    settings.SYNC_WAIT_SECONDS = 20
    ids = {draw(headers={"x-stainless-retry-count": "1"}).json()["data"][0]["id"] for _ in range(2)}
    assert (len(ids), Generation.objects.count()) == (2, 2)


def test_a_failure_under_ones_own_key_is_not_to_be_tried_again(draw: Serve) -> None:
    response = draw(prompt="x [sandbox:fail]", headers={"Idempotency-Key": "mine"})
    called = response.headers["X-Request-Id"]
    assert response.json()["error"]["request_url"] == f"http://testserver/dashboard/requests/{called}/"
    assert response.headers["x-should-retry"] == "false"


def test_a_picture_that_was_thrown_away_is_not_given_again(draw: Serve) -> None:
    key = {"Idempotency-Key": "mine"}
    draw(headers=key)
    Generation.objects.update(deleted_at="2026-01-01T00:00Z")
    assert_openai(draw(headers=key), 404, "image_not_found", "invalid_request_error")


@pytest.mark.parametrize("stream", [False, True])
def test_some_of_several_that_were_thrown_away_are_not_given_again(draw: Serve, wallet: Wallet, stream: bool) -> None:
    key = {"Idempotency-Key": "mine"}
    draw(headers=key, n=2, stream=stream)
    Generation.objects.filter(position=2).update(deleted_at="2026-01-01T00:00Z")
    assert_openai(draw(headers=key, n=2, stream=stream), 404, "image_not_found", "invalid_request_error")
    assert audit(wallet) == 1


def test_a_call_that_is_tried_again_for_what_was_thrown_away_is_over(draw: Serve, serve: Serve, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0.1
    serve("POST", GENERATIONS, json={"prompt": "a lighthouse"}, headers={"x-stainless-retry-count": "0"})
    Generation.objects.update(status="completed", deleted_at="2026-01-01T00:00Z")
    settings.SYNC_WAIT_SECONDS = 20
    again = {"x-stainless-retry-count": "1"}
    assert draw(headers=again).status_code == 404
    assert (draw(headers=again).status_code, Generation.objects.count()) == (200, 2)


def test_a_picture_that_cannot_be_read_now_is_kept(
    draw: Serve, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"x-stainless-retry-count": "0"}
    with monkeypatch.context() as patch:
        patch.setattr(images, "read", lambda name: (_ for _ in ()).throw(FileNotFoundError))
        response = draw(response_format="b64_json", headers=headers)
    assert_openai(response, 503, "service_unavailable", "server_error")
    again = draw(response_format="b64_json", headers={"x-stainless-retry-count": "1"})
    assert (again.status_code, Generation.objects.count(), audit(wallet)) == (200, 1, 2)


def test_while_intake_is_paused_it_says_when_to_come_again(
    draw: Serve, monkeypatch: pytest.MonkeyPatch, wallet: Wallet
) -> None:
    monkeypatch.setattr(prices, "CACHE_SECONDS", -1.0)
    pausing.pause(actor=None, model=None, message="We are moving.", until=None, reason="a test")
    response = draw()
    assert_openai(response, 503, "service_unavailable", "server_error")
    assert (response.headers["Retry-After"], audit(wallet)) == ("300", 3)


# --- Models -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["text2image_v1", "gpt-image-1", "dall-e-3"])
def test_one_model(serve: Serve, model: ImageModel, name: str) -> None:
    body = assert_json(serve("GET", f"{MODELS}/{name}"))
    assert (body["id"], body["object"], body["owned_by"]) == ("text2image_v1", "model", "reveweb")
    assert body["created"] == int(model.created_at.timestamp())
    assert body in assert_json(serve("GET", MODELS))["data"]


def test_a_model_that_is_not_there(serve: Serve) -> None:
    assert_openai(serve("GET", f"{MODELS}/no-such"), 404, "model_not_found", "invalid_request_error", "model")


def test_browsers_may_send_what_the_client_sends(serve: Serve) -> None:
    asked = "authorization,content-type,x-stainless-lang,x-stainless-retry-count,openai-project,idempotency-key"
    headers = {
        "Origin": "https://a.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": asked,
    }
    allowed = serve("OPTIONS", GENERATIONS, headers=headers).headers["Access-Control-Allow-Headers"]
    assert set(asked.split(",")) <= set(allowed.replace(" ", "").split(","))
