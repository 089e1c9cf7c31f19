"""Real Chromium on a whole running installation; a page that logs an error, fails a request or breaks the CSP fails.

Nothing here uses the ORM: Playwright keeps an event loop in this thread, and the installation has its own database.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.chromium import launch_options
from tests.browser.furnish import Furnished, furnish, stock
from tests.installation import Stack

PASSWORD = "correct horse battery"
PATIENCE = 90_000  # ms; a page waits for workers, and the machine may be busy
expect.set_options(timeout=PATIENCE)
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, **launch_options()}


@pytest.fixture(scope="session")
def site(start_stack: Callable[..., Stack]) -> Stack:
    """One installation that the browser tests of a session share, each with people of its own."""
    return start_stack(SANDBOX_SECONDS="0.6", EXPLORE="1", RATE_LIMIT_PER_MINUTE="100")


@pytest.fixture(scope="session")
def furnished(site: Stack) -> Furnished:
    return furnish(site, many=60, painted=False)


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
        # 2026-11-27: at times the driver's own script is what the sandboxed frame of a mail refuses to run.
        if message.text.startswith("Blocked script execution in") and "/inbox/" in message.text:
            return
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
    site: Stack
    email: str = ""

    def enter(self, cookies: dict[str, str]) -> None:
        """Be logged in from the next page on, by the cookies of somebody's session."""
        self.context.add_cookies(
            [{"name": name, "value": value, "url": self.site.url} for name, value in cookies.items()]
        )

    def api_key(self) -> str:
        """Return the secret of a new API key."""
        return self.site.manage("create_api_key", self.email)


Visit = Callable[..., Visitor]


class Crowd:
    """People of one installation who have signed up and wait for a test to be theirs; each is used once."""

    def __init__(self, site: Stack) -> None:
        self._site = site
        self._waiting: list[tuple[str, dict[str, str]]] = []
        self._batch = 4  # one test alone waits for few, and many tests for few batches

    def next(self) -> tuple[str, dict[str, str]]:
        """Return somebody's address and session cookies."""
        if not self._waiting:
            printed = stock(self._site, "crowd", self._batch, self._site.port)
            self._waiting = [(email, cookies) for email, cookies in map(json.loads, printed.splitlines())]
            self._batch = min(2 * self._batch, 32)
        return self._waiting.pop()


@pytest.fixture(scope="session")
def crowd(site: Stack) -> Crowd:
    return Crowd(site)


class Windows:
    """Browser contexts that tests use one after the other, so that scripts and styles are loaded and compiled once.

    Between two tests everything that could tell of the first one goes: pages, cookies, storage, permissions, routes; a
    context in which a clock was installed goes whole.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url
        self._idle: dict[tuple[bool, bool], list[BrowserContext]] = {}

    def open(self, *, phone: bool, js: bool, fresh: bool) -> BrowserContext:
        """Return a context that nobody else uses, one without a cache when it has to be `fresh`."""
        if not fresh and (idle := self._idle.get((phone, js))):
            return idle.pop()
        context = self._browser.new_context(
            **(PHONE if phone else DESKTOP), base_url=self._url, java_script_enabled=js, accept_downloads=True
        )
        context.set_default_timeout(PATIENCE)
        return context

    def give_back(self, context: BrowserContext, *, phone: bool, js: bool) -> None:
        first, *others = context.pages or [context.new_page()]
        for page in others:
            page.close()
        first.goto("about:blank")  # the page may be about to write something
        if js and "[native code]" not in first.evaluate("String(setTimeout)"):
            context.close()  # a clock that was installed cannot be taken out again, and stands still for the next one
            return
        devtools = context.new_cdp_session(first)
        devtools.send("Storage.clearDataForOrigin", {"origin": self._url, "storageTypes": "all"})
        devtools.detach()
        first.close()
        context.clear_cookies()
        context.clear_permissions()
        context.unroute_all()
        self._idle.setdefault((phone, js), []).append(context)


@pytest.fixture(scope="session")
def windows(browser: Browser, site: Stack) -> Windows:
    return Windows(browser, site.url)


@pytest.fixture
def visit(request: pytest.FixtureRequest, site: Stack, crowd: Crowd, windows: Windows) -> Iterator[Visit]:
    """Open browsers: `visit()` for a stranger, `visit(signed_in=True, credits=20, phone=True, dark=True, js=False)`.

    `fresh` is for those who have never been here: nothing is cached.
    """
    failed_before = request.session.testsfailed
    visitors: list[tuple[Visitor, Callable[[bool], None]]] = []

    def open_one(
        *,
        signed_in: bool = False,
        credits: int = 0,
        phone: bool = False,
        dark: bool = False,
        js: bool = True,
        fresh: bool = False,
    ) -> Visitor:
        context = windows.open(phone=phone, js=js, fresh=fresh)
        watch = Watch()
        context.on("page", watch.follow)

        def leave(passed: bool) -> None:
            context.remove_listener("page", watch.follow)
            if passed and not fresh:
                windows.give_back(context, phone=phone, js=js)
            else:
                context.close()

        visitor = Visitor(context, context.new_page(), watch, site)
        visitors.append((visitor, leave))
        if dark:
            visitor.page.emulate_media(color_scheme="dark")
        if signed_in:
            visitor.email, cookies = crowd.next()
            visitor.enter(cookies)
            if credits:
                site.manage("grant_credits", visitor.email, str(credits), "--reason", "test")
        return visitor

    yield open_one
    problems = [problem for visitor, _ in visitors for problem in visitor.watch.unexpected()]
    passed = not problems and request.session.testsfailed == failed_before
    for _, leave in visitors:
        leave(passed)
    assert problems == []


def until(act: Callable[[], None], seconds: float = PATIENCE / 1000) -> None:
    """Do `act` again until its expectations hold: a key or a click before the page's scripts are there does nothing."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (AssertionError, PlaywrightTimeout):
            if time.monotonic() > deadline:
                raise
