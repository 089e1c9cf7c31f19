"""Reading the documentation."""

import json
import os
import re
import subprocess

from playwright.sync_api import expect

from tests.browser.conftest import Visit


def test_the_language_chosen_once_is_open_on_every_page(visit: Visit) -> None:
    page = visit().page
    page.goto("/docs/quickstart/")
    expect(page.get_by_label("Sample 2, curl")).to_be_visible()
    page.get_by_role("radio", name="Python").first.check(force=True)
    expect(page.get_by_label("Sample 2, Python")).to_be_visible()
    expect(page.get_by_label("Sample 4, Python")).to_be_visible()
    expect(page.get_by_label("Sample 2, curl")).to_be_hidden()
    page.get_by_role("link", name="Generate an image", exact=True).first.click()
    expect(page).to_have_url(re.compile("/docs/generate/$"))
    expect(page.get_by_label("Sample 3, Python")).to_be_visible()


def test_the_language_chosen_on_the_landing_page_is_open_in_the_docs(visit: Visit) -> None:
    page = visit().page
    page.goto("/")
    page.get_by_role("radio", name="Python").check(force=True)
    expect(page.get_by_label("The call, Python")).to_be_visible()
    page.goto("/docs/quickstart/")
    expect(page.get_by_label("Sample 2, Python")).to_be_visible()
    expect(page.get_by_label("Sample 2, curl")).to_be_hidden()


def test_the_keyboard_changes_the_language(visit: Visit) -> None:
    page = visit().page
    page.goto("/docs/quickstart/")
    page.get_by_role("radio", name="curl").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_label("Sample 2, JavaScript")).to_be_visible()


def test_copying_takes_the_sample_that_is_open(visit: Visit) -> None:
    visitor = visit()
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.page
    page.goto("/docs/quickstart/")
    page.get_by_role("radio", name="Python").first.check(force=True)
    page.locator(".sample-python").first.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("import os\nimport uuid\n\nimport requests")
    assert copied.endswith('print(image["status"], image.get("url") or image["id"])')


def test_a_heading_gives_a_link_to_itself(visit: Visit) -> None:
    visitor = visit()
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.page
    page.goto("/docs/errors/")
    page.get_by_role("heading", name="No answer at all").hover()
    page.get_by_role("link", name="Link to “No answer at all”").click()
    expect(page).to_have_url(re.compile("/docs/errors/#no-answer-at-all$"))
    expect(page.locator(".anchor.is-copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").endswith("/docs/errors/#no-answer-at-all")


def test_the_search_box_leads_to_a_section(visit: Visit) -> None:
    page = visit().page
    page.goto("/docs/")
    page.keyboard.press("/")
    page.keyboard.type("pay once")
    hit = page.locator("[data-docs-hits] a").first
    expect(hit).to_contain_text("Send it twice, pay once")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/docs/generate/#send-it-twice-pay-once$"))
    heading = page.get_by_role("heading", name="Send it twice, pay once")
    expect(heading).to_be_in_viewport()


def test_on_a_phone_the_menu_unfolds_and_nothing_is_wider_than_the_screen(visit: Visit) -> None:
    page = visit(phone=True).page
    page.goto("/docs/")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.locator("[data-docs-menu] summary").click()
    page.locator("[data-docs-menu]").get_by_role("link", name="Errors").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Errors")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    row = page.locator("#rate_limited")
    assert row.evaluate("row => [...row.cells].every((cell) => cell.offsetLeft < 60 && cell.offsetWidth < 360)")
    assert row.evaluate("row => getComputedStyle(row.cells[3], '::before').content") == '"Was I billed?"'


def test_without_javascript_every_language_can_be_read(visit: Visit) -> None:
    page = visit(js=False).page
    page.goto("/docs/quickstart/")
    page.get_by_role("radio", name="JavaScript").first.check(force=True)
    expect(page.get_by_label("Sample 2, JavaScript")).to_be_visible()
    expect(page.get_by_label("Sample 2, curl")).to_be_hidden()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    page.get_by_label("Search the docs").fill("idempotency")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Search the docs")
    expect(page.locator(".docs-found a").first).to_be_visible()


def test_a_copied_sample_runs_for_somebody_who_is_signed_in(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    secret = visitor.api_key()
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.page
    page.goto("/docs/generate/")
    page.locator(".code").nth(1).get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    environment = {"PATH": os.environ["PATH"], "REVEWEB_API_KEY": secret}
    ran = subprocess.run(["bash", "-c", copied], env=environment, capture_output=True, text=True, timeout=120)
    assert json.loads(ran.stdout)["status"] == "completed", ran.stdout
