"""A developer's first hour: a key, the shown call, the dashboard that follows, rotation and revocation."""

import json
import re
import subprocess
from uuid import uuid4

import httpx
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.installation import Stack

KEYS = "/dashboard/api-keys/"


def create_key(page: Page, name: str = "Website") -> str:
    page.goto(KEYS)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create key").click()
    return page.locator("#secret").inner_text().strip()


def status_of(site: Stack, secret: str) -> int:
    """Ask the API about an image that is not there: 404 for a key that works, 401 for one that does not."""
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.get(f"{site.url}/v1/reve-image/status/img_nothing", headers=headers).status_code


def test_the_shown_call_works_as_it_is_and_the_page_knows_of_it(visit: Visit) -> None:
    page = visit(signed_in=True).page
    create_key(page)
    command = page.locator("#curl").inner_text()
    answer = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120, check=True).stdout
    image = json.loads(answer)
    assert image["status"] == "completed"
    page.goto(KEYS)
    row = page.get_by_role("row", name="Website")
    expect(row).to_contain_text("from 127.0.0.1")
    expect(row).to_contain_text("1 credit")
    assert page.locator("#secret").count() == 0
    page.goto("/dashboard/")
    call = page.get_by_role("row", name="A red fox in fresh snow")
    expect(call).to_contain_text("Made")
    expect(page.get_by_role("link", name="A red fox in fresh snow").last).to_have_attribute(
        "href", f"/gallery/{image['id']}/"
    )


def test_a_key_is_rotated_with_an_overlap_and_then_revoked(visit: Visit, site: Stack) -> None:
    page = visit(signed_in=True).page
    old = create_key(page)
    page.goto(KEYS)
    page.get_by_role("link", name="Rotate Website").click()
    page.get_by_label("In 1 hour").check()
    page.get_by_role("button", name="Rotate key").click()
    new = page.locator("#secret").inner_text().strip()
    assert (status_of(site, old), status_of(site, new)) == (404, 404)
    page.get_by_role("link", name=re.compile(f"Revoke Website, {old[:11]}")).click()
    page.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_role("status")).to_contain_text(f"“Website” ({old[:11]}…) is revoked.")
    assert (status_of(site, old), status_of(site, new)) == (401, 404)


def test_a_double_click_makes_one_key_also_without_scripts(visit: Visit) -> None:
    page = visit(signed_in=True, js=False).page
    name = f"key {uuid4().hex[:6]}"
    page.goto(KEYS)
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create key").dblclick()
    # Leaving before the answer is there would take the form back.
    expect(page.locator("#secret").or_(page.get_by_role("status"))).to_be_visible()
    page.goto(KEYS)
    expect(page.get_by_role("rowheader", name=name)).to_have_count(1)


def test_the_first_steps_tick_and_can_be_put_away(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/dashboard/")
    steps = page.get_by_role("region", name="First steps")
    expect(steps).to_contain_text("0 of 4 done")
    create_key(page)
    page.goto("/dashboard/")
    expect(steps).to_contain_text("1 of 4 done")
    steps.get_by_role("button", name="Hide").click()
    expect(steps).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="Make your first image")).to_be_visible()
    expect(steps).to_have_count(0)


def test_a_newcomers_first_prompt_goes_from_the_dashboard_to_the_studio(visit: Visit) -> None:
    page = visit(signed_in=True, phone=True).page
    page.goto("/dashboard/")
    page.get_by_label("What do you want to see?").fill("a heron at dawn")
    page.get_by_role("button", name="Take it to the studio").click()
    expect(page).to_have_url(re.compile("/create/"))
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a heron at dawn")
    expect(page.get_by_role("region", name="a heron at dawn")).to_be_visible()  # it is drawn at once


def test_the_range_is_switched_in_place_and_the_chart_tells_its_days(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    page, secret = visitor.page, visitor.api_key()
    headers = {"Authorization": f"Bearer {secret}"}
    httpx.post(f"{visitor.site.url}/v1/reve-image/generate", headers=headers, json={"prompt": "a fox"}, timeout=30)
    page.goto("/dashboard/")
    page.get_by_role("link", name="7 days").click()
    expect(page).to_have_url("/dashboard/?days=7")
    expect(page.locator(".chart-day")).to_have_count(7)
    expect(page.get_by_role("link", name="7 days")).to_have_attribute("aria-current", "true")
    page.locator(".chart-day").last.hover()
    expect(page.locator("[data-readout]")).to_contain_text("0 in the studio, 1 over the API")
    page.mouse.move(0, 0)
    expect(page.locator("[data-readout]")).to_be_empty()
    page.get_by_role("img", name="Images per day").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-readout]")).to_contain_text("0 over the API")
    page.go_back()
    expect(page.locator(".chart-day")).to_have_count(30)
    page.get_by_text("As a table").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    assert download.value.suggested_filename == "reveweb-usage-30-days.csv"
