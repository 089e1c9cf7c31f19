"""Edit and remix in a browser: pictures by hand, a mask by mouse and by keys, prices, and before beside after."""

import re
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Visit, Visitor, until
from tests.browser.test_accessibility import RUN, SERIOUS

PAINTED = """async (name) => {
  const image = await createImageBitmap(await (await fetch(`/uploads/${name}`)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, image.width, image.height);
  let white = 0;
  for (let at = 0; at < data.length; at += 4) white += data[at] === 255;
  return [image.width, image.height, white / (data.length / 4)];
}"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    path = tmp_path / "house.png"
    Image.new("RGB", (240, 160), "#27486b").save(path)
    return path


def choose(page: Page, mode: str) -> None:
    page.locator(f"label:has([name=mode][value={mode}])").click()


def brought(page: Page) -> Locator:
    return page.locator("[data-picture-list] input[name=input]")


def edit(visitor: Visitor, picture: Path) -> Page:
    """Open the studio with a picture to edit in it."""
    page = visitor.page
    page.goto("/create/?mode=edit")
    expect(page.get_by_role("button", name="Pick from your gallery")).to_be_visible()
    page.set_input_files("#file", picture)
    expect(brought(page)).to_have_count(1)
    return page


def painted(page: Page) -> list[float]:
    """Return the mask's width and height, and which share of it is white."""
    mask = page.locator("[data-picture-list] input[name=mask]")
    expect(mask).to_have_count(1)
    return list(page.evaluate(PAINTED, mask.input_value()))


def accessible(page: Page) -> None:
    page.evaluate(AXE_SCRIPT)
    assert [found["id"] for found in page.evaluate(RUN)["violations"] if found["impact"] in SERIOUS] == []


def test_a_picture_is_edited_and_stands_beside_what_it_was(visit: Visit, house: Path) -> None:
    page = edit(visit(signed_in=True, credits=10), house)
    page.fill("#prompt", "the same at night")
    page.get_by_role("button", name="Generate").click()
    card = page.locator("[data-generation][data-before]")
    expect(card).to_have_count(1)
    assert card.get_attribute("data-before") == f"/uploads/{brought(page).input_value()}"
    card.locator(".tile-link").click()
    page.get_by_role("button", name="Before").click()
    slider = page.get_by_role("slider", name=re.compile("before the edit"))
    expect(slider).to_be_focused()
    page.keyboard.press("ArrowLeft")  # moves the slider, and leads to no other image
    assert slider.input_value() == "49"
    accessible(page)
    page.get_by_role("link", name="Details").click()
    page.get_by_role("button", name="Compare with before").click()
    box = page.locator(".before").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    assert abs(int(page.get_by_role("slider").input_value()) - 25) <= 1
    expect(page.get_by_role("region", name="Made from").get_by_role("link")).to_have_count(1)


def test_a_mask_is_painted_by_mouse(visit: Visit, house: Path) -> None:
    page = edit(visit(signed_in=True), house)
    page.get_by_role("button", name="Paint where it may change").click()
    canvas = page.get_by_role("application", name="Where the picture may change")
    expect(canvas).to_be_focused()
    accessible(page)
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.5, steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Invert").click()
    page.get_by_role("button", name="Use this mask").click()
    width, height, share = painted(page)
    assert (width, height) == (240, 160)
    assert 0.7 < share < 0.95
    page.get_by_role("button", name="Let it change everywhere").click()
    expect(page.locator("[data-picture-list] input[name=mask]")).to_have_count(0)


def test_a_mask_is_painted_by_keys(visit: Visit, house: Path) -> None:
    page = edit(visit(signed_in=True), house)
    page.get_by_role("button", name="Paint where it may change").press("Enter")
    expect(page.get_by_role("application")).to_be_focused()
    page.get_by_role("button", name="Use this mask").press("Enter")
    expect(page.get_by_text("Nothing is painted yet")).to_be_visible()
    page.get_by_role("application").focus()
    page.keyboard.press("+")
    page.keyboard.press(" ")  # a dot in the middle
    page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press(" ")
    page.keyboard.press("Control+z")
    expect(page.get_by_role("button", name="Redo")).to_be_enabled()
    page.get_by_role("button", name="Use this mask").press("Enter")
    assert 0.005 < painted(page)[2] < 0.05  # one dot


