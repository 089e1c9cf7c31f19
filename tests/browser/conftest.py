"""Real Chromium on a whole running installation; a page that logs an error, fails a request or breaks the CSP fails.

Nothing here uses the ORM: Playwright keeps an event loop in this thread, and the installation has its own database.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.chromium import launch_options
from tests.installation import Stack

PASSWORD = "correct horse battery"
expect.set_options(timeout=20_000)  # a page waits for workers, and the machine may be busy
DESKTOP = {"viewport": {"width": 1280, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, **launch_options()}


@pytest.fixture(scope="session")
def site(start_stack: Callable[..., Stack]) -> Stack:
    """One installation that the browser tests of a session share, each with people of its own."""
    return start_stack(SANDBOX_SECONDS="0.6", EXPLORE="1", RATE_LIMIT_PER_MINUTE="100")


@dataclass
class Watch:
    """What went wrong on the pages of one context. `expected` are patterns of what a test provokes."""

    problems: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("requestfailed", self._on_failed)
        page.on("response", self._on_response)

    def expect(self, pattern: str) -> None:
        self.expected.append(pattern)

    def unexpected(self) -> list[str]:
        return [one for one in self.problems if not any(re.search(pattern, one) for pattern in self.expected)]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):  # a CSP violation is an error of the console's
            self.problems.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _on_failed(self, request: Request) -> None:
        # Leaving a page ends its event stream and whatever else is on its way; that is no failure.
        if request.failure != "net::ERR_ABORTED":
            self.problems.append(f"failed: {request.url} {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400:
            self.problems.append(f"status {response.status}: {response.url}")


@dataclass
class Visitor:
    """Somebody with a browser of their own."""

    context: BrowserContext
    page: Page
    watch: Watch
    email: str = ""

    def api_key(self) -> str:
        """Create a key on the API Keys page and return its secret."""
        self.page.goto("/dashboard/api-keys/")
        self.page.fill("#id_name", f"key {uuid4().hex[:6]}")
        self.page.get_by_role("button", name="Create key").click()
        return self.page.locator("#secret").inner_text().strip()


Visit = Callable[..., Visitor]


@pytest.fixture
def visit(browser: Browser, site: Stack) -> Iterator[Visit]:
    """Open browsers: `visit()` for a stranger, `visit(signed_in=True, credits=20, phone=True, dark=True, js=False)`."""
    visitors: list[Visitor] = []

    def open_one(
        *, signed_in: bool = False, credits: int = 0, phone: bool = False, dark: bool = False, js: bool = True
    ) -> Visitor:
        context = browser.new_context(
            **(PHONE if phone else DESKTOP),
            base_url=site.url,
            color_scheme="dark" if dark else "light",
            java_script_enabled=js,
            accept_downloads=True,
        )
        context.set_default_timeout(15_000)
        watch = Watch()
        context.on("page", watch.follow)
        email = ""
        if signed_in:
            email = sign_up(site, context)
            if credits:
                site.manage("grant_credits", email, str(credits), "--reason", "test")
        visitor = Visitor(context, context.new_page(), watch, email)
        visitors.append(visitor)
        return visitor

    yield open_one
    problems = [problem for visitor in visitors for problem in visitor.watch.unexpected()]
    for visitor in visitors:
        visitor.context.close()
    assert problems == []


def until(act: Callable[[], None], seconds: float = 20) -> None:
    """Do `act` again until its expectations hold: a key or a click before the page's scripts are there does nothing."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (AssertionError, PlaywrightTimeout):
            if time.monotonic() > deadline:
                raise


def sign_up(site: Stack, context: BrowserContext) -> str:
    """Create an account over HTTP, log `context` in as it, and return its address."""
    email = f"person-{uuid4().hex[:10]}@example.com"
    with httpx.Client(base_url=site.url, follow_redirects=False) as client:
        page = client.get("/accounts/signup/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        assert token
        form = {"email": email, "password1": PASSWORD, "csrfmiddlewaretoken": token[1]}
        answer = client.post("/accounts/signup/", data=form)
        assert answer.status_code == 302, answer.text
        context.add_cookies([{"name": name, "value": value, "url": site.url} for name, value in client.cookies.items()])
    return email
