"""Dashboard → Billing: what one has is told truly, and every way to Stripe's pages is a POST that grants nothing."""

import asyncio
import csv
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from django.test import AsyncClient, Client
from django.utils import timezone

from accounts.models import User
from billing import gateway, patience
from billing.catalogue import products
from billing.ledger import statement
from billing.models import CreditEntry, CreditGrant, Order, Pack, Payment, Plan, Wallet
from billing.stripe import checkout
from generator.models import Generation
from tests.billing import books
from tests.pages.test_frame import assert_well_made
from tests.payments.conftest import DECLINED, FAILS_LATER, SITE, Customer, Desk, deliver

PAGE = "/dashboard/billing/"
HISTORY = f"{PAGE}history/"
CHECKOUT = f"{PAGE}checkout/"
CHANGE = f"{PAGE}change-plan/"
SUCCESS = f"{PAGE}success/"


def text_of(answer: Any) -> str:
    """Return a page's main words with their spaces made single."""
    main = answer.content.decode().partition("<main")[2].partition("</main")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", "<main" + main)).replace("&#x27;", "'").replace("&quot;", '"')


@pytest.fixture
def basic(customer: Customer) -> Plan:
    return Plan.objects.get(slug="basic")


@pytest.fixture
def pack(customer: Customer) -> Pack:
    return Pack.objects.get(slug="pack-50")


@pytest.fixture
def subscriber(customer: Customer, basic: Plan) -> Customer:
    """Alice with Basic."""
    customer.pay(basic)
    customer.follow()
    return customer


# --- What one has


def test_a_new_account_sees_its_welcome_credits_and_what_it_can_buy(browser: Client, catalogue: None) -> None:
    answer = browser.get(PAGE)
    assert_well_made(answer.content.decode())
    text = text_of(answer)
    assert "Credits 3 3 Welcome credits Never expire" in text
    assert "Plan Free Price Nothing Brings 3 credits, once API limit 10 requests a minute" in text
    assert "Choose Basic" in text
    assert "Payments" not in text
    assert "Card, invoices" not in text


def test_the_plan_with_its_price_and_renewal_is_shown(browser: Client, subscriber: Customer) -> None:
    answer = browser.get(PAGE)
    assert_well_made(answer.content.decode())
    end = subscriber.subscription.period_end
    assert end
    assert (
        f"Plan Basic Price $9.00 USD a month Brings 100 credits a month Renews on {end.day} {end:%B %Y} "
        "API limit 30 requests a minute Card Under “Manage at Stripe” … Manage at Stripe Cancel plan" in text_of(answer)
    )


def test_a_subscriber_sees_the_price_they_came_in_at(browser: Client, subscriber: Customer) -> None:
    Plan.objects.filter(slug="basic").update(price=1900)
    assert "Price $9.00 USD a month" in text_of(browser.get(PAGE))


def test_a_cancelled_plan_says_when_it_ends(browser: Client, subscriber: Customer) -> None:
    gateway.update_subscription(subscriber.subscription.stripe_id, {"cancel_at_period_end": True})
    subscriber.follow()
    end = subscriber.subscription.cancel_at
    assert end
    text = text_of(browser.get(PAGE))
    assert "Basic Cancelled" in text
    assert f"Ends on {end.day} {end:%B %Y}" in text
    assert "Renews on" not in text


def test_a_payment_that_failed_is_told_with_the_way_to_mend_it(
    browser: Client, subscriber: Customer, pro: Plan, desk: Desk
) -> None:
    desk(f"customers/{subscriber.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{subscriber.subscription.stripe_id}/renew")
    subscriber.follow()
    answer = browser.get(PAGE)
    assert_well_made(answer.content.decode())
    text = text_of(answer)
    assert "Your last payment did not go through." in text
    assert "See to it at Stripe" in text
    assert "Change to Pro" not in text


