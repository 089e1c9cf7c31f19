"""The studio in a browser: what one press starts, what arrives, and what never happens twice."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Visit, until
from tests.browser.furnish import stretch_canvases
from tests.browser.test_accessibility import RUN, SERIOUS
from tests.installation import Stack

NASTY = 'It\'s a "test" $HOME `id` !! \\n\n«é» 🦊'

COUNT_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


# What only has to arrive; a few tests below and on the landing page have theirs painted.
PROMPTS = (
    *("the first", "a harbour", "one", "two", "three", "in both", "patience", "a keeper", "once", "plain"),
    *("without a stream", "first / prompt", "second / prompt", "a glass harbour", "x" * 300 + " ok"),
)


@pytest.fixture(scope="module", autouse=True)
def _canvases(site: Stack) -> None:
    stretch_canvases(site, *PROMPTS)


def choose(page: Page, field: str, value: str) -> None:
    page.locator(f"label:has([name={field}][value='{value}'])").click()


def generate(page: Page, prompt: str, **chosen: str) -> None:
    page.fill("#prompt", prompt)
    for field, value in chosen.items():
        choose(page, field, value)
    with page.expect_response("**/create/generate/"):
        page.get_by_role("button", name="Generate").click()


def press(page: Page, prompt: str) -> Locator:
    return page.locator("[data-group]").filter(has_text=prompt)


def images(place: Page | Locator) -> Locator:
    return place.locator("[data-status=completed] img")


def credits(page: Page) -> Locator:
    return page.locator("#balance [data-balance-number]")


def test_four_images_of_one_press_arrive_together_and_nothing_moves(visit: Visit) -> None:
    page = visit(signed_in=True, credits=9).page
    page.add_init_script(COUNT_SHIFTS)
    page.goto("/create/")
    generate(page, "the first", aspect_ratio="3:2")
    expect(images(page)).to_have_count(1)
    alone = images(page).bounding_box()
    assert alone
    assert alone["width"] > 600  # a first image hangs large
    generate(page, "a harbour", aspect_ratio="16:9", count="4")
    expect(images(press(page, "a harbour"))).to_have_count(4)
    expect(credits(page)).to_have_text("7")
    shown = "() => [...document.images].every((image) => image.complete && image.naturalWidth)"
    page.wait_for_function(shown)
    assert page.evaluate("window.shifted") < 0.02


def test_several_jobs_run_at_once_and_stand_newest_first(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/create/")
    for prompt in ("one", "two", "three"):
        generate(page, prompt)
    expect(images(page)).to_have_count(3)
    assert [one.get_attribute("data-prompt") for one in page.locator("[data-group]").all()] == ["three", "two", "one"]
    expect(credits(page)).to_have_text("0")


def test_a_failure_gives_the_credit_back_and_retry_asks_again(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/create/")
    generate(page, "broken [sandbox:fail]", aspect_ratio="2:3")
    failed = page.locator("[data-status=failed]")
    expect(failed).to_contain_text("Your credit was returned.")
    expect(credits(page)).to_have_text("3")
    page.fill("#prompt", "what I am writing meanwhile")
    with page.expect_response("**/create/generate/") as sent:
        page.get_by_role("link", name="Retry").dblclick()
    assert sent.value.status == 201
    expect(failed).to_have_count(2)
    expect(page.locator("[data-group]")).to_have_count(2)
    assert {one.get_attribute("data-ratio") for one in page.locator("[data-group]").all()} == {"2:3"}
    expect(page.locator("#prompt")).to_have_value("what I am writing meanwhile")
    expect(credits(page)).to_have_text("3")


def test_a_refused_prompt_is_edited_and_not_sent_again(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/create/")
    page.locator("[data-negative] summary").click()
    page.fill("#negative_prompt", "fog")
    generate(page, "forbidden [sandbox:refuse]", aspect_ratio="2:3")
    refused = page.locator("[data-status=failed]")
    expect(refused).to_contain_text("Your credit was returned.")
    expect(page.get_by_role("link", name="Retry")).to_have_count(0)
    page.fill("#prompt", "what I am writing meanwhile")
    page.fill("#negative_prompt", "")
    choose(page, "aspect_ratio", "1:1")
    refused.get_by_role("link", name="Edit the prompt").click()
    expect(page.locator("#prompt")).to_be_focused()
    expect(page.locator("#prompt")).to_have_value("forbidden [sandbox:refuse]")
    expect(page.locator("#negative_prompt")).to_have_value("fog")
    expect(page.locator("[name=aspect_ratio]:checked")).to_have_value("2:3")
    expect(refused).to_have_count(1)
    page.goto(f"/gallery/{refused.get_attribute('id')}/")
    page.get_by_role("link", name="Edit the prompt").click()
    expect(page.locator("#prompt")).to_be_focused()
    expect(page.locator("#prompt")).to_have_value("forbidden [sandbox:refuse]")


def axe(page: Page) -> list[list[str]]:
    """Return what axe finds that is serious."""
    page.evaluate(AXE_SCRIPT)
    return [found for found in page.evaluate(RUN, None) if found[1] in SERIOUS]


def box_of(place: Locator) -> tuple[float, float]:
    box = place.bounding_box()
    assert box
    return round(box["width"], 1), round(box["height"], 1)


def is_wide(place: Locator, width: float) -> None:
    assert box_of(place)[0] == pytest.approx(width, rel=0.01)


def test_nothing_changes_its_size_when_the_next_arrives(visit: Visit) -> None:
    visitor = visit(signed_in=True, credits=9)
    page = visitor.page
    page.goto("/create/")
    for prompt in ("one", "two"):
        generate(page, prompt, aspect_ratio="3:2")
        expect(images(press(page, prompt))).to_have_count(1)
    page.reload()
    cards = page.locator("[data-generation]")
    wall = box_of(page.locator("[data-wall]"))[0]
    assert box_of(page.locator(".group.is-large"))[0] == wall
    before = {one.get_attribute("id"): box_of(one) for one in cards.all()}
    generate(page, "three", aspect_ratio="9:16", count="2")
    expect(images(press(page, "three"))).to_have_count(2)
    assert box_of(page.locator(".group").first)[0] == wall
    headers = {"Authorization": f"Bearer {visitor.api_key()}"}
    asked = {"prompt": "in both", "aspect_ratio": "16:9"}
    assert page.request.post("/v1/reve-image/generate", headers=headers, data=asked).ok
    expect(images(press(page, "in both"))).to_have_count(1)  # what the API made is recent too
    assert {id: box_of(page.locator(f"#{id}")) for id in before} == before


@pytest.mark.parametrize("phone", [False, True], ids=["desktop", "phone"])
def test_an_image_opens_large_at_an_address_of_its_own_and_closes_for_good(visit: Visit, phone: bool) -> None:
    visitor = visit(signed_in=True, credits=9, phone=phone)
    page = visitor.page
    page.goto("/account/")
    page.goto("/create/")
    generate(page, "a harbour", count="4")
    expect(images(page)).to_have_count(4)
    box = page.get_by_role("dialog", name="Image")
    first, second = [one.get_attribute("id") for one in page.locator("[data-generation]").all()][:2]
    link = page.locator(f"#{first} .tile-link")
    link.click()
    expect(box.get_by_role("img", name="a harbour")).to_be_visible()
    expect(page).to_have_url(f"/gallery/{first}/")
    box.get_by_role("button", name="Older image").click()
    expect(page).to_have_url(f"/gallery/{second}/")
    box.get_by_role("button", name="Newer image").click()
    expect(box.get_by_role("button", name="Newer image")).to_be_disabled()
    picture = box.locator(".lightbox-picture")
    fits = box_of(picture)[0]
    box.get_by_role("button", name="Larger").click()
    page.keyboard.press("+")
    until(lambda: is_wide(picture, 2 * fits))
    page.keyboard.press("0")
    until(lambda: is_wide(picture, fits))
    for count in (2, 3, 4):
        box.get_by_role("button", name="Compare").click()
        expect(picture).to_have_count(count)
        for one in picture.all():
            expect(one).to_be_in_viewport(ratio=0.98)
    picture.nth(1).click()
    expect(picture).to_have_count(1)
    expect(page).to_have_url(f"/gallery/{second}/")
    assert axe(page) == []
    if not phone:  # there it is on the image's page alone
        expect(box.get_by_role("link", name="Reuse prompt")).to_have_attribute("href", f"/create/?from={second}")
    expect(box.get_by_role("link", name="Edit this")).to_have_attribute("href", f"/create/?mode=edit&source={second}")
    for _ in range(14):  # all there is, and once more
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    box.get_by_role("button", name="Close").click()
    expect(box).to_be_hidden()
    expect(page).to_have_url("/create/")
    expect(page.locator(f"#{second} .tile-link")).to_be_focused()
    link.click()
    expect(box).to_be_visible()
    page.go_back()  # as a phone's own button does
    expect(box).to_be_hidden()
    expect(page).to_have_url("/create/")
    page.go_back()
    expect(page).to_have_url("/account/")
    page.go_forward()
    expect(page).to_have_url("/create/")
    expect(box).to_be_hidden()
    page.goto(f"/gallery/{second}/")  # as whoever it is sent to, or a reload
    expect(page.get_by_role("heading", level=1)).to_have_text("a harbour")


WAITING = """
from django.db import transaction
from django.utils import timezone
from datetime import timedelta
from billing.models import Wallet
from generator.ask.admission import ImageRequest, admit
with transaction.atomic():
    wallet = Wallet.objects.get(user__email={email!r})
    waiting = admit(wallet=wallet, request=ImageRequest(prompt="patience is a virtue")).generation
    waiting.due_at = timezone.now() + timedelta(hours=1)
    waiting.save(update_fields=["due_at"])
