"""Where addresses have to be confirmed: signing up and choosing a new password, by the mails of the local inbox."""

import re
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser.conftest import PASSWORD, Watch
from tests.installation import Stack

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def strict_site(start_stack: Callable[..., Stack]) -> Stack:
    """An installation whose people have to confirm their addresses."""
    return start_stack(EMAIL_VERIFICATION="mandatory", SANDBOX_SECONDS="0.6")


@pytest.fixture
def page(browser: Browser, strict_site: Stack) -> Iterator[Page]:
    """A stranger's browser in front of it; what goes wrong on a page fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, base_url=strict_site.url)
    context.set_default_timeout(15_000)
    watch = Watch()
    context.on("page", watch.follow)
    yield context.new_page()
    context.close()
    assert watch.unexpected() == []


def open_mail(page: Page, email: str, subject: str) -> FrameLocator:
    """Wait in the inbox, which refreshes itself, for a mail, and open it."""
    page.goto("/inbox/")
    page.locator(".mail-row", has_text=email).filter(has_text=subject).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(subject)
    return page.frame_locator("iframe")


def sign_up(page: Page) -> str:
    email = f"new-{uuid4().hex[:8]}@example.com"
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill(email)
    page.locator("#id_password1").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name=re.compile("Sign up|Create account")).click()
    return email


def test_a_stranger_signs_up_confirms_and_is_welcomed(page: Page) -> None:
    email = sign_up(page)
    page.get_by_role("complementary").get_by_role("link", name="local inbox").click()  # in the sandbox's banner
    mail = open_mail(page, email, "Confirm your email address")
    mail.get_by_role("link", name="Confirm my address").click()
    page.get_by_role("main").get_by_role("button", name=re.compile("confirm", re.IGNORECASE)).click()
    welcome = open_mail(page, email, "Welcome to reveweb")
    expect(welcome.locator("body")).to_contain_text("3 free credits are in your account")
    page.get_by_role("link", name="Plain text").click()
    expect(page.locator("pre")).to_contain_text("3 free credits are in your account")


def test_somebody_chooses_a_new_password_by_mail(page: Page, strict_site: Stack) -> None:
    email = sign_up(page)
    open_mail(page, email, "Confirm your email address").get_by_role("link", name="Confirm my address").click()
    page.get_by_role("main").get_by_role("button", name=re.compile("confirm", re.IGNORECASE)).click()
    page.context.clear_cookies()

    page.goto("/accounts/password/reset/")
    page.get_by_label("Email").fill(email)
    page.get_by_role("main").get_by_role("button").click()
    open_mail(page, email, "Choose a new password").get_by_role("link", name="Choose a new password").click()
    for field in page.locator("main input[type=password]").all():
        field.fill("another good horse")
    page.get_by_role("main").get_by_role("button").last.click()
    notice = open_mail(page, email, "Your password was changed")
    expect(notice.locator("body")).to_contain_text("If it wasn’t you")

    page.context.clear_cookies()
    page.goto("/accounts/login/?next=/dashboard/api-keys/")
    page.locator("#id_login").fill(email)
    page.locator("#id_password").fill("another good horse")
    page.get_by_role("main").get_by_role("button", name="Log in", exact=True).click()
    expect(page.locator("#balance")).to_have_attribute("data-balance", "3")


def test_an_open_inbox_shows_what_arrives(page: Page) -> None:
    waiting = page.context.new_page()
    waiting.goto("/inbox/")
    email = sign_up(page)
    waiting.bring_to_front()
    expect(waiting.locator(".mail-row", has_text=email)).to_have_count(1)