def test_grants_stand_in_the_order_in_which_they_are_spent(browser: Client, wallet: Wallet) -> None:
    soon, later = timezone.now() + timedelta(days=3), timezone.now() + timedelta(days=30)
    for source, expires_at in (("pack", None), ("plan", later), ("staff", soon)):
        books.grant(
            wallet=wallet,
            credits=5,
            source=CreditGrant.Source(source),
            reference=source,
            cause="x",
            expires_at=expires_at,
        )
    books.take(wallet=wallet, credits=1, reference="taken", cause="x")
    text = text_of(browser.get(PAGE))
    told = re.findall(r"\d+(?: of \d+)? (?:Granted by staff|Plan period|Welcome credits|Credit pack)", text)
    assert told == ["4 of 5 Granted by staff", "5 Plan period", "3 Welcome credits", "5 Credit pack"]
    assert f"Use by {soon.day} {soon:%B %Y, %H:%M} UTC" in text
    assert f"Use by {later.day} {later:%B %Y}" in text


def test_an_empty_grant_is_not_shown(browser: Client, wallet: Wallet) -> None:
    books.take(wallet=wallet, credits=3, reference="taken", cause="x")
    text = text_of(browser.get(PAGE))
    assert "You have none left." in text
    assert "Welcome credits" not in text.partition("Credit history")[0]


def test_disputed_credits_are_flagged_until_the_dispute_is_over(
    browser: Client, customer: Customer, pack: Pack, desk: Desk
) -> None:
    session = customer.pay(pack)
    customer.follow()
    dispute = desk(f"charges/{customer.charge(f'checkout:{session}')}/dispute")["id"]
    customer.follow()
    text = text_of(browser.get(PAGE))
    assert "Held back Credit pack Your bank questions the payment for 50 credits." in text
    assert "50 credits $6.00 USD Disputed" in text
    desk(f"disputes/{dispute}/close", won=False)
    customer.follow()
    text = text_of(browser.get(PAGE))
    assert "Held back" not in text
    assert "Returned by the bank" in text


def test_a_refund_is_shown_with_its_payment(browser: Client, customer: Customer, pack: Pack, desk: Desk) -> None:
    session = customer.pay(pack)
    customer.follow()
    charge = customer.charge(f"checkout:{session}")
    desk(f"charges/{charge}/refund", amount=200)
    customer.follow()
    assert "50 credits $6.00 USD Partly refunded $2.00 USD" in text_of(browser.get(PAGE))
    desk(f"charges/{charge}/refund")
    customer.follow()
    assert "50 credits $6.00 USD Refunded" in text_of(browser.get(PAGE))


def test_a_plan_given_by_staff_says_that_it_costs_nothing(browser: Client, wallet: Wallet, pro: Plan) -> None:
    Wallet.objects.filter(pk=wallet.pk).update(plan=pro)
    assert "Plan Pro Price Nothing: it was given to you API limit 30 requests a minute" in text_of(browser.get(PAGE))


# --- Buying


def test_what_is_bought_is_named_before_stripes_page(browser: Client, basic: Plan) -> None:
    answer = browser.get(CHECKOUT, {"kind": "plan", "slug": "basic"})
    assert_well_made(answer.content.decode())
    assert "$9.00 USD a month, until you cancel. 100 credits each month" in text_of(answer)
    assert not Order.objects.exists()


def test_buying_leads_to_stripes_checkout(browser: Client, customer: Customer, pack: Pack) -> None:
    answer = browser.post(CHECKOUT, {"kind": "pack", "slug": "pack-50"})
    assert answer.status_code == 303
    assert answer["Location"] == Order.objects.get().url
    assert "/stripe/checkout/cs_test_" in answer["Location"]
    assert customer.balance == 3


def test_a_look_alone_starts_no_checkout_and_opens_no_portal(browser: Client, basic: Plan) -> None:
    assert browser.get(f"{PAGE}portal/")["Location"] == PAGE
    browser.get(CHECKOUT, {"kind": "plan", "slug": "basic"})
    assert not Order.objects.exists()


