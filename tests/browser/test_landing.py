"""From a visitor's words on the landing page to the image of exactly these words, and reading without JavaScript."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, Visit

WORDS = 'A "red" fox & <b>snow</b> 🦊 with the words “שלום עולם” مرحبا. '
LONG = (WORDS + "Birches to the left, a frozen lake, first light. " * 80)[:3900].strip()


def sign_up(page: Page) -> None:
    page.fill("#id_email", f"person-{uuid4().hex[:10]}@example.com")
    page.fill("#id_password1", PASSWORD)
    page.get_by_role("button", name="Create account").click()


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_a_visitors_words_become_an_image_by_way_of_signing_up(visit: Visit, phone: bool) -> None:
    page = visit(phone=phone).page
    page.goto("/")
    page.get_by_label("What do you want to see?").fill(LONG)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("Your prompt is kept")).to_be_visible()
    sign_up(page)
    expect(page).to_have_url(re.compile(r"/create/#img_\w+$"))
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(LONG)
    expect(page.locator("[data-generation]")).to_have_count(1)
    expect(page.locator("[data-generation]")).to_be_in_viewport()
    image = page.locator("[data-generation] img").first
    expect(image).to_be_visible()
    expect(image).to_have_js_property("complete", True)


def test_a_picture_of_the_wall_is_taken_up_with_its_shape(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/")
    page.get_by_role("button", name="Mount Fuji").click()
    expect(page).to_have_url("/create/")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(
        "Mount Fuji at dawn behind cherry blossom, a pagoda by the lake"
    )
    expect(page.get_by_label("3:4")).to_be_checked()


def test_an_empty_box_is_not_sent(visit: Visit) -> None:
    page = visit().page
    page.goto("/")
    page.get_by_role("button", name="Generate").click()
    expect(page).to_have_url("/")
    expect(page.get_by_label("What do you want to see?")).to_be_focused()


def test_nothing_moves_while_the_landing_page_loads(visit: Visit) -> None:
    visitor = visit(fresh=True)
    visitor.page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => "
        "(window.shift += entry.value))).observe({ type: 'layout-shift', buffered: true });"
    )
    visitor.page.goto("/")
    for heading in ("What it is good at", "What people make with it", "One credit, one image"):
        visitor.page.get_by_role("heading", name=heading).scroll_into_view_if_needed()
    visitor.page.wait_for_load_state("networkidle")
    assert visitor.page.evaluate("window.shift") < 0.02
    loaded = visitor.page.evaluate(
        "[...document.images].filter((image) => image.complete && image.naturalWidth).length"
    )
    assert loaded >= 14


def test_the_first_load_is_small(visit: Visit) -> None:
    """At most 60 KB of HTML, CSS and JavaScript over the wire, and 250 KB of pictures for the whole page."""
    page = visit(fresh=True).page
    page.goto("/")
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_load_state("networkidle")
    sizes = page.evaluate(
        "performance.getEntries().filter((one) => one.transferSize).map((one) => [one.name, one.transferSize])"
    )
    pictures = sum(size for name, size in sizes if ".avif" in name or ".webp" in name)
    assert 0 < pictures < 250_000
    assert sum(size for _, size in sizes) - pictures < 60_000


def test_the_call_is_shown_in_three_languages_without_javascript(visit: Visit) -> None:
    page = visit(js=False).page
    page.goto("/")
    curl, python = page.get_by_label("The call, curl"), page.get_by_label("The call, Python")
    expect(curl).to_be_visible()
    expect(python).to_be_hidden()
    height = page.evaluate("document.documentElement.scrollHeight")
    page.get_by_role("radio", name="Python").check()
    expect(python).to_be_visible()
    expect(curl).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollHeight") == height


@pytest.mark.parametrize("path", ["/", "/pricing/", "/explore/"])
def test_a_public_page_is_read_without_javascript_at_every_width(visit: Visit, path: str) -> None:
    page = visit(js=False).page
    for width in (360, 768, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("contentinfo").get_by_role("link", name="Pricing")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_words_typed_without_javascript_reach_the_studio(visit: Visit) -> None:
    page = visit(js=False).page
    page.goto("/")
    page.get_by_label("What do you want to see?").fill("a fox")
    page.get_by_role("button", name="Generate").click()
    sign_up(page)
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a fox")
