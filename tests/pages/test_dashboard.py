"""Dashboard → Overview: what one has and used is told truly, in few queries, and leads to the next thing to do."""

import asyncio
import csv
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import keys
from accounts.models import ApiKey, User
from billing import identity
from billing.models import CreditGrant, Plan, Price, StripeAccount, Subscription, Wallet
from generator.library.usage import Day, Usage
from generator.models import Generation
from reveweb.pages import chart
from tests.billing import books
from tests.pages.conftest import Draw
from tests.pages.test_billing_page import text_of
from tests.pages.test_frame import assert_well_made

PAGE = "/dashboard/"
CSV = f"{PAGE}usage.csv"
QUERIES = 14  # of the whole page, the two of who is logged in included


@pytest.fixture
def key(alice: User) -> ApiKey:
    return keys.mint(user=alice, name="Website")[0]


# --- What one has


def test_a_new_account_is_led_to_its_first_image_and_sees_no_empty_places(browser: Client, catalogue: None) -> None:
    answer = browser.get(PAGE)
    assert_well_made(answer.content.decode())
    text = text_of(answer)
    assert "Credits 3 3 Welcome credits Never expire Credit history" in text
    assert "Plan Free Price Nothing Brings 3 credits, once API limit 10 requests a minute" in text
    assert "Make your first image Say what you want to see. You have 3 credits, and an image costs 1." in text
    for empty in ("Usage", "Recent images", "Recent API calls", "Create an image"):
        assert empty not in text
    answer = browser.post("/start/", {"prompt": "a fox of the dashboard's"}, follow=True)
    [made] = Generation.objects.all()
    assert answer.redirect_chain == [("/create/", 302), (f"/create/?from={made}#{made}", 302)]
    assert "a fox of the dashboard" in answer.content.decode()


def test_places_that_are_empty_again_say_so_in_a_line(browser: Client, draw: Draw) -> None:
    draw()
    Generation.objects.update(deleted_at=timezone.now(), created_at=timezone.now() - timedelta(days=50))
    text = text_of(browser.get(PAGE))
    assert "Make your first image" not in text
    assert "Nothing in the last 30 days." in text
    assert "None to show." in text
    assert "None yet. Create a key and send the first request" in text
    assert "Images 1 1 credit" in text_of(browser.get(f"{PAGE}?days=90"))


def test_grants_tell_when_they_expire(browser: Client, wallet: Wallet) -> None:
    end = timezone.now() + timedelta(days=20)
    books.grant(
        wallet=wallet,
        credits=100,
        source=CreditGrant.Source.PLAN,
        reference="test:plan",
        cause="test",
        expires_at=end,
    )
    text = text_of(browser.get(PAGE))
    assert f"Credits 103 100 Plan period Use by {end.day} {end:%B %Y}" in text


def test_many_grants_are_cut_short(browser: Client, give: Callable[[int], None]) -> None:
    for credits in (11, 12, 13, 14):
        give(credits)
    text = text_of(browser.get(PAGE))
    assert "13 Granted by staff" in text
    assert "14 Granted by staff" not in text
    assert "And 1 more." in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "active"}, "Price $29.00 USD a month Brings 400 credits a month Renews on 1 May 2040"),
        (
            {"status": "active", "cancel_at": "2040-05-01T00:00:00Z"},
            "Cancelled Price $29.00 USD a month Brings 400 credits a month Ends on",
        ),
        ({"status": "past_due"}, "Pro: a payment needs your attention. Your last payment did not go through."),
    ],
)
def test_the_plan_and_what_is_wrong_with_it_is_told(
    browser: Client, wallet: Wallet, pro: Plan, fields: dict[str, str], words: str
) -> None:
    account = StripeAccount.objects.create(stripe_id="acct_1", livemode=False, installation=identity.installation())
    price = Price.objects.create(
        stripe_id="price_1", account=account, plan=pro, amount=2900, currency="usd", interval="month", credits=400
    )
    paid = {"account": account, "plan": pro, "price": price, "period_end": "2040-05-01T00:00:00Z"}
    Subscription.objects.create(wallet=wallet, stripe_id="sub_1", **paid, **fields)
    assert words in text_of(browser.get(PAGE))


def test_without_credits_the_next_step_is_to_get_some(browser: Client, wallet: Wallet) -> None:
    books.take(wallet=wallet, credits=3, reference="test:all", cause="test")
    text = text_of(browser.get(PAGE))
    assert "You have no credits left." in text
    assert "Add credits" in text
    assert "Create an image" not in text
    assert "Make your first image" not in text


def test_a_site_that_sells_nothing_does_not_send_one_shopping(browser: Client, wallet: Wallet, settings: Any) -> None:
    settings.PAYMENTS = False
    books.take(wallet=wallet, credits=3, reference="test:all", cause="test")
    text = text_of(browser.get(PAGE))
    assert "This site sells none yet" in text
    assert "Add credits" not in text


