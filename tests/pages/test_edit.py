"""Edit and remix in the studio: with plain forms, only of one's own pictures, at their price, and with their family."""

import asyncio
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.ask import prices
from generator.files import uploads
from generator.models import Generation, Group, ImageModel, Input, Operation, Price, Route, Upload, Upstream
from tests.browser.pages import BUDGET
from tests.conftest import PASSWORD
from tests.generator.test_bare import file
from tests.pages.conftest import Draw, Hang
from tests.pages.test_weight import weigh, weight, words

SEND = "/create/generate/"
SCRIPT = {"Accept": "application/json"}
WIDE, SQUARE = file("PNG", Image.new("RGB", (160, 90), "navy")), file("PNG", Image.new("RGB", (64, 64), "red"))

pytestmark = pytest.mark.usefixtures("images")


@pytest.fixture(autouse=True)
def model(transactional_db: None) -> ImageModel:
    """The first model, which can edit for 3 credits and remix for 2 here."""
    model, upstream = ImageModel.objects.get(), Upstream.objects.get(slug="reve")
    model.operations = [one.value for one in Operation]
    model.save()
    for operation, credits in ((Operation.EDIT, 3), (Operation.REMIX, 2)):
        Route.objects.create(model=model, operation=operation, upstream=upstream)
        Price.objects.create(model=model, operation=operation, credits=credits)
    prices.forget()
    return model


def fields(mode: str, **more: Any) -> dict[str, Any]:
    return {"nonce": str(uuid4()), "prompt": "at night", "aspect_ratio": "1:1", "mode": mode, **more}


