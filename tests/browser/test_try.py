"""The API reference as forms: somebody pastes a key and calls each endpoint, and finds the call in their log."""

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visit, Visitor
from tests.browser.test_accessibility import overflow, violations

SHOTS = os.environ.get("SHOTS", "")  # a folder, for somebody who wants to look


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=False)


def opened(page: Page, summary: str) -> Locator:
    """Open the form of an endpoint and return it."""
    page.goto("/docs/reference/")
    heading = page.get_by_role("heading", name=re.compile(f"^{summary}"), level=2)
    heading.locator("xpath=following-sibling::button[1]").click()
    form = page.get_by_role("form", name=f"Try {summary}")
    expect(form).to_be_visible()
    return form


def paste(form: Locator, visitor: Visitor) -> str:
    key = visitor.api_key()
    form.get_by_label("API key").fill(key)
    return key


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_a_reader_draws_an_image_and_finds_the_call(visit: Visit, phone: bool) -> None:
    reader = visit(signed_in=True, phone=phone)
    page = reader.page
    form = opened(page, "Generate an image")
    panel = form.locator("xpath=..")
    key = paste(form, reader)
    form.get_by_label("prompt", exact=False).first.fill("A “red” fox\nin fresh snow")
    expect(panel.locator(".sample-bash code")).to_contain_text("A “red” fox")
    expect(form.get_by_role("button", name="Send · costs 1 credit")).to_be_visible()
    shot(page, f"try-{'phone' if phone else 'desktop'}")
    form.get_by_role("button", name="Send").click()
    picture = panel.get_by_role("img", name="The image that was made")
    expect(picture).to_be_visible()
    expect(panel.locator(".try-status .badge")).to_have_text("200")
    expect(panel).to_contain_text("X-Credits-Remaining")
    assert key not in panel.inner_text()
    picture.scroll_into_view_if_needed()
    shot(page, f"try-answer-{'phone' if phone else 'desktop'}")
    page.emulate_media(color_scheme="dark")
    shot(page, f"try-answer-dark-{'phone' if phone else 'desktop'}")
    page.emulate_media(color_scheme="light")
    page.evaluate(AXE_SCRIPT)
    assert violations(page) == []
    assert overflow(page) <= 0
    link = panel.get_by_role("link", name=re.compile("^req_"))
    link.click()
    expect(page.get_by_role("heading", name="POST /v1/reve-image/generate")).to_be_visible()
    expect(page.get_by_role("link", name="Its receipt")).to_be_visible()
    shot(page, f"request-{'phone' if phone else 'desktop'}")
    page.evaluate(AXE_SCRIPT)
    assert violations(page) == []
    assert overflow(page) <= 0
    page.get_by_role("button", name="Run again for 1 credit").click()
    expect(page).to_have_url(re.compile(r"/gallery/img_|/create/#img_"))
    page.goto("/dashboard/requests/")
    shot(page, f"requests-{'phone' if phone else 'desktop'}")
    page.emulate_media(color_scheme="dark")
    shot(page, f"requests-dark-{'phone' if phone else 'desktop'}")


def test_an_asynchronous_call_is_followed_to_its_end(visit: Visit) -> None:
    reader = visit(signed_in=True)
    form = opened(reader.page, "Generate an image")
    panel = form.locator("xpath=..")
    paste(form, reader)
    form.get_by_text("More fields").click()
    form.get_by_label("async").check()
    expect(panel.locator(".sample-bash code")).to_contain_text('"async": true')
    form.get_by_role("button", name="Send").click()
    expect(panel.locator(".try-status .badge")).to_have_text("202")
    expect(panel.get_by_role("img", name="The image that was made")).to_be_visible()


def test_what_is_wrong_is_said_beside_its_field(visit: Visit) -> None:
    reader = visit(signed_in=True)
    reader.watch.expect("422")
    reader.watch.expect("401")
    form = opened(reader.page, "Generate an image")
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_label("API key")).to_be_focused()
    paste(form, reader)
    form.get_by_label("prompt", exact=False).first.fill("x" * 4001)
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_text("must have at most 4000 characters")).to_be_visible()
    form.get_by_label("prompt", exact=False).first.fill("a fox")
    form.get_by_label("API key").fill("rv_wrong")
    form.get_by_role("button", name="Send").click()
    expect(form.locator("xpath=..").locator(".try-status .badge")).to_have_text("401")


def test_the_key_stays_in_its_tab(visit: Visit) -> None:
    reader = visit(signed_in=True)
    form = opened(reader.page, "List models and prices")
    key = paste(form, reader)
    asked: list[str] = []
    reader.page.on("request", lambda request: asked.append(request.url))
    form.get_by_role("button", name="Send").click()
    expect(form.locator("xpath=..").locator(".try-status .badge")).to_have_text("200")
    assert not [url for url in asked if key in url]
    assert reader.page.evaluate("Object.values(localStorage).join() + document.cookie").find(key) == -1
    other = opened(reader.page, "Generate an image")
    expect(other.get_by_label("API key")).to_have_value(key)
    page = reader.context.new_page()
    assert opened(page, "Generate an image").get_by_label("API key").input_value() == ""
    page.close()


def test_every_endpoint_of_the_document_has_a_form(visit: Visit) -> None:
    page = visit().page
    page.goto("/docs/reference/")
    buttons = page.get_by_role("button", name="Try it")
    document = page.request.get("/v1/openapi.json").json()
    count = sum(len(methods) for methods in document["paths"].values())
    expect(buttons).to_have_count(count)
    for number in range(count):
        buttons.first.click()
        expect(page.locator(".try-form")).to_have_count(number + 1)
    page.evaluate(AXE_SCRIPT)
    assert violations(page) == []


def test_without_scripts_it_is_a_page_to_read(visit: Visit) -> None:
    page = visit(js=False).page
    page.goto("/docs/reference/")
    expect(page.get_by_role("heading", name=re.compile("^Generate an image"))).to_be_visible()
    expect(page.get_by_role("button", name="Try it")).to_have_count(0)
