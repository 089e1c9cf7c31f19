"""The gallery in a browser: found, walked, selected, packed, thrown away and looked at."""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserType, Locator, Page, Route, expect

from tests.browser.chromium import launch_options, whole
from tests.browser.conftest import PATIENCE, Crowd, Visit, Visitor, until
from tests.browser.furnish import stock
from tests.installation import Stack

SHIFTS = """
    window.shift = 0;
    window.moved = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (entry.hadRecentInput) continue;
            window.shift += entry.value;
            for (const { node, previousRect, currentRect } of entry.sources)
                window.moved.push([node?.className || node?.nodeName, previousRect.toJSON(), currentRect.toJSON()]);
        }
    }).observe({ type: "layout-shift", buffered: true });
"""

# What follows a change of the window's width takes place in the frame after it.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"

Owner = Callable[..., Visitor]


@pytest.fixture
def owner(visit: Visit, site: Stack) -> Owner:
    """Somebody whose gallery has images with these prompts, the last one the newest; they are looking at it."""

    def open_gallery(prompts: list[str], **options: Any) -> Visitor:
        visitor = visit(signed_in=True, **options)
        stock(site, "pictures", visitor.email, prompts)
        visitor.page.add_init_script(SHIFTS)
        visitor.page.goto("/gallery/")
        return visitor

    return open_gallery


def numbered(count: int) -> list[str]:
    return [f"picture {number}" for number in range(count)]


def tile(page: Page, prompt: str) -> Locator:
    return page.locator("[data-tile]").filter(has=page.get_by_role("img", name=prompt, exact=True))


def link(page: Page, prompt: str) -> Locator:
    return tile(page, prompt).locator(".tile-link")


def shown(page: Page) -> list[str]:
    """The prompts of the tiles that can be seen, in their order."""
    images: list[str] = page.locator("[data-tile]:visible img").evaluate_all("all => all.map(one => one.alt)")
    return images


def shows(page: Page, *prompts: str) -> None:
    """Wait until these tiles can be seen in this order, and no others."""
    images = page.locator("[data-tile]:visible img")
    expect(images).to_have_count(len(prompts))
    for number, prompt in enumerate(prompts):
        expect(images.nth(number)).to_have_attribute("alt", prompt)


def rows(page: Page) -> Iterator[list[dict[str, float]]]:
    """The tiles' boxes, row by row."""
    boxes = page.locator("[data-tile]:visible").evaluate_all(
        "all => all.map(one => { const { left, right, top, height } = one.getBoundingClientRect();"
        " return { left, right, top, height } })"
    )
    row: list[dict[str, float]] = []
    for box in boxes:
        if row and abs(box["top"] - row[0]["top"]) > 1:
            yield row
            row = []
        row.append(box)
    yield row