def test_another_sites_form_is_refused(alice: User, catalogue: None) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    for path in (CHECKOUT, CHANGE, f"{PAGE}portal/"):
        assert strict.post(path, {"kind": "plan", "slug": "basic"}).status_code == 403


@pytest.mark.parametrize(
    ("kind", "slug"),
    [("plan", "free"), ("plan", "nothing"), ("pack", "basic"), ("", ""), ("pack", "\x00"), ("x", "basic")],
)
def test_what_is_not_for_sale_is_said_in_words(browser: Client, catalogue: None, kind: str, slug: str) -> None:
    for ask in (browser.get, browser.post):
        answer = ask(CHECKOUT, {"kind": kind, "slug": slug}, follow=True)
        assert answer.redirect_chain == [("/pricing/", 302)]
        assert "That is not for sale." in text_of(answer)


def test_a_retired_pack_is_not_sold(browser: Client, pack: Pack) -> None:
    Pack.objects.filter(pk=pack.pk).update(active=False)
    browser.post(CHECKOUT, {"kind": "pack", "slug": pack.slug})
    assert not Order.objects.exists()


def test_a_second_plan_is_refused_in_words(browser: Client, subscriber: Customer) -> None:
    answer = browser.post(CHECKOUT, {"kind": "plan", "slug": "basic"}, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "You have a plan already" in text_of(answer)
    assert browser.get(CHECKOUT, {"kind": "plan", "slug": "basic"})["Location"] == PAGE


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (gateway.PaymentUnavailable("timed out"), "Stripe can't be reached at the moment. Nothing was charged"),
        (gateway.PaymentRefused("No such price."), "Stripe did not accept that, and nothing changed."),
    ],
)
def test_trouble_with_stripe_is_told_in_words(
    browser: Client, pack: Pack, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(gateway, "create_checkout", fail)
    monkeypatch.setattr(gateway, "create_portal", fail)
    for path in (CHECKOUT, f"{PAGE}portal/"):
        answer = browser.post(path, {"kind": "pack", "slug": "pack-50"}, follow=True)
        assert answer.redirect_chain == [(PAGE, 302)]
        assert words in text_of(answer)


def test_the_portal_opens_for_the_accounts_own_customer(browser: Client, subscriber: Customer) -> None:
    answer = browser.post(f"{PAGE}portal/")
    assert answer.status_code == 303
    assert "/stripe/portal/bps_" in answer["Location"]


# --- After the checkout


def test_the_page_waits_for_stripe_and_grants_nothing_itself(browser: Client, customer: Customer, pack: Pack) -> None:
    session = customer.pay(pack)
    for _ in range(3):
        answer = browser.get(SUCCESS, {"session": session})
    assert_well_made(answer.content.decode())
    assert "Confirming your payment" in text_of(answer)
    assert customer.balance == 3
    assert not Payment.objects.exists()
    customer.follow()
    answer = browser.get(SUCCESS, {"session": session})
    assert_well_made(answer.content.decode())
    assert "Thank you. 50 credits added 50 credits, $6.00 USD. You now have 53 credits." in text_of(answer)
    for _ in range(3):
        browser.get(SUCCESS, {"session": session})
    assert customer.balance == 53


def test_a_script_is_told_the_same(browser: Client, customer: Customer, pack: Pack) -> None:
    session = customer.pay(pack)
    body = browser.get(f"{SUCCESS}state/", {"session": session}).json()
    assert (body["state"], body["done"]) == ("waiting", False)
    customer.follow()
    answer = browser.get(f"{SUCCESS}state/", {"session": session})
    body = answer.json()
    assert (body["state"], body["done"]) == ("paid", True)
    assert "50 credits added" in body["html"]
    assert "no-store" in answer["Cache-Control"]


def test_a_plan_is_paid_only_once_its_credits_are_there(browser: Client, customer: Customer, basic: Plan) -> None:
    session = customer.pay(basic)
    news = customer.news()
    deliver([event for event in news if event["type"] == "checkout.session.completed"])
    assert "Confirming your payment" in text_of(browser.get(SUCCESS, {"session": session}))
    deliver(news)
    assert "Thank you. 100 credits added Basic, $9.00 USD." in text_of(browser.get(SUCCESS, {"session": session}))


def test_a_later_renewal_does_not_change_what_an_order_brought(
    browser: Client, subscriber: Customer, desk: Desk
) -> None:
    session = Order.objects.get().stripe_session_id
    assert session
    desk(f"subscriptions/{subscriber.subscription.stripe_id}/renew")
    subscriber.follow()
    first = Payment.objects.order_by("pk").first()
    assert browser.get(SUCCESS, {"session": session}).context["progress"].payment == first


@pytest.mark.parametrize(
    ("method", "in_the_end"),
    [("bank_debit_succeeds", "50 credits added"), ("bank_debit_fails", "The payment did not go through")],
)
def test_a_bank_debit_is_on_its_way_until_it_is_not(
    browser: Client, customer: Customer, pack: Pack, desk: Desk, method: str, in_the_end: str
) -> None:
    session = customer.pay(pack, method)
    customer.follow()
    assert "Your bank’s payment is on its way" in text_of(browser.get(SUCCESS, {"session": session}))
    assert "50 credits – On its way" in text_of(browser.get(PAGE))
    desk("clock/advance", days=4)
    customer.follow()
    answer = browser.get(SUCCESS, {"session": session})
    assert_well_made(answer.content.decode())
    assert in_the_end in text_of(answer)
    assert "On its way" not in text_of(browser.get(PAGE))


def test_a_checkout_that_ended_unpaid_says_so(browser: Client, customer: Customer, basic: Plan) -> None:
    checkout.start(wallet=customer.wallet, product=basic, site=SITE)
    Order.objects.update(status=Order.Status.EXPIRED)
    session = Order.objects.get().stripe_session_id
    assert session
    assert "This checkout has ended" in text_of(browser.get(SUCCESS, {"session": session}))


def test_a_strangers_checkout_and_an_unknown_one_are_not_shown(
    strangers_browser: Client, customer: Customer, pack: Pack
) -> None:
    session = customer.pay(pack)
    customer.follow()
    for wanted in (session, "cs_made_up", "", "\x00", "x" * 3000):
        for path in (SUCCESS, f"{SUCCESS}state/"):
            answer = strangers_browser.get(path, {"session": wanted})
            assert answer.status_code == 404
            assert "50 credits" not in answer.content.decode()


# --- Changing the plan


def test_a_change_is_explained_and_then_made(browser: Client, subscriber: Customer, pro: Plan) -> None:
    answer = browser.get(CHANGE, {"slug": "pro"})
    assert_well_made(answer.content.decode())
    text = text_of(answer)
    assert "From Basic, 100 credits a month, to Pro, 400 credits a month for $29.00 USD." in text
    assert re.search(r"You pay the difference for the rest of this period now: about \$(20.00|19.99) USD", text)
    assert re.search(r"About (299|300) credits are added now", text)
    assert subscriber.news() == []
    answer = browser.post(CHANGE, {"slug": "pro"})
    assert answer["Location"] == f"{PAGE}?settling=1"
    assert "Stripe is moving you to Pro." in text_of(browser.get(PAGE))
    subscriber.follow()
    assert "Plan Pro Price $29.00 USD" in text_of(browser.get(PAGE))


def test_a_smaller_plan_takes_nothing_and_pays_nothing_back(browser: Client, subscriber: Customer, pro: Plan) -> None:
    for slug in ("pro", "basic"):
        before = subscriber.balance
        text = text_of(browser.get(CHANGE, {"slug": slug}))
        browser.post(CHANGE, {"slug": slug})
        subscriber.follow()
    assert "You pay nothing now, and nothing is paid back. You keep today’s credits" in text
    assert subscriber.balance == before


def test_going_up_and_down_again_gives_no_credits_away(browser: Client, subscriber: Customer, pro: Plan) -> None:
    for slug in ("pro", "basic", "pro"):
        browser.post(CHANGE, {"slug": slug})
        subscriber.follow()
    for payment in subscriber.wallet.payments.select_related("grant"):
        assert payment.grant
        assert payment.amount >= 6 * payment.grant.amount  # cents: no cheaper than the plans' own difference


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (DECLINED, "Your card's bank declined the payment. Ask them why"),
        ("4000000000009995", "There is not enough money on your card."),
    ],
)
def test_an_upgrade_that_cannot_be_paid_changes_nothing_and_says_why(
    browser: Client, subscriber: Customer, pro: Plan, desk: Desk, card: str, words: str
) -> None:
    desk(f"customers/{subscriber.id}/card", number=card)
    answer = browser.post(CHANGE, {"slug": "pro"}, follow=True)
    assert f"{words}" in text_of(answer)
    assert "Nothing was charged, and nothing changed." in text_of(answer)
    subscriber.follow()
    assert subscriber.subscription.status == "active"
    assert subscriber.plan == Plan.objects.get(slug="basic")
    assert subscriber.balance == 103


