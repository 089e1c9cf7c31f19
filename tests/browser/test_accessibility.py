"""axe finds nothing serious on any page, in both themes and on a phone."""

from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.browser.conftest import Visit
from tests.browser.furnish import Furnished
from tests.browser.pages import ADMIN_LISTS, ALL, View

SERIOUS = ("serious", "critical")
# Runs the rules, all of them or only those named, and brings back no more of what they find than is told. What fades
# or slides is taken to its end first: halfway there, colours are none that a theme has.
RUN = """async (only) => {
  for (const one of document.getAnimations())
    if (Number.isFinite(one.effect.getComputedTiming().endTime)) one.finish();
  const rules = only ? { runOnly: { type: "rule", values: only } } : {};
  const { violations } = await axe.run({ resultTypes: ["violations"], preload: false, ...rules });
  const elements = (nodes) => nodes.slice(0, 3).map((node) => node.html.slice(0, 120));
  return violations.map(({ id, impact, nodes }) => [id, impact, elements(nodes)]);
}"""


# The admin's lists are looked at in test_admin_lists.py.
@pytest.mark.parametrize("view", [view for view in ALL if view not in ADMIN_LISTS], ids=lambda view: view.name)
def test_nothing_serious_in_either_theme_or_on_a_phone(visit: Visit, furnished: Furnished, view: View) -> None:
    page = _open(visit, furnished, view)
    found = [f"light: {one}" for one in violations(page)]
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {one}" for one in violations(page, only=["color-contrast"])]  # a theme is colours alone
    phone = _open(visit, furnished, view, phone=True)
    found += [f"phone: {one}" for one in violations(phone)]
    assert overflow(phone) <= 0, "the page is wider than the phone"
    phone.set_viewport_size({"width": 360, "height": 740})
    assert overflow(phone) <= 0, "the page is wider than 360 px"
    assert found == []


def _open(visit: Visit, furnished: Furnished, view: View, **options: Any) -> Page:
    """Open a page as whom it is meant for, and load axe into it."""
    visitor = visit(**options)
    visitor.enter(furnished.cookies.get(view.who, {}))
    if view.status != 200:
        visitor.watch.expect(str(view.status))
    page = visitor.page
    answer = page.goto(furnished.path(view.path))
    assert answer
    assert answer.status == view.status, page.url
    assert "/login/" not in page.url or "login" in view.path
    page.evaluate(AXE_SCRIPT)
    return page


def violations(page: Page, only: list[str] | None = None) -> list[str]:
    """Return each serious finding of all rules, or of `only` some, with the elements it is about."""
    return [f"{id}: {elements}" for id, impact, elements in page.evaluate(RUN, only) if impact in SERIOUS]


def overflow(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width
