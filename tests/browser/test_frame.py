"""What surrounds every page: themes, the way around on a phone, the keyboard."""

from playwright.sync_api import expect

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