def test_references_are_picked_ordered_and_taken_out_by_keys(visit: Visit, house: Path) -> None:
    visitor = visit(signed_in=True, credits=10)
    page = edit(visitor, house)
    page.fill("#prompt", "something to pick")
    page.get_by_role("button", name="Generate").click()
    image = page.locator("[data-generation][data-status=completed]")
    expect(image).to_have_count(1)
    choose(page, "remix")
    page.get_by_role("button", name="Pick from your gallery").press("Enter")
    expect(page.locator(".pick-one")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(brought(page)).to_have_count(2)
    page.get_by_role("button", name="Move picture 2 earlier").press("Enter")
    assert brought(page).first.input_value() == image.get_attribute("id")
    page.reload()
    expect(brought(page)).to_have_count(2)  # a reload keeps them, in their order
    assert brought(page).first.input_value() == image.get_attribute("id")
    page.get_by_role("button", name="Remove picture 1").press("Enter")
    expect(brought(page)).to_have_count(1)


def test_a_picture_is_dropped_or_pasted_from_anywhere(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/create/")
    give = """async ([kind, type]) => {
      const canvas = new OffscreenCanvas(90, 60 + kind.length);
      canvas.getContext("2d").fillRect(0, 0, 9, 9);
      const data = new DataTransfer();
      data.items.add(new File([await canvas.convertToBlob()], "a.png", { type }));
      const how = { bubbles: true, cancelable: true };
      const event = kind === "drop" ? new DragEvent(kind, { ...how, dataTransfer: data })
        : new ClipboardEvent(kind, { ...how, clipboardData: data });
      document.querySelector("#prompt").dispatchEvent(event);
    }"""

    def drop() -> None:
        page.evaluate(give, ["drop", "image/png"])
        expect(page.locator("[name=mode][value=edit]")).to_be_checked(timeout=2000)

    until(drop)
    expect(brought(page)).to_have_count(1)
    choose(page, "remix")
    page.evaluate(give, ["paste", "image/png"])
    expect(brought(page)).to_have_count(2)
    page.evaluate(give, ["paste", "image/gif"])
    expect(page.locator("[data-picture-error]")).to_contain_text("no PNG, JPEG or WebP")


def test_the_price_follows_what_is_chosen(visit: Visit) -> None:
    page = visit(signed_in=True, credits=20).page

    def dearer(route: Route) -> None:
        answer = route.fetch()
        prices = '{"text2image_v1": {"create": {"|": 1}, "edit": {"|": 3}, "remix": {"|": 12}}}'.replace('"', "&quot;")
        route.fulfill(response=answer, body=re.sub(r'data-prices="[^"]*"', f'data-prices="{prices}"', answer.text()))

    page.route(re.compile(r"/create/$"), dearer)
    page.goto("/create/")
    cost = page.locator("#composer-cost")
    expect(cost).to_contain_text("Costs 1 credit.")
    choose(page, "edit")
    page.locator("label:has([name=count][value='2'])").click()
    expect(cost).to_contain_text("Costs 6 credits.")
    choose(page, "remix")
    expect(cost).to_contain_text("Costs 24 credits.")
    expect(page.get_by_role("link", name="Get more credits")).to_be_visible()


def test_without_a_script_a_picture_is_edited(visit: Visit, house: Path) -> None:
    visitor = visit(signed_in=True, credits=5, js=False)
    page = visitor.page
    page.goto("/create/")
    choose(page, "edit")
    page.set_input_files("#file", house)
    page.fill("#prompt", "as a drawing")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("[data-generation]")).to_have_count(1)
    expect(page.locator(".group-before")).to_be_visible()


def test_a_thumb_paints_and_nothing_is_too_wide(visit: Visit, house: Path) -> None:
    page = edit(visit(signed_in=True, phone=True), house)
    page.get_by_role("button", name="Paint where it may change").tap()
    canvas = page.get_by_role("application")
    box: Any = canvas.bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_role("button", name="Undo")).to_be_enabled()
    assert page.evaluate("document.querySelector('.mask').scrollWidth <= innerWidth")
    page.get_by_role("button", name="Use this mask").tap()
    assert painted(page)[2] > 0.005
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
