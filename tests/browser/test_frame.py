"""What surrounds every page: themes, the way around on a phone, the keyboard."""

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit


def test_a_chosen_theme_is_kept_over_pages(visit: Visit) -> None:
    page = visit().page
    page.goto("/")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != paper
    page.goto("/pricing/")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.get_by_role("button", name="Switch between light and dark").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == paper


def test_a_phone_has_tabs_at_the_bottom(visit: Visit) -> None:
    page = visit(signed_in=True, phone=True).page
    page.goto("/create/")
    page.get_by_role("navigation", name="Tabs").get_by_role("link", name="Gallery").click()
    expect(page).to_have_url("/gallery/")


def test_a_visitors_phone_finds_every_public_page_in_the_menu(visit: Visit) -> None:
    page = visit(phone=True).page
    page.goto("/")
    page.locator("summary", has_text="Menu").click()
    page.get_by_role("banner").get_by_role("link", name="Pricing").click()
    expect(page).to_have_url("/pricing/")


def test_the_first_tab_stop_skips_to_the_content(visit: Visit) -> None:
    page = visit().page
    page.goto("/pricing/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("path", ["/", "/pricing/", "/docs/", "/accounts/signup/"])
def test_a_type_face_that_comes_late_moves_nothing(visit: Visit, path: str, phone: bool) -> None:
    visitor = visit(fresh=True, phone=phone)
    visitor.watch.expect("inter.+preloaded using link preload but not used")  # so late is it
    page = visitor.page
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => list.getEntries().forEach((entry) => "
        "(window.shift += entry.value))).observe({ type: 'layout-shift', buffered: true });"
    )
    held: list[Route] = []
    page.route("**/*.woff2", lambda route: held.append(route))
    page.goto(path, wait_until="domcontentloaded")
    page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
    is_there = "[...document.fonts].some((one) => one.family === 'Inter' && one.status === 'loaded')"
    assert not page.evaluate(is_there)
    held.pop().continue_()
    page.wait_for_function(is_there)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))")
    assert page.evaluate("window.shift") < 0.02
