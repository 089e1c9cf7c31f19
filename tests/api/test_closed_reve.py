"""reve.com's API as its own clients speak it: images as bytes or in JSON, its headers, its errors, its balance."""

import asyncio
import base64
import io
import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.utils import timezone
from PIL import Image

from accounts import keys
from accounts.models import KeyScope, User
from billing.models import Wallet
from generator.api.closed_reve import fields
from generator.ask import admission, one_statement, prices, retried
from generator.jobs import lifecycle
from generator.models import Generation, ImageModel, Operation, Route, Upstream
from kit.storage import StorageAway
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import working
from tests.generator.test_bare import file
from tests.hanging_up import hang_up

CREATE, EDIT, REMIX = "/v1/image/create", "/v1/image/edit", "/v1/image/remix"
BALANCE = "/api/misc/balance"
PROMPT = {"prompt": "a lighthouse"}
WIDE = base64.b64encode(file("PNG", Image.new("RGB", (160, 90), "navy"))).decode()
TALL = base64.b64encode(file("JPEG", Image.new("RGB", (90, 160), "red"))).decode()
REQUEST_ID = re.compile(r"req_[0-9a-f]{24}")

Post = Callable[..., httpx.Response]

pytestmark = pytest.mark.usefixtures("images", "sandbox")


@pytest.fixture
def post(serve: Callable[..., httpx.Response]) -> Post:
    """Send JSON as these clients do."""
    return lambda body, path, **headers: serve("POST", path, json=body, headers=headers)


@pytest.fixture
def get(serve: Callable[..., httpx.Response]) -> Post:
    return lambda path, **headers: serve("GET", path, headers=headers)


@pytest.fixture
def model(transactional_db: None) -> ImageModel:
    """The first model, which can edit and remix here."""
    model, upstream = ImageModel.objects.get(), Upstream.objects.get(slug="reve")
    model.operations = list(Operation.values)
    model.save()
    for operation in (Operation.EDIT, Operation.REMIX):
        Route.objects.create(model=model, operation=operation, upstream=upstream)
    prices.forget()
    return model


def told(response: Any) -> tuple[str, str, str, str]:
    """Return what the headers say, after a look at the request's id."""
    assert response.headers["X-Reve-Request-Id"] == response.headers["X-Request-Id"]
    assert REQUEST_ID.fullmatch(response.headers["X-Request-Id"])
    assert response.headers["Cache-Control"] == "no-store"
    names = ("Version", "Content-Violation", "Credits-Used", "Credits-Remaining")
    return tuple(response.headers[f"X-Reve-{name}"] for name in names)


