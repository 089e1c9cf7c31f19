"""Edit, remix and files: however a picture comes, it is the caller's own, and what cannot be used is told."""

import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.core.files.storage import storages
from django.utils import timezone
from PIL import Image

from accounts import keys
from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.ask import prices
from generator.files import uploads
from generator.models import Generation, Group, ImageModel, Input, Operation, Price, Route, Upload, Upstream
from generator.upstreams import fetch
from kit.http import network
from tests.api.answers import LINKS, assert_error, assert_json
from tests.billing.books import audit
from tests.conftest import Api
from tests.generator.conftest import CannedServer, Reply, server  # noqa: F401 (a fixture)
from tests.generator.test_bare import SECRET, file, spoken
from tests.generator.test_uploads import image_of

EDIT, REMIX, FILES, MODELS = "/v1/reve-image/edit", "/v1/reve-image/remix", "/v1/files", "/v1/models"
WIDE, SQUARE = file("PNG", Image.new("RGB", (160, 90), "navy")), file("PNG", Image.new("RGB", (64, 64), "red"))
Serve = Callable[..., httpx.Response]

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture(autouse=True)
def model(transactional_db: None) -> ImageModel:
    """The first model, which can edit and remix here; that costs more."""
    model, upstream = ImageModel.objects.get(), Upstream.objects.get(slug="reve")
    model.operations = list(Operation.values)
    model.save()
    for operation, credits in ((Operation.EDIT, 2), (Operation.REMIX, 3)):
        Route.objects.create(model=model, operation=operation, upstream=upstream)
        Price.objects.create(model=model, operation=operation, credits=credits)
    prices.forget()
    return model


@pytest.fixture
def edit(serve: Serve) -> Serve:
    def send(image: str | None = None, /, *, path: str = EDIT, headers: Any = None, **fields: Any) -> httpx.Response:
        named = {} if image is None else {"image": image}
        body = {"prompt": "make it night", "async": True, **named, **fields}
        return serve("POST", path, json=body, headers=headers or {})

    return send


@pytest.fixture
def form(serve: Serve) -> Serve:
    def send(path: str, files: Any, headers: Any = None, **fields: Any) -> httpx.Response:
        return serve("POST", path, data=fields, files=files, headers=headers or {})

    return send


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def asked() -> tuple[Generation, list[Generation | Upload | None]]:
    """Return the only generation that was asked for here, and what it is to be made from."""
    group = Group.objects.get()
    rows = Input.objects.filter(group=group).order_by("position")
    return group.generations.get(), [one.upload or one.generation for one in rows]


# --- Ways to bring a picture


@pytest.mark.services
@pytest.mark.parametrize("path", [EDIT, EDIT + "/", "/v1/images/edit", "/v1/images/edit/"])
def test_an_image_of_ones_own_is_edited(edit: Serve, wallet: Wallet, path: str) -> None:
    own = image_of(wallet, WIDE)
    Generation.objects.filter(pk=own.pk).update(width=160, height=90)
    response = edit(own.public_id, path=path)
    assert (response.status_code, response.json()["status"]) == (202, "pending"), response.text
    assert set(response.json()) == {"id", "status", "stage", *LINKS}
    made, inputs = asked()
    assert inputs == [own]
    assert (made.operation, made.aspect_ratio, made.credits) == ("edit", "16:9", 2)
    assert (response.headers["X-Credits-Charged"], response.headers["X-Credits-Remaining"]) == ("2", "1")
    assert audit(wallet) == 1


