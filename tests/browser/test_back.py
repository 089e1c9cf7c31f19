"""Back and Forward after a log-out: what a browser keeps of pages is shown to nobody else."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, expect

from tests.browser import chromium
from tests.browser.conftest import DESKTOP, PATIENCE, Crowd
from tests.browser.furnish import stock
from tests.installation import Stack

PAGES = ["/gallery/", "/create/", "/dashboard/", "/dashboard/api-keys/", "/account/", "/docs/"]


@pytest.fixture(scope="module")
def keeper(browser_type: BrowserType, browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """A browser that keeps pages whole: its back/forward cache, which Playwright switches off, is on."""
    if not (found := chromium.whole()):
        pytest.skip("only a whole Chromium keeps pages (Debian: apt install chromium)")
    options = {**browser_type_launch_args, "executable_path": found}
    browser = browser_type.launch(**options, ignore_default_args=["--disable-back-forward-cache"])
    yield browser
    browser.close()


@pytest.fixture
def context(keeper: Browser, site: Stack) -> Iterator[BrowserContext]:
    context = keeper.new_context(**DESKTOP, base_url=site.url)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


def enter(context: BrowserContext, site: Stack, crowd: Crowd) -> str:
    email, cookies = crowd.next()
    context.add_cookies([{"name": name, "value": value, "url": site.url} for name, value in cookies.items()])
    return email


def log_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("main").get_by_role("button", name="Log out").click()
    page.wait_for_url("/")


def go_back(page: Page, steps: int = 1) -> None:
    """Go back as people do. Playwright's own waits for a load, and a page that was kept whole has none."""
    page.evaluate(f"setTimeout(() => history.go({-steps}))")


def test_back_shows_the_page_as_it_was_while_the_session_goes_on(
    context: BrowserContext, site: Stack, crowd: Crowd
) -> None:
    email, page = enter(context, site, crowd), context.new_page()
    page.goto("/gallery/")
    page.evaluate("window.before = true")
    page.goto("/robots.txt")
    go_back(page)
    page.wait_for_url("/gallery/", wait_until="commit")
    expect(page.get_by_role("link", name="Gallery").first).to_be_visible()
    expect(page.get_by_text(email).first).to_be_attached()
    assert page.evaluate("window.before === true")  # it was kept whole, else the other tests would prove nothing


def test_back_after_a_log_out_shows_nothing_private(context: BrowserContext, site: Stack, crowd: Crowd) -> None:
    email, page = enter(context, site, crowd), context.new_page()
    for path in PAGES:
        page.goto(path)
        expect(page.get_by_text(email).first).to_be_attached()
    log_out(page)
    for steps, path in zip([2, *[1] * len(PAGES)], reversed(PAGES), strict=False):
        go_back(page, steps)
        page.wait_for_url(re.compile(re.escape(path)), wait_until="commit")
        expect(page.get_by_role("link", name="Log in").first).to_be_visible()
        expect(page.get_by_text(email)).to_have_count(0)


def test_back_after_a_log_out_in_another_tab(context: BrowserContext, site: Stack, crowd: Crowd) -> None:
    email, page = enter(context, site, crowd), context.new_page()
    page.goto("/gallery/")
    page.goto("/robots.txt")
    log_out(context.new_page())
    go_back(page)
    page.wait_for_url("/accounts/login/**")
    expect(page.get_by_text(email)).to_have_count(0)


def test_back_after_somebody_else_has_logged_in(context: BrowserContext, site: Stack, crowd: Crowd) -> None:
    alice, page = enter(context, site, crowd), context.new_page()
    page.goto("/gallery/")
    log_out(page)
    bob = enter(context, site, crowd)
    page.goto("/dashboard/")
    go_back(page, 3)
    page.wait_for_url("/gallery/", wait_until="commit")
    expect(page.get_by_text(bob).first).to_be_attached()
    expect(page.get_by_text(alice)).to_have_count(0)


def test_back_after_the_session_was_ended_from_elsewhere(context: BrowserContext, site: Stack, crowd: Crowd) -> None:
    email, page = enter(context, site, crowd), context.new_page()
    page.goto("/gallery/")
    page.goto("/robots.txt")
    people = "from accounts import sessions; from accounts.models import User"
    site.manage("shell", "-v", "0", "-c", f"{people}; sessions.end_others(User.objects.get(email={email!r}), '')")
    go_back(page)
    page.wait_for_url("/accounts/login/**")
    expect(page.get_by_text(email)).to_have_count(0)


def test_back_to_the_admin_after_a_log_out(context: BrowserContext, site: Stack, crowd: Crowd) -> None:
    email, page = enter(context, site, crowd), context.new_page()
    stock(site, "promote", email)
    page.goto("/admin/")
    expect(page.get_by_label("Find a person")).to_be_visible()
    log_out(page)
    go_back(page, 2)
    page.wait_for_url("/accounts/login/**")
    expect(page.get_by_text(email)).to_have_count(0)


def test_back_after_a_log_out_without_scripts(keeper: Browser, site: Stack, crowd: Crowd) -> None:
    context = keeper.new_context(**DESKTOP, base_url=site.url, java_script_enabled=False)
    email, page = enter(context, site, crowd), context.new_page()
    page.goto("/gallery/")
    log_out(page)
    page.go_back()
    page.go_back()
    page.wait_for_url("/accounts/login/**")
    expect(page.get_by_text(email)).to_have_count(0)
    context.close()
