"""An image's page in a browser: heart, download, public link, delete and undo, the keyboard, a phone."""

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, Visitor
from tests.browser.furnish import stock


def hang(visitor: Visitor, *prompts: str) -> list[str]:
    """Put images into the visitor's gallery, one after the other, and return their ids."""
    return stock(visitor.site, "pictures", visitor.email, list(prompts), "3:2").split()


def open_image(page: Page, id: str) -> None:
    page.goto(f"/gallery/{id}/")
    image = page.locator(".picture img")
    expect(image).to_be_visible()
    page.wait_for_function("() => document.querySelector('.picture img').complete")
    assert image.evaluate("image => image.naturalWidth") > 0


def test_the_heart_is_kept_and_the_keyboard_stays_on_it(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    (id,) = hang(visitor, "a red fox")
    open_image(page, id)
    heart = page.get_by_role("button", name="Favourite")
    heart.focus()
    page.keyboard.press("Enter")
    expect(heart).to_have_attribute("aria-pressed", "true")
    expect(heart).to_be_focused()
    page.reload()
    expect(heart).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("f")
    expect(heart).to_have_attribute("aria-pressed", "false")


def test_without_scripts_the_heart_and_the_link_work_too(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    (id,) = hang(visitor, "a red fox")
    plain = visit(js=False)
    plain.enter({cookie["name"]: cookie["value"] for cookie in visitor.context.cookies()})
    page = plain.page
    page.goto(f"/gallery/{id}/")
    page.get_by_role("button", name="Favourite").click()
    expect(page.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Share by public link").click()
    expect(page.get_by_text("Anybody with the link can see this")).to_be_visible()


def test_a_stranger_sees_a_shared_image_until_its_owner_ends_it(visit: Visit) -> None:
    owner, stranger = visit(signed_in=True), visit(dark=True)
    (id,) = hang(owner, "a red fox in snow")
    page = owner.page
    open_image(page, id)
    page.get_by_role("button", name="Share by public link").click()
    expect(page.get_by_text("Anybody with the link can see this")).to_be_visible()
    expect(page.get_by_role("button", name="Copy link").first).to_be_visible()
    page.get_by_role("switch", name="Show it on Explore").click()
    expect(page.get_by_role("switch", name="Show it on Explore")).to_be_checked()
    link = page.locator("#share-link").inner_text()

    stranger.page.goto(link)
    expect(stranger.page.get_by_text("a red fox in snow").last).to_be_visible()
    stranger.page.wait_for_function("() => document.querySelector('.picture img').naturalWidth > 0")
    with stranger.page.expect_download() as download:
        stranger.page.get_by_role("link", name="Download").click()
    with Image.open(download.value.path()) as file:
        assert file.format == "PNG"
    stranger.page.get_by_role("link", name="Make your own").click()
    expect(stranger.page).to_have_url(re.compile("/(create|accounts/login)/"))

    page.get_by_role("button", name="Stop sharing").click()
    expect(page.get_by_text("Only you can see this page")).to_be_visible()
    stranger.watch.expect("404")
    answer = stranger.page.goto(link)
    assert answer
    assert answer.status == 404


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WebP"])
def test_an_image_is_saved_in_the_format_one_wants(visit: Visit, format: str) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    (id,) = hang(visitor, "A red fox, in snow")
    open_image(page, id)
    page.locator("summary", has_text="Other formats").click()
    with page.expect_download() as download:
        page.locator(".menu-panel").get_by_role("link", name=re.compile(f"^{format}")).click()
    assert download.value.suggested_filename.startswith(f"a-red-fox-in-snow-{id[:8]}.")
    with open(download.value.path(), "rb") as file, Image.open(io.BytesIO(file.read())) as image:
        image.load()
        assert image.format == format.upper()
        assert image.width > image.height


def test_what_is_deleted_can_be_taken_back(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    (id,) = hang(visitor, "a red fox")
    open_image(page, id)
    page.keyboard.press("Delete")
    dialog = page.get_by_role("dialog", name="Delete this image?")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()
    page.keyboard.press("Delete")
    dialog.get_by_role("button", name="Delete").click()
    expect(page).to_have_url("/gallery/")
    expect(page.get_by_text("Image deleted.")).to_be_visible()
    expect(page.locator(f'[href="/gallery/{id}/"]')).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("The image is back.")).to_be_visible()
    open_image(page, id)


def test_the_keys_lead_from_image_to_image_and_back(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    older, newer = hang(visitor, "an older fox", "a newer fox")
    open_image(page, newer)
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(f"/gallery/{older}/")
    page.keyboard.press("ArrowRight")  # there is none
    with page.expect_download() as download:
        page.keyboard.press("d")
    assert download.value.suggested_filename.endswith(".png")
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(f"/gallery/{newer}/")
    page.locator("summary", has_text="Other formats").click()
    page.keyboard.press("Escape")
    expect(page.locator(".menu-panel a").first).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/gallery/(\?at=img_\w+)?(#img_\w+)?$"))


def test_on_a_phone_the_words_lie_under_the_image(visit: Visit) -> None:
    visitor = visit(signed_in=True, phone=True)
    page = visitor.page
    (id,) = hang(visitor, "supercalifragilistic" * 12)
    open_image(page, id)
    picture = page.locator(".picture").bounding_box()
    words = page.locator("#prompt-words").bounding_box()
    assert picture
    assert words
    assert picture["width"] == 390
    assert words["y"] > picture["y"] + picture["height"]
    assert page.evaluate("document.documentElement.scrollWidth") == 390
