"""Nothing jumps while a page loads: the sum of what Chromium counts as layout shifts, without those of an input."""

import time

import pytest
from playwright.sync_api import Route

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
