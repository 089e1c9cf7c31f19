"""axe finds nothing serious on any page, in both themes and on a phone."""

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.furnish import Furnished, furnish
from tests.browser.pages import ALL, View
from tests.stack.conftest import Stack

SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def furnished(site: Stack) -> Furnished:
    return furnish(site, many=60)


@pytest.fixture(scope="module")
def axe() -> Axe:
    return Axe()


@pytest.fixture
def page_of(browser: Browser, site: Stack, furnished: Furnished) -> Iterator[Any]:
    contexts = []

    def open_page(view: View, options: dict[str, Any]) -> Page:
        context = browser.new_context(**options, base_url=site.url)
        contexts.append(context)
        cookies = furnished.cookies.get(view.who, {})
        context.add_cookies([{"name": name, "value": value, "url": site.url} for name, value in cookies.items()])
        page = context.new_page()
        answer = page.goto(furnished.path(view.path))
        assert answer
        assert answer.status == view.status, page.url
        assert "/login/" not in page.url or "login" in view.path
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("view", ALL, ids=lambda view: view.name)
def test_nothing_serious_in_either_theme_or_on_a_phone(page_of: Any, axe: Axe, view: View) -> None:
    page = page_of(view, DESKTOP)
    found = [f"light: {one}" for one in _violations(axe, page)]
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {one}" for one in _violations(axe, page, only=["color-contrast"])]  # a theme is colours alone
    phone = page_of(view, PHONE)
    found += [f"phone: {one}" for one in _violations(axe, phone)]
    assert _overflow(phone) <= 0, "the page is wider than the phone"
    phone.set_viewport_size({"width": 360, "height": 740})
    assert _overflow(phone) <= 0, "the page is wider than 360 px"
    assert found == []


def _violations(axe: Axe, page: Page, only: list[str] | None = None) -> list[str]:
    """Return each serious finding of all rules, or of `only` some, with the elements it is about."""
    page.wait_for_timeout(200)  # colours take 160 ms to change
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if only:
        options["runOnly"] = {"type": "rule", "values": only}
    answer = axe.run(page, options=options).response
    return [
        f"{finding['id']}: {[node['html'][:120] for node in finding['nodes'][:3]]}"
        for finding in answer["violations"]
        if finding["impact"] in SERIOUS
    ]


def _overflow(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width
