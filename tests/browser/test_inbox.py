"""Where addresses have to be confirmed: signing up and choosing a new password, by the mails of the local inbox."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from playwright.sync_api import Browser, FrameLocator, Page, expect

from tests.browser.conftest import PASSWORD, PATIENCE, Watch
from tests.installation import Stack

WITHIN_SECONDS = 60
# Where the quickstart has what is pasted: after the heading of a step.
SAMPLES = {
    "Terminal": "[id='2-generate-an-image'] ~ .code-bash",
    "Generate": "[id='2-generate-an-image'] ~ .samples .sample-bash",
    "Save": "[id='3-save-it'] ~ .samples .sample-bash",
}

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def strict_site(start_stack: Callable[..., Stack]) -> Stack:
    """An installation whose people have to confirm their addresses."""
    return start_stack(EMAIL_VERIFICATION="mandatory", SANDBOX_SECONDS="0.6")


@pytest.fixture
def page(browser: Browser, strict_site: Stack) -> Iterator[Page]:
    """A stranger's browser in front of it; what goes wrong on a page fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, base_url=strict_site.url)
    context.set_default_timeout(PATIENCE)
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


def test_from_signing_up_to_an_image_in_ones_own_code_within_a_minute(page: Page, tmp_path: Path) -> None:
    """A stranger with a browser and a terminal: an account, a key, the quickstart's own words, and a file."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    began = time.monotonic()
    email = sign_up(page)
    open_mail(page, email, "Confirm your email address").get_by_role("link", name="Confirm my address").click()
    page.get_by_role("main").get_by_role("button", name=re.compile("confirm", re.IGNORECASE)).click()
    page.locator("#id_login").fill(email)
    page.locator("#id_password").fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in", exact=True).click()
    expect(page.locator("#balance")).to_have_attribute("data-balance", "3")
    page.goto("/dashboard/api-keys/")
    page.get_by_label("Name", exact=True).fill("My first key")
    page.get_by_role("button", name="Create key").click()
    key = page.locator("#secret").inner_text().strip()
    page.goto("/docs/quickstart/")
    commands = [copied(page, name) for name in ("Terminal", "Generate", "Save")]
    export, generate, save = (command.replace("YOUR_API_KEY", key) for command in commands)
    answer = in_a_shell(f"{export}\n{generate}", tmp_path)
    in_a_shell(save.replace("IMAGE_URL", json.loads(answer)["url"]), tmp_path)
    seconds = time.monotonic() - began
    with Image.open(tmp_path / "fox.png") as image:
        assert image.format == "PNG"
    print(f"\nFrom signing up to an image in one's own code: {seconds:.1f} s")
    assert seconds < WITHIN_SECONDS


def copied(page: Page, section: str) -> str:
    """Return what the Copy button of a section's first sample for a terminal copies."""
    sample = page.locator(SAMPLES[section]).first
    sample.locator("button").first.click()
    text: str = page.evaluate("navigator.clipboard.readText()")
    assert text.strip() == sample.locator("code").inner_text().strip()
    return text


def in_a_shell(command: str, folder: Path) -> str:
    """Run what somebody pastes into a terminal and return what it prints."""
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=120, check=True
    ).stdout


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