@pytest.mark.parametrize("way", ["base64", "lines", "data", "form", "file"])
def test_a_picture_that_is_brought_is_kept_bare(edit: Serve, form: Serve, way: str) -> None:
    data = spoken("JPEG", 6)
    words = in_base64(data)
    if way == "form":
        response = form(EDIT, {"image": ("me.jpg", data, "image/jpeg")}, prompt="x", **{"async": "true"})
    elif way == "file":
        kept = assert_json(form(FILES, {"file": ("me.jpg", data, "image/jpeg")}))
        response = edit(kept["id"])
    else:
        lines = "\n".join(words[start : start + 76] for start in range(0, len(words), 76))
        response = edit({"base64": words, "lines": lines, "data": f"data:image/jpeg;base64,{words}"}[way])
    assert response.status_code == 202, response.text
    made, [upload] = asked()
    assert isinstance(upload, Upload)
    assert (upload.width, upload.height, made.aspect_ratio) == (48, 96, "9:16")
    with storages["private"].open(uploads.path_of(upload.file_name)) as stored:
        assert SECRET not in stored.read()


def test_a_picture_is_fetched(edit: Serve, server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(network, "is_public", lambda address: True)
    monkeypatch.setattr(fetch, "SCHEMES", ("http", "https"))
    server.replies["/a.png"] = Reply(body=WIDE)
    assert edit(f"{server.url}/a.png").status_code == 202
    [upload] = asked()[1]
    assert isinstance(upload, Upload)
    assert upload.width == 160


@pytest.mark.parametrize("path", [REMIX, "/v1/images/remix/"])
def test_a_remix_keeps_the_order_of_its_images(serve: Serve, give: Any, wallet: Wallet, path: str) -> None:
    own, kept = image_of(wallet, WIDE), uploads.take(wallet, WIDE)
    images = [kept.public_id, in_base64(SQUARE), own.public_id, kept.public_id]
    body = {"prompt": "all of them", "images": images, "aspect_ratio": "3:2", "async": True}
    response = serve("POST", path, json=body)
    assert response.status_code == 202, response.text
    made, inputs = asked()
    assert [getattr(one, "width", None) or 0 for one in inputs[:2]] == [160, 64]
    assert (inputs[0], inputs[2], inputs[3]) == (kept, own, kept)
    assert (made.operation, made.aspect_ratio, made.credits) == ("remix", "3:2", 3)
    assert audit(wallet) == 0


@pytest.mark.parametrize("name", ["images", "images[]"])
def test_a_form_has_words_and_files(form: Serve, wallet: Wallet, name: str) -> None:
    own = image_of(wallet, WIDE)
    files = [(name, ("a.png", WIDE)), (name, ("b.png", SQUARE))]
    response = form(REMIX, files, prompt="x", aspect_ratio="4:3", **{"async": "1", name: own.public_id})
    assert response.status_code == 202, response.text
    made, inputs = asked()
    assert [type(one) for one in inputs] == [Generation, Upload, Upload]
    assert made.aspect_ratio == "4:3"


def test_a_mask_comes_along(edit: Serve, form: Serve) -> None:
    response = edit(in_base64(WIDE), mask=in_base64(file("PNG", Image.new("L", (160, 90)))), aspect_ratio="1:1")
    assert response.status_code == 202, response.text
    group = Group.objects.get()
    assert group.mask is not None
    assert (group.mask.width, group.generations.get().aspect_ratio) == (160, "1:1")
    wrong = edit(in_base64(WIDE), mask=in_base64(SQUARE))
    assert "160 x 90" in assert_error(wrong, 422, "invalid_request", "mask")


# --- What cannot be used


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("img_nobodys", "no finished image"),
        ("file_nobodys", "no file with this id"),
        ("http://example.com/a.png", "https://"),
        ("https://127.0.0.1/a.png", "public internet"),
        ("https://192.168.0.1/a.png", "public internet"),
        ("https://nobody.invalid/a.png", "cannot be reached"),
        ("data:text/html;base64,PGI+", "data:image/"),
        ("data:image/png,abc", "data:image/"),
        ("not base64!", "it must be an id"),
        ("aGVsbG8=", "no PNG, JPEG or WebP"),
        ("", "empty"),
        (in_base64(file("GIF")), "no PNG, JPEG or WebP"),
        (in_base64(file("PNG", Image.new("L", (8, 8)))), "8 x 8"),
    ],
)
def test_what_cannot_be_used_is_told_and_costs_nothing(edit: Serve, wallet: Wallet, image: str, words: str) -> None:
    response = edit(image)
    message = assert_error(response, 422, "invalid_request", "image")
    assert message.startswith("image: ")
    assert words in message
    assert response.headers["X-Credits-Charged"] == "0"
    assert audit(wallet) == 3
    assert not Group.objects.exists()