def assert_refused(response: Any, status: int, code: str, param: str | None = None) -> str:
    """Check that an answer is this very error, in the shape of that API, and return its message."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    body = json.loads(response.content)
    assert set(body) == {"error_code", "message", "params", "instance_id"}
    body["params"].pop("request_url", None)
    assert response.headers["X-Reve-Error-Code"] == body["error_code"] == code
    ids = {response.headers["X-Reve-Request-Id"], response.headers["X-Request-Id"], body["instance_id"]}
    assert len(ids) == 1
    assert body["params"].get("param") == param
    message: str = body["message"]
    return message


# --- Images


@pytest.mark.services
def test_it_answers_with_json_unless_told_otherwise(post: Post, wallet: Wallet) -> None:
    with working():
        response = post(PROMPT, CREATE)
    body = json.loads(response.content)
    assert response.status_code == 200, body
    assert told(response) == ("text2image_v1", "false", "1", "2")
    assert (response.headers["X-Credits-Charged"], response.headers["X-Credits-Remaining"]) == ("1", "2")
    assert response.headers["RateLimit-Remaining"] == "99999"
    picture = Image.open(io.BytesIO(base64.b64decode(body.pop("image"), validate=True)))
    assert (picture.format, picture.size) == ("PNG", (1248, 832))
    assert body == {
        "version": "text2image_v1",
        "content_violation": False,
        "request_id": response.headers["X-Request-Id"],
        "credits_used": 1,
        "credits_remaining": 2,
    }
    made = Generation.objects.get()
    assert (made.prompt, made.aspect_ratio, made.operation) == ("a lighthouse", "3:2", "create")
    assert audit(wallet) == 2


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        ("image/png", "PNG"),
        ("image/jpeg", "JPEG"),
        ("image/webp", "WEBP"),
        ("image/*", "PNG"),
        ("image/png, application/json;q=0.5", "PNG"),
        ("application/json;q=0.5, image/webp", "WEBP"),
        ("*/*", None),
        ("text/html", None),
        ("", None),
        ("a/b;q=x", None),
    ],
)
def test_it_answers_with_what_is_asked_for(post: Post, accept: str, format: str | None) -> None:
    with working():
        response = post(PROMPT, CREATE, Accept=accept)
    assert response.status_code == 200, response.content
    if format is None:
        assert response.headers["Content-Type"] == "application/json"
        return
    assert response.headers["Content-Type"] == f"image/{format.lower()}"
    assert told(response) == ("text2image_v1", "false", "1", "2")
    assert Image.open(io.BytesIO(response.content)).format == format
    assert b"trainedAlgorithmicMedia" in response.content  # whatever leaves is marked


@pytest.mark.services
def test_an_image_is_edited_in_its_own_shape(post: Post, model: ImageModel) -> None:
    with working():
        response = post({"edit_instruction": "make it night", "reference_image": TALL}, EDIT)
    assert response.status_code == 200, response.content
    made = Generation.objects.get()
    assert (made.prompt, made.aspect_ratio, made.operation) == ("make it night", "9:16", "edit")


@pytest.mark.services
def test_pictures_in_a_prompt_are_called_what_models_call_them(post: Post, model: ImageModel) -> None:
    asked = {"prompt": "<img>1</img> in the style of <img> 0 </img>", "reference_images": [WIDE, TALL]}
    with working():
        response = post(asked, REMIX + "/", Accept="image/jpeg")
    assert response.status_code == 200, response.content
    made = Generation.objects.get()
    assert (made.prompt, made.aspect_ratio) == ("image 2 in the style of image 1", "16:9")
    assert made.group.inputs.count() == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("accept", ["image/png", "application/json"])
def test_the_image_is_made_smaller_until_it_fits(post: Post, accept: str) -> None:
    steps = [{"process": "fit_image", "max_dim": 600}, {"process": "fit_image", "max_height": 200}]
    with working():
        response = post({**PROMPT, "postprocessing": steps}, CREATE, Accept=accept)
    data = response.content if accept == "image/png" else base64.b64decode(response.json()["image"])
    assert Image.open(io.BytesIO(data)).size == (300, 200)
    assert b"trainedAlgorithmicMedia" in data
    kept = Generation.objects.get()
    assert (kept.width, kept.height) == (1248, 832)


@pytest.mark.parametrize(
    "version", ["latest", "latest-fast", "reve-create@20250915", "reve-create-fast@20251030", "text2image_v1"]
)
def test_their_versions_are_the_first_model(post: Post, version: str) -> None:
    with working():
        response = post({**PROMPT, "version": version, "test_time_scaling": 5}, CREATE)
    assert told(response) == ("text2image_v1", "false", "1", "2")


@pytest.mark.services
def test_a_refused_prompt_is_no_image_and_costs_nothing(post: Post, wallet: Wallet) -> None:
    for accept in ("image/png", "application/json"):
        with working():
            response = post({"prompt": "a lighthouse [sandbox:refuse]"}, CREATE, Accept=accept)
        assert response.status_code == 200
        assert response.headers["Content-Type"] == "application/json"
        assert told(response) == ("text2image_v1", "true", "0", "3")
        assert (response.json()["content_violation"], response.json()["image"]) == (True, "")
    assert audit(wallet) == 3


def test_a_failure_says_that_nothing_was_charged(post: Post, wallet: Wallet) -> None:
    with working():
        response = post({"prompt": "a lighthouse [sandbox:fail]"}, CREATE, Accept="image/png")
    assert "credit was returned" in assert_refused(response, 502, "GENERATION_FAILED")
    params = response.json()["params"]
    assert params["image_id"] == Generation.objects.get().public_id
    assert params["request_url"].endswith(f"/dashboard/requests/{response.headers['X-Request-Id']}/")
    assert audit(wallet) == 3


# --- What is owed


@pytest.mark.services
def test_who_is_told_to_come_again_gets_that_image_and_pays_once(post: Post, wallet: Wallet, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0.1
    response = post(PROMPT, CREATE)
    assert "gets this image" in assert_refused(response, 429, "STILL_DRAWING")
    assert response.headers["Retry-After"] == "5"
    assert response.json()["params"]["image_id"] == Generation.objects.get().public_id
    assert_refused(post(PROMPT, CREATE), 429, "STILL_DRAWING")  # however often
    settings.SYNC_WAIT_SECONDS = 30
    with working():
        owed = post(PROMPT, CREATE)
        assert told(owed)[1:] == ("false", "1", "2")
        assert owed.headers["X-Credits-Charged"] == "0"  # the first call was charged
        assert Generation.objects.count() == 1
        assert told(post(PROMPT, CREATE))[1:] == ("false", "1", "1")  # that debt is paid: this is another one
    assert Generation.objects.count() == 2
    assert audit(wallet) == 1


@pytest.mark.services
def test_same_calls_at_once_are_owed_an_image_each(post: Post, wallet: Wallet, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    with ThreadPoolExecutor(3) as pool:
        late = [one.result() for one in [pool.submit(post, PROMPT, CREATE) for _ in range(3)]]
    assert {one.status_code for one in late} == {429}
    settings.SYNC_WAIT_SECONDS = 30
    with working():
        owed = [post(PROMPT, CREATE) for _ in range(3)]
    assert [(one.status_code, one.headers["X-Credits-Charged"]) for one in owed] == [(200, "0")] * 3
    assert len({one.json()["image"] for one in owed}) == Generation.objects.count() == 3
    assert audit(wallet) == 0


def test_what_failed_is_passed_over_for_what_is_owed_beside_it(post: Post, wallet: Wallet, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: post(PROMPT, CREATE), range(2)))
    lifecycle.fail(Generation.objects.earliest("pk"), code="timed_out", message="No image.")
    settings.SYNC_WAIT_SECONDS = 30
    with working():
        owed = post(PROMPT, CREATE)
    assert (owed.status_code, owed.headers["X-Credits-Charged"], audit(wallet)) == (200, "0", 2)


def test_an_image_stays_owed_while_its_caller_asks_too_often(post: Post, wallet: Wallet, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    assert_refused(post(PROMPT, CREATE), 429, "STILL_DRAWING")
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 1
    assert_refused(post(PROMPT, CREATE), 429, "STILL_DRAWING")
    assert_refused(post(PROMPT, CREATE), 429, "RATE_LIMITED")
    settings.STATUS_RATE_LIMIT_PER_MINUTE, settings.SYNC_WAIT_SECONDS = 1000, 30
    with working():
        owed = post(PROMPT, CREATE)
    assert (owed.status_code, owed.headers["X-Credits-Charged"]) == (200, "0")
    assert Generation.objects.count() == 1
    assert audit(wallet) == 2


def test_what_has_a_key_of_its_own_is_owed_by_that_key_alone(post: Post, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    post(PROMPT, CREATE, **{"Idempotency-Key": "once"})
    post(PROMPT, CREATE)
    assert Generation.objects.count() == 2


def test_an_image_whose_file_is_gone_is_owed_once(post: Post, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> bytes:
        raise FileNotFoundError

    with working():
        with monkeypatch.context() as patch:
            patch.setattr("generator.files.downloads.images.read", gone)
            assert post(PROMPT, CREATE, Accept="image/webp").status_code == 404
        assert post(PROMPT, CREATE, Accept="image/webp").status_code == 200
    assert Generation.objects.count() == 2


def test_another_request_is_not_owed_that_image(post: Post, bob: User, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    post(PROMPT, CREATE)
    post({**PROMPT, "aspect_ratio": "1:1"}, CREATE)
    _, secret = keys.mint(user=bob, name="bob's")
    post(PROMPT, CREATE, Authorization=f"Bearer {secret}")
    assert Generation.objects.count() == 3


def test_a_failed_image_is_not_owed(post: Post, wallet: Wallet, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    post(PROMPT, CREATE)
    lifecycle.fail(Generation.objects.get(), code="timed_out", message="No image.")
    post(PROMPT, CREATE)
    assert Generation.objects.count() == 2
    assert audit(wallet) == 2


@pytest.mark.services
def test_who_hangs_up_is_owed_the_image(post: Post, api: Api, wallet: Wallet, settings: Any) -> None:
    """A program that gives up sooner than the image is there, and sends the same request again."""
    asyncio.run(hang_up(api.secret, CREATE, PROMPT))
    assert Generation.objects.count() == 1
    with working():
        response = post(PROMPT, CREATE)
    assert (response.status_code, response.headers["X-Reve-Credits-Used"]) == (200, "1")
    assert Generation.objects.count() == 1
    assert audit(wallet) == 2


@pytest.mark.services
def test_who_hangs_up_while_it_is_admitted_is_owed_the_image(
    post: Post, api: Api, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, gone = threading.Event(), threading.Event()
    plainly = admission.admit

    def slowly(**wanted: Any) -> admission.Admission:
        began.set()
        assert gone.wait(60)
        return plainly(**wanted)

    async def leave() -> None:
        await hang_up(api.secret, CREATE, PROMPT, once=began.is_set)
        gone.set()
        client = retried._clients.get()
        async with asyncio.timeout(60):
            while not [name async for name in client.scan_iter("reveweb:owed:*")]:
                await asyncio.sleep(0.05)

    with monkeypatch.context() as patch:
        patch.setattr(one_statement, "fits", lambda caller: False)
        patch.setattr(admission, "admit", slowly)
        asyncio.run(leave())
    assert audit(wallet) == 2
    with working():
        response = post(PROMPT, CREATE)
    assert (response.status_code, response.headers["X-Credits-Charged"]) == (200, "0")
    assert Generation.objects.count() == 1
    assert audit(wallet) == 2


def test_an_image_that_cannot_be_read_just_now_is_owed(
    post: Post, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(name: str) -> bytes:
        raise StorageAway

    with monkeypatch.context() as patch, working():
        patch.setattr("generator.files.downloads.images.read", away)
        assert "is made" in assert_refused(post(PROMPT, CREATE, Accept="image/webp"), 429, "STILL_DRAWING")
    assert post(PROMPT, CREATE, Accept="image/webp").status_code == 200
    assert audit(wallet) == 2


def test_an_idempotency_key_is_honoured(post: Post, wallet: Wallet) -> None:
    with working():
        first, second = (post(PROMPT, CREATE, **{"Idempotency-Key": "once"}) for _ in range(2))
    assert first.json()["image"] == second.json()["image"]
    assert (first.headers["X-Reve-Credits-Used"], second.headers["X-Reve-Credits-Used"]) == ("1", "0")
    conflict = post({"prompt": "other"}, CREATE, **{"Idempotency-Key": "once"})
    assert_refused(conflict, 409, "IDEMPOTENCY_CONFLICT")
    assert conflict.json()["params"]["image_id"] == Generation.objects.get().public_id
    assert audit(wallet) == 2


@pytest.mark.parametrize("accept", ["application/json", "image/png"])
@pytest.mark.parametrize("column", ["deleted_at", "purged_at"])
def test_what_was_deleted_is_not_given_again(post: Post, wallet: Wallet, accept: str, column: str) -> None:
    headers = {"Idempotency-Key": "once", "Accept": accept}
    with working():
        assert post(PROMPT, CREATE, **headers).status_code == 200
    Generation.objects.update(**{column: timezone.now()})
    gone = post(PROMPT, CREATE, **headers)
    assert_refused(gone, 404, "IMAGE_NOT_FOUND")
    assert gone.json()["params"]["image_id"] == Generation.objects.get().public_id
    assert audit(wallet) == 2


# --- Refusals


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CREATE, {}, "prompt"),
        (CREATE, {"prompt": " "}, "prompt"),
        (CREATE, {"prompt": "x" * 4001}, "prompt"),
        (CREATE, {"prompt": "x", "aspect_ratio": "21:9"}, "aspect_ratio"),
        (CREATE, {"prompt": "x", "version": "reve-9"}, "version"),
        (CREATE, {"prompt": "x", "test_time_scaling": 0}, "test_time_scaling"),
        (CREATE, {"prompt": "x", "postprocessing": [{"process": "upscale", "upscale_factor": 2}]}, "postprocessing"),
        (CREATE, {"prompt": "x", "postprocessing": [{"process": "remove_background"}]}, "postprocessing"),
        (CREATE, {"prompt": "x", "postprocessing": [{"process": "effect", "effect_name": "x"}]}, "postprocessing"),
        (CREATE, {"prompt": "x", "postprocessing": [{"process": "fly"}]}, "postprocessing"),
        (CREATE, {"prompt": "x", "postprocessing": [{"process": "fit_image"}]}, "postprocessing"),
        (CREATE, {"prompt": "x", "postprocessing": [{"process": "fit_image", "max_dim": 0}]}, "postprocessing"),
        (EDIT, {"edit_instruction": "x"}, "reference_image"),
        (EDIT, {"reference_image": "x"}, "edit_instruction"),
        (EDIT, {"edit_instruction": "x", "reference_image": "!"}, "reference_image"),
        (EDIT, {"edit_instruction": "x", "reference_image": "AAAA"}, "reference_image"),
        (REMIX, {"prompt": "x", "reference_images": []}, "reference_images"),
        (REMIX, {"prompt": "x", "reference_images": [WIDE] * 7}, "reference_images"),
        (REMIX, {"prompt": "x", "reference_images": [WIDE, "AAAA"]}, "reference_images.1"),
    ],
)
def test_what_cannot_be_is_a_400_that_names_the_field(
    post: Post, wallet: Wallet, model: ImageModel, path: str, body: Any, param: str
) -> None:
    assert_refused(post(body, path), 400, "INVALID_REQUEST", param)
    assert audit(wallet) == 3


def test_a_picture_that_a_prompt_names_has_to_be_there(post: Post, model: ImageModel) -> None:
    response = post({"prompt": "like <img>2</img>", "reference_images": [WIDE, TALL]}, REMIX)
    assert "<img>2</img> names no picture" in assert_refused(response, 400, "INVALID_REQUEST", "prompt")


def test_no_key_no_credits_and_too_many(post: Post, alice: User, wallet: Wallet, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0
    assert_refused(post(PROMPT, CREATE, Authorization=""), 401, "MISSING_API_KEY")
    assert_refused(post(PROMPT, CREATE, Authorization="Bearer papi.x"), 401, "INVALID_API_KEY")
    post({**PROMPT, "aspect_ratio": "1:1"}, CREATE)
    for prompt in "abc":
        last = post({"prompt": prompt}, CREATE)
    assert_refused(last, 402, "INSUFFICIENT_CREDITS")
    _, slow = keys.mint(user=alice, name="slow", rate_limit=1)
    post({"prompt": "d"}, CREATE, Authorization=f"Bearer {slow}")
    limited = post({"prompt": "d"}, CREATE, Authorization=f"Bearer {slow}")
    assert_refused(limited, 429, "RATE_LIMITED")
    assert 1 <= int(limited.headers["Retry-After"]) <= 60


def test_bodies_that_are_none_and_too_large_ones_are_told_in_the_same_shape(
    serve: Callable[..., httpx.Response],
) -> None:
    kind = {"Content-Type": "application/json"}
    assert_refused(serve("POST", CREATE, content=b"{", headers=kind), 400, "INVALID_JSON")
    assert_refused(serve("POST", EDIT, content=b"{", headers=kind), 400, "INVALID_JSON")
    assert_refused(serve("POST", EDIT, data={"a": "b"}), 415, "UNSUPPORTED_MEDIA_TYPE")
    assert_refused(serve("POST", CREATE, content=b"x" * 70_000, headers=kind), 413, "BODY_TOO_LARGE")
    assert_refused(serve("GET", CREATE), 405, "METHOD_NOT_ALLOWED")
    for path in ("/v1/image/nothing", "/v2/image/create", "/api/", "/api/misc/nothing"):
        assert_refused(serve("POST", path), 404, "NOT_FOUND")


# --- The balance


@pytest.mark.services
@pytest.mark.parametrize("path", [BALANCE, BALANCE + "/"])
def test_the_balance_is_told(post: Post, get: Post, wallet: Wallet, path: str) -> None:
    body = get(path).json()
    assert set(body) == {"budget_id", "new_balance"}
    assert body["new_balance"] == 3
    assert re.fullmatch(r"budget_[0-9a-f]{24}", body["budget_id"])
    post({**PROMPT, "async": True}, "/v1/reve-image/generate")
    assert get(path).json()["new_balance"] == 2
    assert get(path).json()["budget_id"] == body["budget_id"]


def test_a_key_that_may_not_see_credits_is_told_so(api: Api, get: Post) -> None:
    type(api.key).objects.filter(pk=api.key.pk).update(scopes=[KeyScope.GENERATE])
    assert_refused(get(BALANCE), 403, "SCOPE_MISSING")
    assert_refused(get(BALANCE, Authorization=""), 401, "MISSING_API_KEY")


def test_there_are_no_effects(get: Post) -> None:
    assert get("/v1/image/effect?source=preset").json() == {"effects": []}


# --- The table


def test_every_field_is_in_the_table_once_with_what_becomes_of_it() -> None:
    rows = list(fields.rows())
    assert {row.name for row in rows} >= {
        *("prompt", "aspect_ratio", "version", "test_time_scaling", "postprocessing", "reference_image"),
        *("reference_images", "edit_instruction", "postprocessing: upscale", "Accept"),
    }
    assert {row.fate for row in rows} == set(fields.Fate)
    assert len({(row.name, row.calls) for row in rows}) == len(rows)


# --- Forms in chunks


def test_a_form_that_comes_in_chunks_is_read(
    post: Post, serve: Callable[..., httpx.Response], model: ImageModel
) -> None:
    """As Node.js sends a file that it streams: without a length, which Django takes for an empty form."""
    written = httpx.Request("POST", "http://testserver", data={"prompt": "x"}, files={"image": base64.b64decode(WIDE)})
    kind = {"Content-Type": written.headers["Content-Type"]}
    body = written.read()

    async def pieces() -> Any:
        yield body[:50]
        yield body[50:]

    response = serve(
        "POST", "/v1/reve-image/edit?async=1", content=pieces(), headers={**kind, "Prefer": "respond-async"}
    )
    assert response.status_code in (200, 202), response.text