def test_an_upgrade_that_got_no_answer_is_not_said_to_have_cost_nothing(
    browser: Client, subscriber: Customer, pro: Plan, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was done, and its answer is lost; pressing again pays nothing twice."""
    products.current_price(pro)
    real = gateway.update_subscription

    def cut_off(*arguments: Any) -> Any:
        monkeypatch.setattr(patience, "CLICK_TRY_SECONDS", 0.3)
        desk("api/fail", times=3, performed=True, status=503, seconds=2)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "update_subscription", cut_off)
        text = text_of(browser.post(CHANGE, {"slug": "pro"}, follow=True))
    assert "it is not certain whether this was done" in text
    assert "Nothing was charged" not in text
    desk("api/fail", times=0)
    patience.STRIPE.reset()
    monkeypatch.setattr(patience, "CLICK_TRY_SECONDS", 4)
    browser.post(CHANGE, {"slug": "pro"})
    subscriber.follow()
    assert subscriber.plan == pro
    upgrades = subscriber.wallet.payments.filter(amount__gt=0).exclude(description="Basic")
    assert upgrades.count() == 1


def test_a_cancelled_plan_says_that_it_stays_cancelled(browser: Client, subscriber: Customer, pro: Plan) -> None:
    gateway.update_subscription(subscriber.subscription.stripe_id, {"cancel_at_period_end": True})
    subscriber.follow()
    assert "Your plan stays cancelled" in text_of(browser.get(CHANGE, {"slug": "pro"}))


def test_from_a_year_to_a_month_is_not_offered(browser: Client, subscriber: Customer, pro: Plan) -> None:
    yearly = Plan.objects.create(slug="yearly", name="Yearly", credits=1200, price=9000, interval="year", order=3)
    answer = browser.get(CHANGE, {"slug": "yearly"})
    assert "A new year begins today." in text_of(answer)
    browser.post(CHANGE, {"slug": "yearly"})
    subscriber.follow()
    assert subscriber.plan == yearly
    assert browser.get(CHANGE, {"slug": "pro"})["Location"] == PAGE


def test_what_a_change_means_is_told_from_what_stripe_says_now(
    browser: Client, subscriber: Customer, pro: Plan
) -> None:
    gateway.update_subscription(subscriber.subscription.stripe_id, {"cancel_at_period_end": True})
    assert subscriber.subscription.cancel_at is None  # its event is still on the way
    assert "Your plan stays cancelled" in text_of(browser.get(CHANGE, {"slug": "pro"}))


def test_what_a_change_means_is_told_while_stripe_is_away(
    browser: Client, subscriber: Customer, pro: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> NoReturn:
        raise gateway.PaymentUnavailable("no network")

    monkeypatch.setattr(gateway, "retrieve_subscription", away)
    assert "Change to Pro?" in text_of(browser.get(CHANGE, {"slug": "pro"}))


@pytest.mark.parametrize("slug", ["basic", "free", "nothing", "", "\x00"])
def test_there_is_no_change_to_the_same_plan_or_to_none(browser: Client, subscriber: Customer, slug: str) -> None:
    for ask in (browser.get, browser.post):
        answer = ask(CHANGE, {"slug": slug}, follow=True)
        assert answer.redirect_chain == [(PAGE, 302)]
        assert "Your plan can't be changed to that one." in text_of(answer)


def test_an_open_page_learns_that_the_subscription_changed(browser: Client, subscriber: Customer) -> None:
    shown = browser.get(f"{PAGE}?settling=1")
    assert "js/settling." in shown.content.decode()
    assert browser.get(f"{PAGE}state/").json() == {"state": shown.context["state"]}
    gateway.update_subscription(subscriber.subscription.stripe_id, {"cancel_at_period_end": True})
    subscriber.follow()
    assert browser.get(f"{PAGE}state/").json() != {"state": shown.context["state"]}


# --- The history


def lines_of(answer: Any) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", answer.content.decode().partition("<tbody")[2], re.DOTALL)
    return [[re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip()] for row in rows]


def test_each_line_names_its_cause_and_leads_to_it(
    browser: Client, draw: Callable[..., Generation], customer: Customer, pack: Pack
) -> None:
    session = customer.pay(pack)
    customer.follow()
    completed, failed, queued = (draw(until=until) for until in ("completed", "failed", "queued"))
    answer = browser.get(HISTORY)
    assert_well_made(answer.content.decode())
    html = answer.content.decode()
    for generation in (completed, failed, queued):
        assert f'href="/gallery/{generation.public_id}/"' in html
    assert f'href="{SUCCESS}?session={session}"' in html
    told = [line[0] for line in lines_of(answer)]
    assert re.match(r"a lighthouse Set aside −1 101 \d+ \w+ \d{4}, \d\d:\d\d UTC", told[0])
    assert told[1].startswith("Returned: The brush broke. Returned · a lighthouse +1 102 ")
    assert told[2].startswith("a lighthouse Set aside, came back −1 101 ")
    assert told[3].startswith("a lighthouse Spent −1 102 ")
    assert told[4].startswith("50 credits bought Granted +50 103 ")
    assert told[5].startswith("test Granted +50 53 ")
    assert told[6].startswith("Welcome to reveweb Granted +3 3 ")
    assert len(told) == 7


def test_the_shown_amounts_add_up_to_the_balance(browser: Client, draw: Callable[..., Generation]) -> None:
    for until in ("completed", "failed", "completed", "queued"):
        draw(until=until)
    answer = browser.get(HISTORY)
    amounts = [line.entry.amount for line in answer.context["page"].lines]
    assert sum(amounts) == answer.context["balance"] == 50


def test_a_long_history_comes_fifty_at_a_time_and_loses_no_line(
    browser: Client, wallet: Wallet, django_assert_max_num_queries: Any
) -> None:
    for number in range(119):
        books.grant(
            wallet=wallet,
            credits=1,
            source=CreditGrant.Source.STAFF,
            reference=f"gift:{number}",
            cause=f"gift {number}",
        )
    seen, sizes, address = [], [], HISTORY
    while address:
        with django_assert_max_num_queries(6):
            answer = browser.get(address)
        page = answer.context["page"]
        seen += [line.entry.pk for line in page.lines]
        sizes.append(len(page.lines))
        address = f"{HISTORY}?before={page.older}" if page.older else ""
    assert sizes == [50, 50, 20]
    assert seen == sorted(CreditEntry.objects.values_list("pk", flat=True), reverse=True)


@pytest.mark.parametrize("before", ["0", "1", "x", "-5", "9" * 40, "²", "\x00"])
def test_a_made_up_place_in_the_history_is_no_error(browser: Client, wallet: Wallet, before: str) -> None:
    assert browser.get(HISTORY, {"before": before}).status_code == 200


def test_nobody_sees_anothers_billing(strangers_browser: Client, subscriber: Customer, bob: User) -> None:
    for path in (PAGE, HISTORY):
        text = text_of(strangers_browser.get(path))
        assert "Basic: credits" not in text
        assert "$9.00 USD Paid" not in text
    assert {row[4] for row in download(bob)[1:]} == {"3"}


def test_the_file_has_every_entry(alice: User, wallet: Wallet, draw: Callable[..., Generation]) -> None:
    generation = draw()
    rows = download(alice)
    assert rows[0] == list(statement.CSV_HEAD)
    assert [(row[2], row[3], row[4]) for row in rows[1:]] == [
        ("settle", "0", "52"),
        ("hold", "-1", "52"),
        ("grant", "50", "53"),
        ("grant", "3", "3"),
    ]
    assert rows[2][6] == f"generation:{generation.public_id}"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", rows[1][0])


def test_the_file_is_read_in_parts_and_whole(
    alice: User, wallet: Wallet, give: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement, "CSV_CHUNK", 4)
    for _ in range(10):
        give(1)
    assert len(download(alice)) == 1 + 11


@pytest.mark.parametrize("cause", ['=HYPERLINK("http://evil")', "+1+1", "-1+1", "@SUM(A1)", "\t=1+1"])
def test_a_cause_that_a_spreadsheet_would_run_is_defused(alice: User, wallet: Wallet, cause: str) -> None:
    books.grant(wallet=wallet, credits=1, source=CreditGrant.Source.STAFF, reference="x", cause=cause)
    shown = download(alice)[1][5]
    assert shown[0] == "'"
    assert shown.replace("'", "") == cause.replace("'", "")


@pytest.mark.parametrize(
    ("reference", "link"),
    [
        ("generation:img_1", "/gallery/img_1/"),
        ("generation:img_1:outcome", "/gallery/img_1/"),
        ("checkout:cs_1", f"{SUCCESS}?session=cs_1"),
        ("invoice:in_1", f"{PAGE}#payments"),
        ("refund:ch_1:500", f"{PAGE}#payments"),
        ("dispute:du_1", f"{PAGE}#payments"),
        ("welcome:1", ""),
        ("generation:", ""),
        ("generation:../x", ""),
        ("staff:grant:1", ""),
    ],
)
def test_a_reference_leads_to_what_it_names(reference: str, link: str) -> None:
    assert statement.cause_link(reference) == link


def test_an_images_line_leads_to_the_image(
    browser: Client, strangers_browser: Client, draw: Callable[..., Generation]
) -> None:
    completed, failed, queued = (draw(until=until) for until in ("completed", "failed", "queued"))
    answer = browser.get(f"/gallery/{completed.public_id}/")
    assert_well_made(answer.content.decode())
    assert completed.file_token in answer.content.decode()
    assert "The brush broke." in browser.get(f"/gallery/{failed.public_id}/").content.decode()
    assert browser.get(f"/gallery/{queued.public_id}/")["Location"] == f"/create/#{queued.public_id}"
    assert strangers_browser.get(f"/gallery/{completed.public_id}/").status_code == 404


@pytest.mark.parametrize("path", [PAGE, HISTORY, f"{HISTORY[:-1]}.csv", f"{PAGE}state/", f"{SUCCESS}?session=cs_1"])
def test_a_stranger_logs_in_first(client: Client, db: None, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=/dashboard/billing/")


def test_a_declined_card_leaves_the_order_open(browser: Client, customer: Customer, pack: Pack) -> None:
    session = customer.pay(pack, DECLINED)
    customer.follow()
    assert "Confirming your payment" in text_of(browser.get(SUCCESS, {"session": session}))
    assert customer.balance == 3


def download(user: User) -> list[list[str]]:
    """Return the rows of the user's history as a file."""

    async def read() -> str:
        client = AsyncClient()
        await client.aforce_login(user)
        answer: Any = await client.get(f"{PAGE}history.csv")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"] == 'attachment; filename="reveweb-credits.csv"'
        return "".join([part.decode() async for part in answer.streaming_content])

    return list(csv.reader(asyncio.run(read()).splitlines()))