def picture(data: bytes = WIDE, name: str = "house.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type="image/png")


def inputs() -> list[Upload | Generation | None]:
    return [one.upload or one.generation for one in Input.objects.order_by("position")]


def test_an_edit_is_asked_for_with_a_plain_form(browser: Client, wallet: Wallet, give: Callable[[int], None]) -> None:
    give(10)
    assert browser.post(SEND, fields("edit", file=picture())).status_code == 302
    generation = Generation.objects.get()
    assert (generation.operation, generation.aspect_ratio, generation.credits) == ("edit", "16:9", 3)
    assert inputs() == [Upload.objects.get()]
    wallet.refresh_from_db()
    assert wallet.balance == 10


def test_a_mask_comes_along_and_has_to_fit(browser: Client, give: Callable[[int], None]) -> None:
    give(10)
    small = browser.post(SEND, fields("edit", file=picture(), mask_file=picture(SQUARE)), headers=SCRIPT)
    assert "as large as the picture" in small.text
    mask = file("PNG", Image.new("L", (160, 90), "white"))
    assert browser.post(SEND, fields("edit", file=picture(), mask_file=picture(mask))).status_code == 302
    group = Group.objects.get()
    assert group.mask is not None
    assert (group.mask.width, group.mask.height) == (160, 90)


def test_references_keep_their_order(browser: Client, draw: Draw) -> None:
    first, second = draw("one"), draw("two")
    answer = browser.post(SEND, fields("remix", input=[second.public_id, first.public_id]), headers=SCRIPT)
    assert answer.status_code == 201
    assert inputs() == [second, first]


@pytest.mark.parametrize("mode", ["edit", "remix"])
def test_somebody_elses_pictures_are_refused(browser: Client, bob: User, draw: Draw, wallet: Wallet, mode: str) -> None:
    theirs = uploads.take(ledger.wallet_of(bob.pk), WIDE)
    before = Generation.objects.count()
    image = draw("mine", until="failed")
    for id in (theirs.public_id, image.public_id, "img_2Nx1", "../x"):
        answer = browser.post(SEND, fields(mode, input=id), headers=SCRIPT)
        assert answer.status_code == 422
        assert "Nothing was charged" in answer.text
    assert Generation.objects.count() == before + 1
    assert theirs.public_id not in browser.get(f"/create/?mode={mode}&source={theirs.public_id}").text


def test_without_a_picture_it_says_so(browser: Client) -> None:
    answer = browser.post(SEND, fields("edit"))
    assert answer.status_code == 422
    assert "Picture: add one first" in answer.text
    assert re.search(r'value="edit" checked', answer.text)


def test_a_form_that_is_refused_keeps_what_was_brought(browser: Client) -> None:
    answer = browser.post(SEND, fields("remix", file=[picture(), picture(SQUARE, "b.png")], count="4"))
    assert answer.status_code == 402
    for upload in Upload.objects.all():
        assert f'name="input" value="{upload.public_id}"' in answer.text


def test_the_price_is_that_of_what_is_chosen(browser: Client, model: ImageModel) -> None:
    model.sizes, model.qualities = ["1K", "2K"], ["low", "high"]
    model.save()
    Price.objects.create(model=model, operation="edit", size="2K", quality="high", credits=9)
    prices.forget()

    def costs(query: str) -> list[str]:
        html = browser.get(f"/create/?{query}").text
        told = re.search(r'data-cost-of="edit">(.*?)</span></span>', html)
        assert told
        return re.findall(r"Costs (\d+) credits?\.", told[1])

    assert costs("mode=edit") == ["3", "6", "9", "12"]
    assert costs("mode=edit&size=2K&quality=high") == ["9", "18", "27", "36"]


def test_editing_keeps_to_the_budget_with_a_full_wall(browser: Client, hang: Hang) -> None:
    images = hang(40)
    for number, image in enumerate(images):
        image.prompt = words(number)
    Generation.objects.bulk_update(images, ["prompt"])
    script = re.search(r'data-pictures="([^"]+)"', browser.get("/create/").text)
    assert script
    assert weight(browser, "/create/?mode=edit") + asyncio.run(weigh(script[1])) < BUDGET


def test_what_no_model_does_is_not_shown(browser: Client, draw: Draw) -> None:
    image = draw()
    assert "mode=edit" in browser.get(f"/gallery/{image.public_id}/").text
    Route.objects.exclude(operation="create").delete()
    prices.forget()
    assert 'name="mode"' not in browser.get("/create/").text
    assert "mode=edit" not in browser.get(f"/gallery/{image.public_id}/").text


def test_words_and_pictures_survive_a_log_in(alice: User, client: Client) -> None:
    upload = uploads.take(ledger.wallet_of(alice.pk), WIDE)
    client.post(SEND, fields("edit", prompt="with snow", input=upload.public_id))
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    page = client.get("/create/").text
    assert "with snow" in page
    assert f'name="input" value="{upload.public_id}"' in page


def test_an_upload_is_kept_and_told(browser: Client, client: Client) -> None:
    told = browser.post("/uploads/", {"file": picture()}).json()
    upload = Upload.objects.get()
    assert (told["id"], told["width"], told["height"]) == (upload.public_id, 160, 90)
    assert browser.get(told["src"]).status_code == 200
    broken = browser.post("/uploads/", {"file": picture(b"not a picture")})
    assert broken.status_code == 422
    assert "no PNG, JPEG or WebP" in broken.json()["error"]
    assert Client().post("/uploads/", {"file": picture()}).status_code == 401


def test_there_is_something_to_pick_from(browser: Client, strangers_browser: Client, draw: Draw) -> None:
    image = draw()
    draw(until="queued")
    assert [one["id"] for one in browser.get("/create/pictures/", headers=SCRIPT).json()["images"]] == [image.public_id]
    assert strangers_browser.get("/create/pictures/", headers=SCRIPT).json()["images"] == []


def test_selected_images_become_references(browser: Client, draw: Draw) -> None:
    first, second = draw("one"), draw("two")
    page = browser.post("/gallery/reference/", {"ids": [second.public_id, first.public_id]}, follow=True).text
    assert re.search(r'value="remix" checked', page)
    assert re.findall(r'name="input" value="(\w+)"', page) == [second.public_id, first.public_id]


@pytest.fixture
def family(draw: Draw, wallet: Wallet) -> tuple[Generation, Generation]:
    """An image, and an edit of it."""
    image = draw("a house")
    edit = draw("a house at night", operation=Operation.EDIT, inputs=(image,))
    return image, edit


def test_an_images_page_shows_its_family(
    browser: Client, family: tuple[Generation, Generation], django_assert_max_num_queries: Any
) -> None:
    image, edit = family
    page = browser.get(f"/gallery/{edit.public_id}/").text
    assert f'/gallery/{image.public_id}/"' in page.partition("Made from")[2]
    assert f'data-before-button="{image.image_url("")}"' in page
    with django_assert_max_num_queries(24):
        parent = browser.get(f"/gallery/{image.public_id}/").text
    assert f'/gallery/{edit.public_id}/"' in parent.partition("Led to")[2]
    browser.post("/gallery/delete/", {"ids": image.public_id})
    orphan = browser.get(f"/gallery/{edit.public_id}/").text
    assert image.public_id not in orphan
    assert "1 picture that it was made from is not there any more" in orphan


def test_a_result_hangs_with_what_it_was_before(browser: Client, family: tuple[Generation, Generation]) -> None:
    image, _ = family
    before = f'data-before="{image.image_url("")}"'
    assert before in browser.get("/create/").text
    assert before in browser.get("/gallery/").text


def test_what_was_asked_for_is_asked_for_again_with_its_pictures(
    browser: Client, family: tuple[Generation, Generation]
) -> None:
    image, edit = family
    page = browser.get(f"/create/?from={edit.public_id}").text
    assert re.search(r'value="edit" checked', page)
    assert f'name="input" value="{image.public_id}"' in page