# --- What one used


def test_usage_tells_studio_api_and_failed_apart(browser: Client, draw: Draw, key: ApiKey) -> None:
    draw()
    draw(api_key=key)
    draw(api_key=key, until="queued")
    draw(until="failed")
    answer = browser.get(PAGE)
    assert_well_made(answer.content.decode())
    assert "Images 3 3 credits Studio 1 API 2 Failed 1 Not charged" in text_of(answer)
    today = timezone.now()
    words = f"{today.day} {today:%B %Y}: 1 in the studio, 2 over the API, 1 failed, not charged"
    assert f"<title>{words}</title>" in answer.content.decode()


def test_the_chart_is_described_and_has_a_table_beside_it(browser: Client, draw: Draw) -> None:
    draw()
    html = browser.get(PAGE).content.decode()
    assert 'role="img"' in html
    assert "1 images in the studio and 0 over the API in the last 30 days." in html
    table = html.partition('<table class="days">')[2].partition("</table>")[0]
    assert table.count('<th scope="row">') == 30


@pytest.mark.parametrize(("query", "days"), [("?days=7", 7), ("?days=90", 90), ("", 30), ("?days=9\x00", 30)])
def test_the_address_chooses_the_range(browser: Client, draw: Draw, query: str, days: int) -> None:
    draw()
    html = browser.get(PAGE + query).content.decode()
    assert html.count('class="chart-day"') == days
    assert re.search(rf'id="usage-{days}"[^>]* aria-current="true"', html)


