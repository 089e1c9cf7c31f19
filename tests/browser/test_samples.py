"""What test keys made, in a browser: found under Source, marked, looked at large, deleted; the studio shows none."""

import os

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, Visitor
from tests.installation import Stack

SHOTS = os.environ.get("SAMPLE_SHOTS", "")  # a folder for pictures of these pages, where somebody wants them


def drawn(site: Stack, visitor: Visitor) -> None:
    """Have two samples drawn for a test key of the visitor's, and one image for a live one."""
    for prompt, options in (("a fox", ["--test"]), ("a lighthouse at dusk", ["--test"]), ("a paid picture", [])):
        secret = site.manage("create_api_key", visitor.email, *options)
        head = {"Authorization": f"Bearer {secret}"}
        body = {"prompt": prompt, "aspect_ratio": "3:2"}
        answer = httpx.post(f"{site.url}/v1/reve-image/generate", json=body, headers=head, timeout=60)
        assert answer.status_code == 200, answer.text


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)])
def test_the_gallery_shows_what_test_keys_made_to_who_asks(visit: Visit, site: Stack, phone: bool, dark: bool) -> None:
    visitor = visit(signed_in=True, phone=phone, dark=dark)
    drawn(site, visitor)
    page, kind = visitor.page, f"{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}"
    page.goto("/gallery/")
    tiles = page.locator("[data-tile]:visible")
    expect(tiles).to_have_count(1)
    page.locator("summary", has_text="Source").click()
    shot(page, f"source-{kind}")
    page.locator(".filter-source", has_text="Test keys").click()
    expect(tiles).to_have_count(2)
    expect(page.locator(".tile-test")).to_have_count(2)
    shot(page, f"gallery-{kind}")
    page.keyboard.press("Escape")  # on a phone the panel lies over the first tile
    tiles.first.locator(".tile-link").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_title("Delete (Del)")).to_be_visible()
    expect(dialog.get_by_title("Favourite (F)")).to_be_hidden()
    expect(dialog.get_by_title("Edit this image")).to_be_hidden()
    shot(page, f"lightbox-{kind}")
    page.keyboard.press("f")
    page.keyboard.press("Delete")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.wait_for_url("**/gallery/?source=tests")  # it has gone back, which would end a visit elsewhere
    expect(tiles).to_have_count(1)
    page.goto(tiles.first.locator(".tile-link").get_attribute("href") or "")
    expect(page.get_by_text("Nothing charged")).to_be_visible()
    expect(page.get_by_role("button", name="Favourite")).to_have_count(0)
    shot(page, f"image-{kind}")
    page.goto("/create/")
    expect(page.get_by_text("a lighthouse at dusk")).to_have_count(0)


def test_the_docs_have_the_words(visit: Visit) -> None:
    page = visit().page
    page.goto("/docs/test-keys/")
    expect(page.get_by_role("cell", name="[test:refuse]", exact=True)).to_be_visible()
    shot(page, "docs")