def test_typing_finds_and_filters_add_up_in_the_address(owner: Owner) -> None:
    page = owner(["a barn", "a red fox", "a red kite", "a blue fox"]).page
    search = page.get_by_role("searchbox")
    page.keyboard.press("/")
    expect(search).to_be_focused()
    search.press_sequentially("fox")
    expect(page.locator("[data-tile]")).to_have_count(2)
    expect(page).to_have_url(re.compile(r"/gallery/\?q=fox$"))
    expect(search).to_be_focused()
    page.locator("summary", has_text="Shape").click()
    page.locator(".shape", has_text="16:9").click()
    expect(page.locator("[data-tile]")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=fox&ratio=16%3A9$"))
    page.reload()
    shows(page, "a red fox")
    page.get_by_role("link", name=re.compile("16:9.*remove this filter")).click()
    expect(page.locator("[data-tile]")).to_have_count(2)
    page.go_back()
    expect(page.locator("[data-tile]")).to_have_count(1)
    search.fill("no such thing")
    expect(page.get_by_text("No image is all of this")).to_be_visible()
    page.get_by_role("link", name="Show all images").click()
    expect(page.locator("[data-tile]")).to_have_count(4)
    expect(search).to_have_value("")


def test_a_wall_is_walked_by_keyboard(owner: Owner) -> None:
    page = owner(numbered(20)).page
    link(page, "picture 19").focus()
    page.keyboard.press("ArrowRight")
    expect(link(page, "picture 18")).to_be_focused()

    def is_in_row(number: int) -> None:
        focused = page.locator("[data-tile]:focus-within").bounding_box()
        assert focused
        assert abs(focused["y"] - list(rows(page))[number][0]["top"]) < 1

    page.keyboard.press("ArrowDown")
    until(lambda: is_in_row(1))
    page.keyboard.press("ArrowUp")
    until(lambda: is_in_row(0))
    page.keyboard.press("Home")
    expect(link(page, "picture 19")).to_be_focused()
    with page.expect_response("**/gallery/favourites/"):  # after the deletion it would name an image that is gone
        page.keyboard.press("f")
    heart = tile(page, "picture 19").get_by_role("button", name="Favourite")
    expect(heart).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Delete")
    expect(link(page, "picture 18")).to_be_focused()
    expect(page.get_by_text("Image deleted.")).to_be_visible()
    page.keyboard.press("Control+z")
    expect(link(page, "picture 19")).to_be_focused()
    page.reload()
    expect(heart).to_have_attribute("aria-pressed", "true")


def test_many_are_selected_and_come_as_a_zip(owner: Owner) -> None:
    page = owner(numbered(12)).page
    page.get_by_role("button", name="Select", exact=True).click()
    link(page, "picture 10").click()
    link(page, "picture 6").click(modifiers=["Shift"])
    expect(page.get_by_text("5 selected")).to_be_visible()
    link(page, "picture 8").click()
    link(page, "picture 0").focus()
    page.keyboard.press(" ")
    expect(page.get_by_text("5 selected")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert re.fullmatch(r"\w+-5-images-\d{4}-\d\d-\d\d\.zip", download.value.suggested_filename)
    with zipfile.ZipFile(download.value.path()) as file:
        assert file.testzip() is None
        manifest = list(csv.DictReader(io.StringIO(file.read("prompts.csv").decode("utf-8-sig"))))
        assert [row["prompt"] for row in manifest] == [f"picture {number}" for number in (10, 9, 7, 6, 0)]
        assert all(file.read(row["file"]).startswith(b"\x89PNG") for row in manifest)
    page.keyboard.press("Control+a")
    expect(page.get_by_text("12 selected")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("12 selected")).to_be_hidden()


def test_many_are_thrown_away_and_taken_back(owner: Owner) -> None:
    page = owner(numbered(6)).page
    for prompt in ("picture 5", "picture 2"):
        tile(page, prompt).hover()
        tile(page, prompt).get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("status").get_by_text("2 images deleted.")).to_be_visible()
    shows(page, "picture 4", "picture 3", "picture 1", "picture 0")
    expect(page.get_by_role("button", name="Undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 images are back.")).to_be_visible()
    shows(page, *reversed(numbered(6)))
    page.reload()
    shows(page, *reversed(numbered(6)))


def test_many_become_favourites_by_key_and_by_button(owner: Owner) -> None:
    page = owner(numbered(6)).page
    hearts = page.locator("[data-favourite][aria-pressed=true]")
    page.get_by_role("button", name="Select", exact=True).click()
    for prompt in ("picture 5", "picture 3", "picture 2"):
        link(page, prompt).click()
    page.keyboard.press("f")
    expect(page.get_by_role("status").get_by_text("Added 3 images to favourites.")).to_be_visible()
    expect(hearts).to_have_count(3)
    link(page, "picture 2").click()
    link(page, "picture 0").click()
    page.locator("[data-selection]").get_by_role("button", name="Favourite", exact=True).click()
    expect(hearts).to_have_count(4)
    link(page, "picture 0").click()
    page.locator("[data-selection]").get_by_role("button", name="Unfavourite").click()
    expect(page.get_by_text("Removed 2 images from favourites.")).to_be_visible()
    page.goto("/gallery/?favourites=1")
    shows(page, "picture 2", "picture 0")


def test_the_images_beside_one_are_those_of_the_filtered_gallery(owner: Owner) -> None:
    page = owner(["a red fox", "a barn", "a red kite", "a blue hen", "a red hen"]).page
    page.get_by_role("searchbox").fill("red")
    expect(page.locator("[data-tile]")).to_have_count(3)
    link(page, "a red hen").click()
    page.get_by_role("dialog").get_by_role("link", name="Details").click()
    for prompt in ("a red hen", "a red kite", "a red fox"):
        expect(page.get_by_role("heading", name=prompt)).to_be_attached()
        page.wait_for_load_state()
        page.keyboard.press("ArrowRight")  # beside the last one there is none
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/gallery/\?q=red&at=img_\w+#img_\w+$"))
    shows(page, "a red hen", "a red kite", "a red fox")


def test_what_is_typed_before_htmx_has_come_is_found_all_the_same(owner: Owner) -> None:
    page = owner(["a barn", "a red fox"], fresh=True).page  # one that has htmx already would not ask for it
    held: list[Route] = []
    page.route("**/htmx*.js", lambda route: held.append(route))
    page.reload()
    page.get_by_role("searchbox").fill("fox")
    while not held:  # the test's own time limit ends it
        page.wait_for_timeout(20)
    expect(page.locator("[data-tile]")).to_have_count(2)
    held[0].continue_()
    expect(page.locator("[data-tile]")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/gallery/\?q=fox$"))


def test_a_first_look_is_light(owner: Owner) -> None:
    """At most 52 KB of HTML, CSS and JavaScript over the wire; whoever comes here has the type face already."""
    prompts = [f"picture {number}, in words of its own: {number * 7919}" for number in range(40)]
    page = owner(prompts, fresh=True).page
    sizes = page.evaluate("performance.getEntries().map((one) => [one.name, one.transferSize ?? 0])")
    light = [size for name, size in sizes if not re.search("/images/|/events/|/fonts/", name)]
    assert len(light) > 10
    assert 20_000 < sum(light) < 52_000


def test_one_is_looked_at_large_and_the_next_ones(owner: Owner) -> None:
    page = owner(numbered(60)).page
    box = page.get_by_role("dialog")
    link(page, "picture 59").click()
    expect(box.get_by_role("img", name="picture 59")).to_be_visible()
    expect(box.get_by_role("button", name="Newer image")).to_be_disabled()
    page.keyboard.press("ArrowRight")
    expect(box.get_by_text("picture 58", exact=True)).to_be_visible()
    with page.expect_response(
        "**/gallery/favourites/"
    ):  # else it may come after the deletion, to an image that is gone
        page.keyboard.press("f")
    expect(box.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Delete")
    expect(box.get_by_text("picture 57", exact=True)).to_be_visible()
    expect(box.get_by_text("Image deleted.")).to_be_visible()
    for number in range(56, -1, -1):  # over the end of the first page
        page.keyboard.press("ArrowRight")
        expect(box.get_by_text(f"picture {number}", exact=True)).to_be_visible()
    expect(box.get_by_role("button", name="Older image")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(link(page, "picture 0")).to_be_focused()
    expect(link(page, "picture 0")).to_be_in_viewport()
    link(page, "picture 3").click()
    expect(box).to_be_visible()
    page.go_back()
    expect(box).to_be_hidden()
    expect(page).to_have_url(re.compile("/gallery/$"))
    assert page.evaluate("window.shift") < 0.02, page.evaluate("window.moved")


def test_older_images_come_without_a_jump_however_fast_one_scrolls(owner: Owner) -> None:
    page = owner(numbered(230)).page
    scroll_to_the_end(page, "picture 0")
    assert len(shown(page)) == 230
    assert page.evaluate("window.shift") < 0.02, page.evaluate("window.moved")
    expect(page.get_by_role("contentinfo")).to_be_visible()


def scroll_to_the_end(page: Page, last: str) -> None:
    """Jump to the bottom with each frame that is drawn, until the oldest image is there."""
    page.wait_for_function(
        """(last) => {
          scrollTo(0, document.documentElement.scrollHeight);
          return document.querySelector(`[data-tile] img[alt="${last}"]`);
        }""",
        arg=last,
    )
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(link(page, last)).to_be_in_viewport()


@pytest.mark.parametrize("js", [True, False])
def test_rows_are_flush_on_both_sides_at_any_width(owner: Owner, js: bool) -> None:
    page = owner(numbered(60), js=js).page
    for width in (320, 390, 720, 1024, 1440, 2200):
        page.set_viewport_size({"width": width, "height": 900})
        if js:
            page.evaluate(DRAWN)
        *full, last = rows(page)
        left, right = full[0][0]["left"], full[0][-1]["right"]
        for row in full if not js else [*full, last]:
            assert abs(row[0]["left"] - left) < 0.5
            assert abs(row[-1]["right"] - right) < 0.5
            assert max(box["height"] for box in row) - min(box["height"] for box in row) < 0.5
        assert len(full[0]) >= 2
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_back_leads_to_where_one_was(owner: Owner) -> None:
    page = owner(numbered(200)).page
    scroll_to_the_end(page, "picture 0")
    link(page, "picture 30").scroll_into_view_if_needed()
    page.wait_for_function("() => history.state?.y === Math.round(scrollY)")  # the place is kept a moment later
    address = link(page, "picture 30").get_attribute("href")
    assert address
    page.goto(address)
    page.go_back()
    expect(link(page, "picture 30")).to_be_in_viewport()


@pytest.fixture(params=[True, False], ids=["with its cache", "without its cache"])
def page_of_many(
    request: pytest.FixtureRequest, browser_type: BrowserType, site: Stack, crowd: Crowd
) -> Iterator[Page]:
    """Somebody's gallery in a browser that keeps pages for Back, and with 760 images in one that does not."""
    options = launch_options()
    if request.param:
        if not (found := whole()):
            pytest.skip("only a whole Chromium keeps pages (Debian: apt install chromium)")
        options |= {"executable_path": found, "ignore_default_args": ["--disable-back-forward-cache"]}
    browser = browser_type.launch(**options)
    context = browser.new_context(viewport={"width": 1280, "height": 860}, base_url=site.url)
    context.set_default_timeout(PATIENCE)
    email, cookies = crowd.next()
    stock(site, "pictures", email, numbered(60 if request.param else 760))
    context.add_cookies([{"name": name, "value": value, "url": site.url} for name, value in cookies.items()])
    page = context.new_page()
    page.add_init_script("addEventListener('pageshow', ({ persisted }) => (window.kept = persisted))")
    page.goto("/gallery/")
    yield page
    browser.close()


def test_the_place_survives_a_reload_and_a_visit_at_760_images(page_of_many: Page, request: Any) -> None:
    page, is_kept = page_of_many, "with its" in request.node.name
    here, beside, newest = "picture 20", "picture 21", shown(page)[0]
    scroll_to_the_end(page, "picture 0")
    link(page, here).scroll_into_view_if_needed()
    page.wait_for_function("() => history.state?.y === Math.round(scrollY)")  # the place is kept a moment later
    top = top_of(page, here)
    page.reload()
    page.wait_for_function("() => document.querySelectorAll('[data-tile]').length >= 60")
    expect(page.locator("[data-tile]")).to_have_count(60 if is_kept else 760)
    expect(link(page, here)).to_be_in_viewport()
    assert abs(top_of(page, here) - top) < 3
    link(page, beside).click()
    page.get_by_role("dialog").get_by_role("link", name="Details").click()
    expect(page.get_by_role("heading", name=beside)).to_be_attached()
    go_back(page)
    expect(page).to_have_url(re.compile("/gallery/$"))
    expect(link(page, beside)).to_be_in_viewport()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.locator("a[href='/dashboard/']:visible").first.click()
    expect(page).to_have_url(re.compile("/dashboard/$"))
    go_back(page)
    expect(page).to_have_url(re.compile("/gallery/$"))
    expect(link(page, beside)).to_be_in_viewport()
    assert page.evaluate("window.kept") is is_kept
    # What is deleted on its own page, and what in another tab, is not there after Back.
    page.goto(link(page, here).get_attribute("href") or "")
    page.evaluate("document.querySelector('form[action$=\"/gallery/delete/\"]').submit()")
    page.wait_for_url("**/gallery/")
    expect(page.get_by_text("Image deleted.")).to_be_visible()  # or the other tab would be told of it
    other = page.context.new_page()
    other.goto("/gallery/")
    tile(other, newest).hover()
    tile(other, newest).get_by_role("checkbox").check()
    other.get_by_role("button", name="Delete", exact=True).click()
    expect(other.get_by_text("Image deleted.").last).to_be_visible()  # it may still say so of the first one too
    other.close()
    go_back(page, 2)
    expect(link(page, beside)).to_be_in_viewport()
    expect(tile(page, here)).to_be_hidden()
    expect(tile(page, newest)).to_be_hidden()


def go_back(page: Page, steps: int = 1) -> None:
    """Go back as people do. Playwright's own waits for a load, and a page that was kept whole has none."""
    page.evaluate(f"setTimeout(() => history.go({-steps}))")


def top_of(page: Page, prompt: str) -> float:
    box = tile(page, prompt).bounding_box()
    assert box
    return box["y"]


def test_the_way_back_from_an_old_image_leads_to_its_tile(visit: Visit, site: Stack) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    ids = stock(site, "pictures", visitor.email, numbered(520)).split()
    for place, newest in ((400, "picture 519"), (3, "picture 23")):
        page.goto(f"/gallery/{ids[place]}/")
        page.get_by_role("main").get_by_role("link", name="Gallery").click()
        page.wait_for_load_state()
        page.bring_to_front()  # a new document may come up without the window's focus, which no person's does
        expect(link(page, f"picture {place}")).to_be_focused()
        expect(link(page, f"picture {place}")).to_be_in_viewport()
        assert shown(page)[0] == newest


TAKE_THE_FOCUS_AWAY = """
addEventListener("load", () => {
  let frames = 0;
  const step = () => {
    if (++frames < 6) return requestAnimationFrame(step);
    document.activeElement.blur();
    window.taken = true;
  };
  step();
});
"""


def test_the_tile_keeps_the_focus_that_a_browser_takes_away_late_until_somebody_goes_on(owner: Owner) -> None:
    page = owner(numbered(5)).page
    address = link(page, "picture 2").get_attribute("href")
    assert address
    page.goto(address)
    page.add_init_script(TAKE_THE_FOCUS_AWAY)
    page.get_by_role("main").get_by_role("link", name="Gallery").click()
    expect(page).to_have_url(re.compile("/gallery/.*#img_"))
    page.evaluate("new Promise((done) => (function look() { window.taken ? done() : setTimeout(look, 20) })())")
    expect(link(page, "picture 2")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(link(page, "picture 1")).to_be_focused()
    page.evaluate("document.activeElement.blur()")
    for _ in range(5):
        page.evaluate(DRAWN)
    assert page.evaluate("document.activeElement === document.body")


def test_it_works_without_a_script(owner: Owner) -> None:
    page = owner([*numbered(29), "a red fox"], js=False).page
    tile(page, "picture 28").get_by_role("checkbox").check(force=True)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert zipfile.ZipFile(download.value.path()).testzip() is None
    page.get_by_role("searchbox").fill("red")
    page.get_by_role("button", name="Apply").click()
    shows(page, "a red fox")
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("link", name="Older images").click()
    link(page, "picture 0").click()
    expect(page).to_have_url(re.compile(r"/gallery/img_\w+/$"))


def test_on_a_phone_a_swipe_leads_on(owner: Owner) -> None:
    visitor = owner(numbered(9), phone=True)
    page = visitor.page
    link(page, "picture 8").tap()
    box = page.get_by_role("dialog")
    expect(box.get_by_text("picture 8", exact=True)).to_be_visible()
    touch = visitor.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": 300, "y": 400}]})
    for x in range(290, 90, -10):  # as a finger does: one long jump would be a fling, which swallows the next tap
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": 402}]})
        page.wait_for_timeout(16)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(box.get_by_text("picture 7", exact=True)).to_be_visible()
    box.get_by_role("button", name="Close").click()  # a tap may be taken for the end of the swipe on a busy machine
    expect(box).to_be_hidden()


def test_all_that_a_filter_finds_are_selected_deleted_and_taken_back(owner: Owner) -> None:
    page = owner([*numbered(84), "a barn"]).page
    page.goto("/gallery/?q=picture")
    page.get_by_role("button", name="Select", exact=True).click()
    bar = page.locator("[data-selection]")
    expect(bar.get_by_text(re.compile(r"\d\d on this page"))).to_be_visible()
    assert len(shown(page)) < 84
    bar.get_by_role("button", name="Select all 84").click()
    expect(bar.get_by_text("84 selected")).to_be_visible()
    link(page, "picture 80").click()
    expect(bar.get_by_text("83 selected")).to_be_visible()
    link(page, "picture 80").click()
    with page.expect_download() as download:
        bar.get_by_role("button", name="Download").click()
    assert "-84-images-" in download.value.suggested_filename
    scroll_to_the_end(page, "picture 0")
    expect(page.locator("[data-tile] input:checked")).to_have_count(84)
    bar.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("84 images deleted.")).to_be_visible()
    expect(page.locator("[data-tile]")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(page.get_by_text("84 images are back.")).to_be_visible()


def test_all_are_selected_on_a_phone_and_by_key(owner: Owner) -> None:
    page = owner(numbered(84), phone=True).page
    page.get_by_role("button", name="Select", exact=True).click()
    bar = page.locator("[data-selection]")
    expect(bar.get_by_text("on this page")).to_be_visible()
    expect(bar.get_by_role("button", name="Select all 84")).to_be_visible()
    page.keyboard.press("Control+a")
    expect(bar.get_by_text("84 selected")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = bar.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    widths = [(button.bounding_box() or {"width": 0.0})["width"] for button in bar.locator("button:visible").all()]
    assert min(widths) >= 40
    bar.get_by_role("button", name="Favourite", exact=True).tap()
    expect(page.get_by_text("Added 84 images to favourites.")).to_be_visible()