def test_which_of_several_is_told(serve: Serve, wallet: Wallet) -> None:
    body = {"prompt": "x", "images": [in_base64(WIDE), in_base64(SQUARE), "img_nobodys"]}
    assert_error(serve("POST", REMIX, json=body), 422, "invalid_request", "images.2")
    assert not Upload.objects.exists()  # what can be refused at once is


@pytest.mark.parametrize("way", ["strangers", "trashed", "failed", "discarded", "strangers_file"])
def test_only_what_is_ones_own_and_there_can_be_used(edit: Serve, wallet: Wallet, bob: User, way: str) -> None:
    his = ledger.wallet_of(bob.pk)
    if way == "discarded":
        id = uploads.take(wallet, WIDE).public_id
        uploads.discard(wallet, id)
    elif way == "strangers_file":
        id = uploads.take(his, WIDE).public_id
    else:
        own = image_of(his if way == "strangers" else wallet, WIDE)
        id = own.public_id
        trashed = timezone.now() if way == "trashed" else None
        Generation.objects.filter(pk=own.pk).update(
            deleted_at=trashed, status="failed" if way == "failed" else own.status
        )
    assert_error(edit(id), 422, "invalid_request", "image")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": " ", "image": "img_a"}, "prompt"),
        ({"prompt": "x"}, "image"),
        ({"prompt": "x", "image": 7}, "image"),
        ({"prompt": "x", "image": "img_a", "mask": ["x"]}, "mask"),
        ({"prompt": "x", "image": "img_a", "aspect_ratio": "5:4"}, "aspect_ratio"),
        ({"prompt": "x", "image": "img_a", "model": "no model"}, "model"),
        ({"prompt": "x", "image": "img_a", "async": "yes"}, "async"),
    ],
)
def test_fields_that_are_not_as_they_should_be_are_named(serve: Serve, body: Any, param: str) -> None:
    assert_error(serve("POST", EDIT, json=body), 422, "invalid_request", param)


@pytest.mark.parametrize("images", [[], ["img_a"] * 7, "img_a", [1]])
def test_a_remix_takes_one_to_six_images(serve: Serve, images: Any) -> None:
    assert_error(serve("POST", REMIX, json={"prompt": "x", "images": images}), 422, "invalid_request", "images")


def test_forms_that_are_none_are_refused(serve: Serve) -> None:
    headers = {"Content-Type": "multipart/form-data"}
    assert_error(serve("POST", EDIT, content=b"x", headers=headers), 400, "invalid_form")
    assert_error(serve("POST", FILES, json={"file": "x"}), 400, "invalid_form")
    assert_error(serve("POST", EDIT, content=b"{", headers={"Content-Type": "application/json"}), 400, "invalid_json")
    headers = {"Content-Type": "text/plain"}
    assert_error(serve("POST", EDIT, content=b"x", headers=headers), 415, "unsupported_media_type")


@pytest.mark.parametrize("path", [EDIT, REMIX, FILES, "/v1/images/edits"])
def test_forms_of_very_many_fields_are_refused(form: Serve, path: str) -> None:
    response = form(path, {"image": ("a.png", WIDE)}, **{f"field_{number}": "x" for number in range(1_001)})
    assert (response.status_code, response.headers["Content-Type"]) == (400, "application/json")
    assert response.json()["error"]["code"] in ("invalid_form", "invalid_multipart_form")
    assert "1,000 fields" in response.json()["error"]["message"]


@pytest.mark.parametrize("path", [EDIT, "/v1/images/edits"])
def test_a_picture_that_is_too_large_for_a_forms_words_is_told_so(form: Serve, path: str) -> None:
    spelled = in_base64(bytes(2 * 1024 * 1024))
    response = form(path, {"other": ("a.png", WIDE)}, prompt="x", image=spelled)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
    message = response.json()["error"]["message"]
    assert "2.5 MB" in message
    assert "as a file of the form" in message


