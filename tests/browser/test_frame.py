"""What surrounds every page: themes, the way around on a phone, the keyboard."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.furnish import stock
from tests.installation import Stack


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


HOUR = 3600 * 1000  # ms

FIELDS = """
    [...document.querySelectorAll("input:not([type=hidden], [type=checkbox], [type=radio]), textarea, select")]
      .map((field) => [field.name || field.id, parseFloat(getComputedStyle(field).fontSize)])
"""


def test_no_field_is_so_small_that_a_phone_zooms_into_it(visit: Visit) -> None:
    stranger, member = visit(phone=True), visit(signed_in=True, phone=True)
    found = 0
    for visitor, addresses in (
        (stranger, ["/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/docs/"]),
        (member, ["/create/", "/gallery/?q=x", "/dashboard/api-keys/", "/account/", "/accounts/password/change/"]),
    ):
        for address in addresses:
            visitor.page.goto(address)
            for name, size in visitor.page.evaluate(FIELDS):
                found += 1
                assert size >= 16, (address, name)
    assert found > 12


RING = """
    (tile) => {
      const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      const light = (colour) => {
        brush.fillStyle = colour;
        brush.fillRect(0, 0, 1, 1);
        const [red, green, blue] = [...brush.getImageData(0, 0, 1, 1).data].map((part) =>
          part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const { outlineWidth, outlineOffset, outlineColor } = getComputedStyle(tile);
      const lights = [light(outlineColor), light(getComputedStyle(document.body).backgroundColor)];
      return [outlineWidth, outlineOffset, (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05)];
    }
"""


def test_an_idea_to_start_from_shows_that_it_has_the_focus(visit: Visit) -> None:
    for dark in (False, True):
        page = visit(signed_in=True, dark=dark).page
        page.goto("/create/")
        first = page.locator("[data-idea]").first
        page.locator("[data-empty]").evaluate("(start) => start.querySelector('[data-idea]').focus()")
        page.keyboard.press("Tab")
        page.keyboard.press("Shift+Tab")
        expect(first).to_be_focused()
        width, offset, contrast = first.locator("xpath=..").evaluate(RING)
        assert (width, offset) == ("3px", "2px")
        assert contrast >= 3


def test_times_are_the_readers_own_and_stay_true(visit: Visit, site: Stack) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    [image] = stock(site, "pictures", visitor.email, ["a lighthouse"]).split()
    visitor.context.new_cdp_session(page).send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kathmandu"})
    page.clock.install()
    page.goto(f"/gallery/{image}/")
    asked = page.locator("time[data-moment=ago]").first
    expect(asked).to_contain_text("just now")
    at = datetime.fromisoformat(asked.get_attribute("datetime") or "")
    there = at.astimezone(ZoneInfo("Asia/Kathmandu"))
    expect(asked).to_have_attribute("title", f"{there.day} {there:%B %Y} at {there:%H:%M}")
    page.clock.fast_forward("12:30")
    expect(asked).to_contain_text("12 minutes ago")
    page.clock.fast_forward(72 * HOUR)
    expect(asked).to_contain_text("3 days ago")
    page.clock.fast_forward(240 * HOUR)
    expect(asked).to_contain_text(f"{there.day} {there:%B %Y}")


def test_staff_read_times_of_their_own_too(visit: Visit, site: Stack) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    stock(site, "pictures", visitor.email, ["a lighthouse"])
    stock(site, "promote", visitor.email)
    visitor.context.new_cdp_session(page).send("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kathmandu"})
    page.goto("/admin/generator/generation/")
    listed = page.locator("#result_list .field-created_at time").first
    expect(listed).to_contain_text(re.compile("^(just now|[1-9] minutes? ago)"))
    at = datetime.fromisoformat(listed.get_attribute("datetime") or "")
    there = at.astimezone(ZoneInfo("Asia/Kathmandu"))
    expect(listed).to_have_attribute("title", f"{there.day} {there:%B %Y} at {there:%H:%M}")
    page.locator("#result_list .field-id_shown a").first.click()
    expect(page.locator("time[data-moment=seconds]").first).to_have_text(
        f"{there.day} {there:%B %Y} at {there:%H:%M:%S}"
    )
    page.get_by_role("link", name=visitor.email).first.click()
    expect(page.locator("#images time").first).to_contain_text(re.compile("^(just now|[1-9] minutes? ago)"))
