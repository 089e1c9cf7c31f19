"""The admin's lists: columns fit what is in them at 1280 px, a phone can read them, and axe finds nothing serious."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests.browser.conftest import PHONE, Visit, Visitor
from tests.browser.furnish import Furnished
from tests.browser.pages import ADMIN_LISTS, LISTS, View
from tests.browser.test_accessibility import overflow, violations

pytestmark = pytest.mark.stack

TALL = 12 + 4 * 20  # four lines: what is higher was squeezed
PICTURED = {"admin-reports": 12 + 240}  # where the picture itself is to be judged
# What runs out of its cell, cells that are higher than so many pixels, and thumbnails that are no squares.
MISFITS = """(tall) => {
  const found = [];
  const frame = document.querySelector("#result_list").closest("[data-simplebar]");
  const scroller = frame.querySelector(".simplebar-content-wrapper") ?? frame;
  const beyond = scroller.scrollWidth - scroller.clientWidth;
  if (beyond > 0) found.push(`the table: ${beyond} px too wide`);
  for (const cell of document.querySelectorAll("#result_list tbody :is(td, th)")) {
    const name = cell.dataset.label;
    const out = cell.scrollWidth - cell.clientWidth;
    if (out > 1) found.push(`${name}: runs out by ${out} px`);
    if (cell.clientHeight > tall) found.push(`${name}: ${cell.clientHeight} px high`);
  }
  for (const picture of document.querySelectorAll("#result_list img")) {
    const { width, height } = picture.getBoundingClientRect();
    if (width < 40 || width !== height) found.push(`a thumbnail of ${width} × ${height}`);
  }
  return [...new Set(found)];
}"""


@pytest.fixture
def sam(visit: Visit, furnished: Furnished) -> Visitor:
    visitor = visit()
    visitor.enter(furnished.cookies["sam"])
    return visitor


@pytest.mark.parametrize("view", ADMIN_LISTS, ids=lambda view: view.name)
def test_columns_fit_and_nothing_serious_is_found(sam: Visitor, view: View) -> None:
    page = sam.page
    page.goto(view.path)
    misfits = page.evaluate(MISFITS, PICTURED.get(view.name, TALL))
    assert misfits == []
    assert overflow(page) <= 0, "the page is wider than the screen"
    page.evaluate(AXE_SCRIPT)
    found = [f"light: {one}" for one in violations(page)]
    page.emulate_media(color_scheme="dark")
    page.reload()  # unfold asks for the theme as the page loads
    assert "dark" in str(page.locator("html").get_attribute("class"))
    page.evaluate(AXE_SCRIPT)
    found += [f"dark: {one}" for one in violations(page, only=["color-contrast"])]
    page.set_viewport_size(PHONE["viewport"])  # type: ignore[arg-type]
    found += [f"phone: {one}" for one in violations(page)]
    assert overflow(page) <= 0, "the page is wider than the phone"
    assert found == []
    assert page.get_by_role("main").count() == page.get_by_role("heading", level=1).count() == 1


def test_every_list_is_looked_at(sam: Visitor) -> None:
    sam.page.goto("/admin/")
    addresses = sam.page.eval_on_selector_all("#nav-sidebar a", "(links) => links.map((link) => link.pathname)")
    listed = {address.removeprefix("/admin/").strip("/") for address in addresses if address.startswith("/admin/")}
    assert {model for model in listed if model.count("/") == 1} == set(LISTS)  # a report is no list


@pytest.mark.parametrize(
    ("name", "path", "selector", "whole"),
    [
        ("an email", "/admin/billing/payment/", ".rw-line", "{customer}"),
        ("a reference", "/admin/billing/dispute/", ".rw-line", "{customer}"),
        ("an id of Stripe's", "/admin/billing/order/", ".rw-id", "cs_live_"),
        ("an image's id", "/admin/generator/generation/", ".rw-id", "img_"),
    ],
)
def test_what_is_cut_is_whole_when_it_is_copied(sam: Visitor, name: str, path: str, selector: str, whole: str) -> None:
    page = sam.page
    page.goto(path)
    copied, title = page.locator(f"#result_list {selector}").first.evaluate(
        "(one) => { getSelection().selectAllChildren(one); return [getSelection().toString(), one.title]; }"
    )
    assert copied == title, name
    assert title.startswith(whole.format(customer="somebody.with."))