def test_htmx_gets_the_usage_alone_but_the_whole_page_when_it_restores_history(browser: Client) -> None:
    part = browser.get(f"{PAGE}?days=7", headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<section class="usage"')
    assert "<html" not in part
    restored = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert_well_made(browser.get(f"{PAGE}?days=7", headers=restored).content.decode())


def test_the_file_has_the_range_that_the_page_shows(alice: User, draw: Draw) -> None:
    draw()
    draw(until="failed")

    async def download() -> tuple[Any, str]:
        client = AsyncClient()
        await client.aforce_login(alice)
        answer: Any = await client.get(CSV, {"days": "7"})
        return answer, b"".join([part async for part in answer.streaming_content]).decode()

    answer, text = asyncio.run(download())
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="reveweb-usage-7-days.csv"'
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 7
    assert rows[-1] == {
        "day": timezone.now().date().isoformat(),
        "studio_images": "1",
        "api_images": "0",
        "failed": "1",
        "credits": "1",
    }


@pytest.mark.parametrize("days", ["", "8", "30; DROP", "9" * 5000, "\x00"])
def test_a_file_of_a_range_that_there_is_not_is_refused(browser: Client, days: str) -> None:
    assert browser.get(CSV, {"days": days}).status_code == 400


@pytest.mark.parametrize("path", [PAGE, f"{CSV}?days=7"])
def test_a_stranger_is_asked_to_log_in(client: Client, db: None, path: str) -> None:
    assert client.get(path)["Location"].startswith("/accounts/login/?next=/dashboard/")


# --- The latest work


def test_recent_images_lead_to_their_pages(browser: Client, draw: Draw) -> None:
    drawn = [draw(f"image {number}") for number in range(8)]
    html = browser.get(PAGE).content.decode()
    strip = html.partition('<ul class="strip">')[2].partition("</ul>")[0]
    assert re.findall(r'href="/gallery/(\w+)/"', strip) == [one.public_id for one in drawn[:1:-1]]
    assert 'alt="image 7"' in strip


def test_recent_calls_tell_what_became_of_each(browser: Client, draw: Draw, key: ApiKey) -> None:
    draw("made in the studio")
    draw("over the API " + "x" * 400, api_key=key)
    draw("that one fails", api_key=key, until="failed")
    waiting = draw("on its way", api_key=key, until="queued")
    answer = browser.get(PAGE)
    calls = answer.content.decode().partition('<table class="table calls">')[2].partition("</table>")[0]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", calls))
    assert f"on its way Website {key.prefix}… Waiting" in text
    assert f"that one fails Website {key.prefix}… Failed The brush broke. Not charged." in text
    assert re.search(r"Made \d+\.\d s", text)
    assert f'href="/gallery/{waiting.public_id}/"' in calls
    assert "made in the studio" not in calls
    assert "x" * 100 not in calls


def test_what_was_thrown_away_is_counted_and_not_shown(browser: Client, draw: Draw, key: ApiKey) -> None:
    draw("a secret prompt", api_key=key)
    Generation.objects.update(deleted_at=timezone.now())
    answer = browser.get(PAGE)
    assert "a secret prompt" not in answer.content.decode()
    assert "Images 1 1 credit Studio 0 API 1" in text_of(answer)


def test_a_prompt_is_shown_as_text(browser: Client, draw: Draw, key: ApiKey) -> None:
    draw('<script>alert("x")</script>', api_key=key)
    assert "<script>alert" not in browser.get(PAGE).content.decode()


def test_nothing_of_anybody_else_is_on_it(strangers_browser: Client, draw: Draw, key: ApiKey) -> None:
    draw("a lighthouse of Alice's", api_key=key)
    html = strangers_browser.get(PAGE).content.decode()
    assert "of Alice" not in html
    assert "Make your first image" in html


# --- The first steps


def steps_of(answer: Any) -> dict[str, bool]:
    """Return the steps on a page and which are done."""
    part = answer.content.decode().partition('id="first-steps"')[2].partition("</section>")[0]
    found = re.findall(r'<li class="step([^"]*)">.*?class="step-title">(?:<a[^>]*>)?([^<]+)', part, re.S)
    return {title: "is-done" in classes for classes, title in found}


def test_the_first_steps_tick_themselves_and_go_when_all_are_done(
    browser: Client, wallet: Wallet, draw: Draw, alice: User
) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(balance=3)
    CreditGrant.objects.exclude(source=CreditGrant.Source.WELCOME).update(source=CreditGrant.Source.WELCOME)
    none = {"Make an image": False, "Create an API key": False, "Make a call": False, "Add credits": False}
    assert steps_of(browser.get(PAGE)) == none
    draw()
    assert steps_of(browser.get(PAGE)) == {**none, "Make an image": True}
    _, secret = keys.mint(user=alice, name="Website")
    assert steps_of(browser.get(PAGE))["Create an API key"]
    keys.verify(secret)
    assert steps_of(browser.get(PAGE)) == {**dict.fromkeys(none, True), "Add credits": False}
    CreditGrant.objects.update(source=CreditGrant.Source.PACK)
    assert steps_of(browser.get(PAGE)) == {}


def test_an_address_that_must_be_confirmed_is_a_step(browser: Client, alice: User, settings: Any) -> None:
    address = EmailAddress.objects.create(user=alice, email=alice.email, primary=True, verified=False)
    assert "Confirm your email" not in steps_of(browser.get(PAGE))
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    assert steps_of(browser.get(PAGE))["Confirm your email"] is False
    EmailAddress.objects.filter(pk=address.pk).update(verified=True)
    assert steps_of(browser.get(PAGE))["Confirm your email"] is True


def test_credits_come_first_where_there_are_none(browser: Client, wallet: Wallet) -> None:
    books.take(wallet=wallet, credits=3, reference="test:all", cause="test")
    assert next(iter(steps_of(browser.get(PAGE)))) == "Add credits"


def test_put_away_the_first_steps_stay_away_for_that_person_only(browser: Client, bob: User) -> None:
    answer = browser.post("/dashboard/first-steps/", follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert steps_of(answer) == {}
    assert browser.cookies["first_steps"]["httponly"]
    browser.force_login(bob)
    assert steps_of(browser.get(PAGE))


def test_putting_them_away_takes_a_post_with_its_token(alice: User) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(alice)
    assert careful.get("/dashboard/first-steps/")["Location"] == PAGE
    assert careful.post("/dashboard/first-steps/").status_code == 403


# --- Few queries


def test_the_page_takes_as_many_queries_with_a_lot_as_with_a_little(
    browser: Client, draw: Draw, key: ApiKey, give: Callable[[int], None]
) -> None:
    draw()
    draw(api_key=key)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(f"{PAGE}?days=90").status_code == 200
        return len(captured)

    assert queries() == QUERIES
    for number in range(12):
        give(5)
        draw(f"image {number}")
        draw(f"call {number}", api_key=keys.mint(user=key.user, name=f"key {number}")[0])
    Generation.objects.filter(pk__lt=20).update(created_at=timezone.now() - timedelta(days=40))
    assert queries() == QUERIES


# --- The chart


def bars_of(*days: Day) -> chart.Chart:
    return chart.of(Usage(list(days)))


@pytest.mark.parametrize(("most", "top"), [(0, 2), (1, 2), (3, 4), (5, 6), (7, 10), (11, 20), (99, 100), (4001, 6000)])
def test_the_scale_ends_at_a_round_number_with_a_whole_middle(most: int, top: int) -> None:
    assert bars_of(Day(timezone.now().date(), studio=most)).ticks == (top, top // 2, 0)
    assert top % 2 == 0


def test_a_bar_stands_on_the_line_and_its_parts_on_each_other() -> None:
    parts = bars_of(Day(timezone.now().date(), studio=5, api=3, failed=2)).bars[0].segments
    assert [(part.kind, part.y, part.height) for part in parts] == [
        ("studio", "50.000%", "50.000%"),
        ("api", "20.000%", "30.000%"),
        ("failed", "0.000%", "20.000%"),
    ]


def test_one_image_beside_ten_thousand_can_be_seen() -> None:
    today = timezone.now().date()
    bars = bars_of(Day(today, studio=10_000), Day(today, studio=1)).bars
    assert bars[1].segments[0].height == "1.200%"