def test_without_a_key_nothing_is_read(serve: Serve) -> None:
    for path in (EDIT, REMIX, FILES):
        response = serve("POST", path, files={"image": ("a.png", WIDE)}, headers={"Authorization": "Bearer rv_x"})
        assert_error(response, 401, "invalid_api_key")
    assert not Upload.objects.exists()


def test_what_the_model_does_not_offer_is_told(edit: Serve, model: ImageModel, wallet: Wallet) -> None:
    assert_error(edit(in_base64(WIDE), model="nobody"), 422, "invalid_request", "model")
    assert_error(edit(in_base64(WIDE), size="8K"), 422, "invalid_request", "size")
    Route.objects.filter(operation=Operation.EDIT).delete()
    prices.forget()
    assert_error(edit(in_base64(WIDE)), 422, "invalid_request", "model")
    assert audit(wallet) == 3


# --- As generate


def test_a_key_that_is_sent_again_is_answered_for_free(edit: Serve, wallet: Wallet) -> None:
    headers = {"Idempotency-Key": "order-1"}
    first = edit(in_base64(WIDE), headers=headers)
    kept = Upload.objects.get()
    again = edit(kept.public_id, headers=headers)  # the same picture, brought in another way
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    uploads.discard(wallet, kept.public_id)
    assert edit(in_base64(WIDE), headers=headers).json()["id"] == first.json()["id"]
    assert_error(edit(in_base64(SQUARE), headers=headers), 409, "idempotency_conflict")
    assert_error(edit(in_base64(WIDE), headers=headers, prompt="else"), 409, "idempotency_conflict")
    assert audit(wallet) == 1
    assert_error(edit("x", headers={"Idempotency-Key": "a b"}), 422, "invalid_request", "Idempotency-Key")


def test_out_of_credits_says_what_it_costs(serve: Serve, wallet: Wallet) -> None:
    body = {"prompt": "x", "images": [in_base64(WIDE)], "async": True}
    assert serve("POST", REMIX, json=body).status_code == 202
    assert "3 credits" in assert_error(serve("POST", REMIX, json=body), 402, "insufficient_credits")


def test_pictures_are_counted(edit: Serve, settings: Any) -> None:
    settings.UPLOAD_RATE_LIMIT_PER_MINUTE = 2
    for data in (WIDE, SQUARE):
        assert_error(edit(in_base64(data), size="8K"), 422, "invalid_request", "size")
    response = edit(in_base64(WIDE))
    assert_error(response, 429, "rate_limited")
    assert int(response.headers["Retry-After"]) > 0