"""


def test_what_waits_is_cancelled_by_keyboard_and_its_credit_is_back(visit: Visit, site: Stack) -> None:
    visitor = visit(signed_in=True)
    page = visitor.page
    page.goto("/create/")
    expect(credits(page)).to_have_text("3")
    site.manage("shell", "-c", WAITING.format(email=visitor.email))  # no worker looks at it for an hour
    expect(credits(page)).to_have_text("2")
    page.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-status=failed]")).to_contain_text("Your credit was returned.")
    expect(credits(page)).to_have_text("3")
    expect(page.get_by_role("link", name="Retry")).to_be_focused()


def test_a_reload_loses_nothing(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/create/?prompt=a%20pear")
    expect(page.get_by_role("button", name="Generate")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-generation]")).to_have_count(1)
    page.fill("#prompt", "my next idea")
    choose(page, "aspect_ratio", "9:16")
    choose(page, "count", "2")
    page.reload()
    expect(page.locator("#prompt")).to_have_value("my next idea")
    expect(page.locator("[name=aspect_ratio]:checked")).to_have_value("9:16")
    expect(page.locator("[name=count]:checked")).to_have_value("2")
    expect(images(press(page, "a pear"))).to_have_count(1)


def test_a_second_tab_shows_the_same(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    first, second = visitor.page, visitor.context.new_page()
    first.goto("/create/")
    second.goto("/create/")
    generate(first, "in both", count="2")
    for page in (first, second):
        expect(images(press(page, "in both"))).to_have_count(2)
        expect(credits(page)).to_have_text("1")
    orders = [
        page.locator("[data-generation]").evaluate_all("all => all.map((one) => one.id)") for page in (first, second)
    ]
    assert orders[0] == orders[1]
    one, other = [card.get_attribute("data-generation") for card in first.locator("[data-generation]").all()]
    first.evaluate("dispatchEvent(new Event('pagehide'))")  # away: a hidden tab listens to nothing
    second.evaluate(DELETE, one)
    first.evaluate("dispatchEvent(new Event('pageshow'))")
    expect(first.locator(f"#{one}")).to_have_count(0)
    expect(images(first)).to_have_count(1)
    second.evaluate(DELETE, other)
    expect(first.get_by_text("Your images appear here")).to_be_visible()


DELETE = """async (id) => {
  const body = new URLSearchParams({ ids: id });
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  await fetch("/gallery/delete/", { method: "POST", body, headers: { "X-CSRFToken": token } });
}"""


def test_the_keyboard_writes_recalls_and_sends(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/create/")
    prompt = page.locator("#prompt")
    for words in ("first", "second"):
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("/")
        expect(prompt).to_be_focused()
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type(f"{words} / prompt")
        page.keyboard.press("Control+Enter")
        expect(press(page, words)).to_have_count(1)
    prompt.fill("")
    for key, shown in [
        ("ArrowUp", "second / prompt"),
        ("ArrowUp", "first / prompt"),
        ("ArrowUp", "first / prompt"),
        ("ArrowDown", "second / prompt"),
        ("ArrowDown", ""),
    ]:
        page.keyboard.press(key)
        expect(prompt).to_have_value(shown)
    prompt.fill("two lines\nof mine")
    page.keyboard.press("ArrowUp")
    expect(prompt).to_have_value("two lines\nof mine")


def test_a_double_click_is_charged_once(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/create/")
    page.fill("#prompt", "once")
    page.get_by_role("button", name="Generate").dblclick(delay=150)
    expect(images(page)).to_have_count(1)
    expect(page.locator("[data-generation]")).to_have_count(1)
    expect(credits(page)).to_have_text("2")


def test_images_arrive_where_the_stream_is_blocked(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    visitor.watch.expect(r"/events/")
    page = visitor.page
    page.route("**/events/", lambda route: route.abort())
    page.goto("/create/")
    generate(page, "without a stream", count="2")
    expect(images(page)).to_have_count(2)
    expect(credits(page)).to_have_text("1")
    generate(page, "broken [sandbox:fail]", count="1")
    expect(page.locator("[data-status=failed]")).to_have_count(1)
    expect(credits(page)).to_have_text("1")


def test_images_arrive_after_the_server_was_away(visit: Visit, site: Stack) -> None:
    visitor = visit(signed_in=True)
    visitor.watch.expect(r"ERR_CONNECTION|ERR_INCOMPLETE|ERR_EMPTY|/events/|/create/wall/")
    page = visitor.page
    page.goto("/create/")
    generate(page, "patience")
    site.kill("granian")
    expect(images(page)).to_have_count(1)


def test_too_few_credits_lead_to_billing(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/create/")
    cost = page.locator("#composer-cost > span")
    expect(cost).to_have_text("Costs 1 credit. You have 3.", use_inner_text=True)
    choose(page, "count", "4")
    expect(cost).to_have_text("Costs 4 credits. You have 3.", use_inner_text=True)
    expect(page.get_by_role("button", name="Generate")).to_be_hidden()
    page.get_by_role("link", name="Get more credits").click()
    expect(page).to_have_url("/dashboard/billing/")


def test_a_heart_is_given_on_the_wall(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/create/")
    generate(page, "a keeper")
    page.locator("[data-status=completed]").hover()
    with page.expect_response("**/favourite/"):
        page.get_by_role("button", name="Favourite").click()
        expect(page.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(page.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")


def test_a_heart_that_cannot_be_kept_is_as_it_was_and_says_so(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    visitor.watch.expect(r"ERR_FAILED")
    page = visitor.page
    page.goto("/create/")
    generate(page, "a keeper")
    page.locator("[data-status=completed]").hover()
    page.route("**/favourite/", lambda route: route.abort())
    heart = page.get_by_role("button", name="Favourite")
    heart.click()
    expect(page.get_by_text("The image could not be changed.")).to_be_visible()
    expect(heart).to_have_attribute("aria-pressed", "false")
    page.unroute("**/favourite/")
    heart.click()
    expect(heart).to_have_attribute("aria-pressed", "true")
    visitor.context.clear_cookies()
    heart.click()
    expect(page).to_have_url(re.compile("/accounts/login/"))


def test_icons_are_drawn_whole(visit: Visit) -> None:
    """Each stands on the page once; cards refer to it."""
    page = visit(signed_in=True).page
    page.goto("/create/")
    generate(page, "a keeper")
    page.locator("[data-status=completed]").hover()
    sizes = page.evaluate(
        """[...document.querySelectorAll("[data-group] svg:has(use)")].filter((icon) => icon.checkVisibility())
           .map((icon) => [icon, icon.firstElementChild].map((part) => part.getBoundingClientRect().toJSON()))"""
    )
    assert len(sizes) == 4
    for frame, drawn in sizes:
        assert drawn["width"] > 8
        assert frame["left"] < drawn["left"]
        assert drawn["right"] < frame["right"]
        assert drawn["bottom"] < frame["bottom"]


@pytest.fixture
def copied(visit: Visit) -> tuple[str, dict[str, str]]:
    """An API key, and the code that the studio's dialog copies for a nasty prompt, by language; and the line before."""
    visitor = visit(signed_in=True, credits=9)
    secret = visitor.api_key()
    page = visitor.page
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.clock.install()
    page.goto("/create/")
    page.fill("#prompt", NASTY)
    choose(page, "aspect_ratio", "3:2")
    page.get_by_role("button", name="Copy as API call").click()
    dialog = page.get_by_role("dialog", name="Copy as API call")
    line = dialog.locator(".call-note code").nth(1).inner_text()
    code: dict[str, str] = {"set once": line.replace("YOUR_API_KEY", secret)}
    for language in ("curl", "Python", "JavaScript"):
        dialog.get_by_role("tab", name=language).click()
        dialog.get_by_role("button", name="Copy").click()
        expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
        code[language] = page.evaluate("navigator.clipboard.readText()")
        page.clock.fast_forward(3_000)
        expect(dialog.get_by_role("button", name="Copied")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    return secret, code


def test_the_copied_calls_run_as_they_are(copied: tuple[str, dict[str, str]], site: Stack) -> None:
    secret, code = copied
    once = code.pop("set once")
    assert once == f"export REVEWEB_API_KEY={secret}"
    assert not any("YOUR_API_KEY" in text or secret[:11] in text for text in code.values())
    answer = json.loads(_run(["bash", "-c", f"{once}\n{code['curl']}"], ""))
    assert answer["status"] == "completed"
    assert answer["metadata"]["prompt"] == NASTY
    assert answer["metadata"]["width"] / answer["metadata"]["height"] == pytest.approx(3 / 2, abs=0.02)
    assert _run([sys.executable, "-c", code["Python"]], secret).startswith(f"completed {site.url}/images/")
    runs = 2
    if node := shutil.which("node"):
        assert _run([node, "--input-type=module", "-e", code["JavaScript"]], secret).startswith("completed http")
        runs += 1
    assert [job["prompt"] for job in site.jobs()].count(NASTY) == runs


def _run(command: list[str], secret: str) -> str:
    environment = {**os.environ, "REVEWEB_API_KEY": secret}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_an_earlier_images_call_is_shown_too(visit: Visit) -> None:
    visitor = visit(signed_in=True)
    visitor.watch.expect(r"422.*/api-call/")
    page = visitor.page
    page.goto("/create/")
    page.get_by_role("button", name="Copy as API call").click()
    expect(page.get_by_text("Describe the image you want first.")).to_be_visible()
    generate(page, "a glass harbour", aspect_ratio="2:3")
    page.fill("#prompt", "something else")
    page.get_by_role("link", name="Copy as API call").click()
    expect(page.get_by_role("dialog")).to_contain_text('"prompt": "a glass harbour"')


def test_without_a_script_the_form_does_it_all(visit: Visit) -> None:
    page = visit(signed_in=True, credits=3, js=False).page
    page.goto("/create/")
    page.fill("#prompt", "plain")
    choose(page, "aspect_ratio", "16:9")
    choose(page, "count", "3")
    assert "Costs 3 credits." in page.locator("#composer-cost").inner_text()
    page.get_by_role("button", name="Copy as API call").click()
    expect(page.locator("pre").first).to_contain_text('"aspect_ratio": "16:9"')
    page.go_back()
    page.fill("#prompt", "plain")
    choose(page, "count", "3")
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("[data-generation]")).to_have_count(3)
    while page.get_by_role("link", name="Look again").count():
        page.get_by_role("link", name="Look again").click()
    expect(images(page)).to_have_count(3)


def test_a_thumb_reaches_everything_on_a_phone(visit: Visit) -> None:
    page = visit(signed_in=True, phone=True).page
    page.goto("/create/")
    expect(page.get_by_role("button", name="Generate")).to_be_in_viewport()
    generate(page, "x" * 300 + " ok", count="2", aspect_ratio="9:16")
    expect(images(page)).to_have_count(2)
    small = page.evaluate(
        """[...document.querySelectorAll("main :is(button, summary, label.shape, label.segment, .group a, .card a)")]
           .filter((target) => target.checkVisibility())
           .map((target) => [target.outerHTML.slice(0, 80), target.getBoundingClientRect().height])
           .filter(([, height]) => height < 44)"""
    )
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_counter_appears_near_the_end(visit: Visit) -> None:
    page = visit(signed_in=True).page
    page.goto("/create/")
    page.fill("#prompt", "🦊" * 3600)
    expect(page.locator("[data-counter-for=prompt]")).to_have_text("400 left")
    page.fill("#prompt", "x" * 4001)
    expect(page.locator("[data-counter-for=prompt]")).to_have_text(re.compile("1 over 4,000"))
