"""Nothing jumps while a page loads: the sum of what Chromium counts as layout shifts, without those of an input."""

import time

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit

MOST = 0.02
COUNT = """
window.shift = 0; window.shifted = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) {
    if (one.hadRecentInput) continue;
    window.shift += one.value;
    window.shifted.push(...one.sources.map(({ node }) => `${node?.nodeName}.${node?.className}#${node?.id}`));
  }
}).observe({ type: "layout-shift", buffered: true });
"""


def later(route: Route) -> None:
    time.sleep(0.15)
    route.continue_()


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
@pytest.mark.parametrize(
    ("path", "signed_in"),
    [
        ("/accounts/login/", False),
        ("/accounts/signup/", False),
        ("/dashboard/api-keys/", True),
        ("/dashboard/billing/", True),
    ],
)
def test_nothing_jumps_while_a_page_loads(visit: Visit, path: str, signed_in: bool, phone: bool) -> None:
    visitor = visit(signed_in=signed_in, phone=phone, fresh=True)
    page, named = visitor.page, visitor.site.url.replace("127.0.0.1", "localhost")  # passkeys belong to a name
    page.add_init_script(COUNT)
    page.route("**/*.js", lambda route: later(route))  # the page is drawn before its scripts run, as on a slow network
    page.goto(path if signed_in else f"{named}{path}")
    page.wait_for_timeout(300)  # what the scripts do comes as they have run, and is counted with the next frame
    assert page.evaluate("window.shift") < MOST, page.evaluate("window.shifted")


# Enough of them that a change has been drawn, and what it moves counted.
DRAWN = (
    "new Promise((done) => (function next(left) { left ? requestAnimationFrame(() => next(left - 1)) : done() })(6))"
)
FACE = "[...document.fonts].filter((face) => face.family === 'Inter').map((face) => face.status)"


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
@pytest.mark.parametrize(
    ("path", "signed_in"),
    [
        ("/", False),
        ("/pricing/", False),
        ("/docs/", False),
        ("/accounts/login/", False),
        ("/create/", True),
        ("/dashboard/", True),
        ("/dashboard/billing/", True),
    ],
)
def test_nothing_jumps_when_the_type_face_comes_late(visit: Visit, path: str, signed_in: bool, phone: bool) -> None:
    page = visit(signed_in=signed_in, phone=phone, fresh=True).page
    page.add_init_script(COUNT)
    held: list[Route] = []
    page.route("**/*.woff2", lambda route: held.append(route))
    page.goto(path, wait_until="domcontentloaded")
    expect(page.locator("h1")).to_be_visible()
    page.evaluate(DRAWN)
    assert page.evaluate(FACE) == ["loading"]
    before = page.evaluate("window.shift")
    for route in held:
        route.continue_()
    page.evaluate("document.fonts.ready")
    page.evaluate(DRAWN)
    assert page.evaluate(FACE) == ["loaded"]
    assert page.evaluate("window.shift") - before < MOST, page.evaluate("window.shifted")


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_a_page_is_whole_without_the_type_face(visit: Visit, phone: bool) -> None:
    visitor = visit(phone=phone, fresh=True)
    visitor.watch.expect(r"\.woff2|404")
    page = visitor.page
    page.add_init_script(COUNT)
    page.route("**/*.woff2", lambda route: route.fulfill(status=404, body=""))
    page.goto("/")
    page.evaluate(DRAWN)
    assert page.evaluate(FACE) == ["error"]
    assert page.evaluate("window.shift") < MOST, page.evaluate("window.shifted")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