def test_a_storage_that_is_away_is_told(edit: Serve, form: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(storages["private"], "save", away)
    for response in (edit(in_base64(WIDE)), form(FILES, {"file": ("a.png", WIDE)})):
        assert_error(response, 503, "unavailable")
        assert response.headers["Retry-After"] == "5"


def test_a_full_account_is_told(form: Serve, settings: Any) -> None:
    settings.UPLOADS_MAX_BYTES = 10
    assert_error(form(FILES, {"file": ("a.png", WIDE)}), 422, "uploads_full")


# --- Files


def test_a_file_is_kept_looked_at_and_deleted(serve: Serve, form: Serve, wallet: Wallet, bob: User) -> None:
    response = form(FILES, {"file": ("me.png", WIDE, "application/octet-stream")})
    kept = assert_json(response)
    assert response.status_code == 200
    assert "X-Credits-Charged" not in response.headers
    upload = Upload.objects.get()
    assert kept == {
        "id": upload.public_id,
        "width": 160,
        "height": 90,
        "size": upload.size,
        "media_type": "image/png",
        "expires_at": f"{upload.expires_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    again = assert_json(form(FILES + "/", {"file": ("again.png", WIDE)}))
    assert again["id"] == kept["id"]
    path = f"{FILES}/{kept['id']}"
    assert assert_json(serve("GET", path)) == again
    _, his = keys.mint(user=bob, name="his")
    for method in ("GET", "DELETE"):
        theirs = serve(method, path, headers={"Authorization": f"Bearer {his}"})
        assert_error(theirs, 404, "not_found")
    assert assert_json(serve("DELETE", path)) == {"id": kept["id"], "deleted": True}
    for method in ("GET", "DELETE"):
        assert_error(serve(method, path), 404, "not_found")
        assert_error(serve(method, f"{FILES}/nothing%00"), 404, "not_found")
    assert_error(serve("POST", path), 405, "method_not_allowed")
    assert audit(wallet) == 3


def test_a_form_without_the_file_is_told(form: Serve) -> None:
    assert_error(form(FILES, {"image": ("a.png", WIDE)}), 422, "invalid_request", "file")
    assert_error(form(FILES, {"file": ("a.txt", b"words")}), 422, "invalid_request", "file")


# --- Models, and what generate takes besides


def test_models_are_listed_with_their_prices(serve: Serve, model: ImageModel, settings: Any) -> None:
    model.sizes, model.qualities = ["1K", "2K"], ["low", "high"]
    model.save()
    Price.objects.create(model=model, operation=Operation.CREATE, size="2K", quality="high", credits=9)
    ImageModel.objects.create(slug="unrouted", name="No route")
    prices.forget()
    body = assert_json(serve("GET", MODELS))
    [told] = body["data"]
    assert body["object"] == "list"
    assert {name: told[name] for name in ("id", "object", "created", "owned_by", "name")} == {
        "id": "text2image_v1",
        "object": "model",
        "created": int(model.created_at.timestamp()),
        "owned_by": settings.SITE_NAME,
        "name": "Reve Image 1.0",
    }
    assert (told["operations"], told["sizes"], told["qualities"]) == (
        list(Operation.values),
        ["1K", "2K"],
        ["low", "high"],
    )
    assert told["aspect_ratios"] == model.aspect_ratios
    cost = {(one["operation"], one["size"], one["quality"]): one["credits"] for one in told["prices"]}
    assert len(cost) == 12
    assert (cost["create", "2K", "high"], cost["create", "1K", "high"], cost["edit", "2K", "low"]) == (9, 1, 2)


@pytest.mark.services
def test_generate_takes_a_model_a_size_and_a_quality(api: Api, serve: Serve, model: ImageModel, wallet: Wallet) -> None:
    other = ImageModel.objects.create(
        slug="other-2", name="Other", sizes=["1K", "2K"], qualities=["low", "high"], order=5
    )
    Route.objects.create(model=other, upstream=Upstream.objects.get(slug="reve"))
    Price.objects.create(model=other, size="2K", credits=2)
    prices.forget()
    path = "/v1/reve-image/generate"
    body = {"prompt": "x", "async": True, "model": "other-2", "size": "2K", "quality": "high"}
    response = serve("POST", path, json=body)
    assert response.status_code == 202, response.text
    made = Generation.objects.get()
    assert (made.image_model, made.size, made.quality, made.credits) == (other, "2K", "high", 2)
    status = assert_json(serve("GET", f"/v1/reve-image/status/{made.public_id}"))
    assert (status["operation"], status["model"], status["credits"]) == ("create", "other-2", 2)
    ImageModel.objects.filter(pk=other.pk).update(is_active=False)
    prices.forget()
    assert assert_json(serve("GET", f"/v1/reve-image/status/{made.public_id}"))["model"] == "other-2"
    for client in (serve("POST", path, json=body), serve("POST", path + "/", json=body)):
        assert_error(client, 422, "invalid_request", "model")
    assert_error(serve("POST", path, json={"prompt": "x", "quality": "high"}), 422, "invalid_request", "quality")
    assert audit(wallet) == 1
    assert json.loads(response.content).keys() == {"id", "status", "stage", *LINKS}
