"""What Billing shows of Stripe and does there: the card on file, invoices, cancelling and going on, codes and taxes."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from django.test import Client

from accounts.models import User
from billing import gateway, ledger
from billing.models import CreditEntry, OutgoingMail, Pack, Payment, Plan, StripeAccount
from billing.outbox import rendering
from tests.pages.test_billing_page import CHECKOUT, PAGE, text_of
from tests.pages.test_frame import assert_well_made
from tests.payments.conftest import FAILS_LATER, SITE, Customer, Desk

CARD, CANCEL, RESUME = f"{PAGE}card/", f"{PAGE}cancel/", f"{PAGE}resume/"


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


@pytest.fixture
def stripe_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody reach Stripe from now on."""

    def fail(*_: object, **__: object) -> None:
        raise gateway.PaymentUnavailable("timed out")

    monkeypatch.setattr(gateway, "_call", fail)


def fragment(browser: Client) -> str:
    answer = browser.get(CARD)
    assert answer.status_code == 200
    assert answer["Cache-Control"].startswith("max-age=0")
    return text_of_part(answer)


def text_of_part(answer: Any) -> str:
    return text_of(type("Answer", (), {"content": b"<main>" + answer.content + b"</main>"})).strip()


def end_of(customer: Customer) -> str:
    end = customer.subscription.period_end
    assert end
    return f"{end.day} {end:%B %Y}"


# --- The card on file


def test_the_card_of_a_plan_is_named_with_when_it_runs_out(browser: Client, subscriber: Customer, desk: Desk) -> None:
    year = datetime.now(UTC).year + 4
    assert fragment(browser) == f"Card Visa ending in 4242 Runs out 12/{year}"
    desk(f"customers/{subscriber.id}/card", number="5555555555554444")
    assert fragment(browser) == f"Card Mastercard ending in 4444 Runs out 12/{year}"


def test_a_card_that_has_run_out_says_so(
    browser: Client, subscriber: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = {"brand": "amex", "last4": "0005", "exp_month": 2, "exp_year": 2024}
    monkeypatch.setattr(gateway, "glance_at_method", lambda *_: {"id": "pm_1", "type": "card", "card": card})
    assert fragment(browser) == "Card American Express ending in 0005 Expired Ran out 02/2024"
    monkeypatch.setattr(gateway, "glance_at_method", lambda *_: {"id": "pm_1", "type": "sepa_debit"})
    assert fragment(browser) == "Card Sepa debit"


def test_who_bought_a_pack_only_has_no_card_on_file(browser: Client, customer: Customer, pack: Pack) -> None:
    customer.pay(pack)
    customer.follow()
    assert fragment(browser) == "Card None on file"


def test_the_page_itself_waits_for_nobody(browser: Client, subscriber: Customer, stripe_is_away: None) -> None:
    html = browser.get(PAGE).content.decode()
    assert_well_made(html)
    assert f'hx-get="{CARD}" hx-trigger="load"' in html
    assert fragment(browser) == "Card Stripe does not answer at the moment. Try again"


def test_nobody_is_asked_about_a_card_of_somebody_who_never_bought(browser: Client, catalogue: None) -> None:
    assert "hx-get" not in browser.get(PAGE).content.decode()


# --- Invoices and receipts


def document(browser: Client, payment: Payment) -> Any:
    return browser.get(f"{PAGE}payments/{payment.pk}/", follow=False)


def test_each_payment_has_its_invoice_as_a_file(browser: Client, subscriber: Customer, pack: Pack) -> None:
    subscriber.pay(pack)
    subscriber.follow()
    html = browser.get(PAGE).content.decode()
    totals = []
    for payment in subscriber.wallet.payments.order_by("pk"):
        assert f'href="{PAGE}payments/{payment.pk}/"' in html
        answer = document(browser, payment)
        assert answer.status_code == 302
        file = httpx.get(answer["Location"])
        assert file.headers["Content-Type"] == "application/pdf"
        totals.append([line for line in (b"Total: 9.00 USD", b"Total: 6.00 USD") if line in file.content])
    assert totals == [[b"Total: 9.00 USD"], [b"Total: 6.00 USD"]]


def test_a_payment_from_before_invoices_has_its_receipt(
    browser: Client, customer: Customer, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing.stripe.checkout_options.of_purchase", lambda _: {})
    customer.pay(pack)
    customer.follow()
    address = document(browser, customer.wallet.payments.get())["Location"]
    assert "/stripe/receipt/ch_" in address
    assert "6.00 USD" in httpx.get(address).text


def test_an_invoice_that_is_not_there_any_more_says_what_to_do(
    browser: Client, customer: Customer, settings: Any
) -> None:
    earlier = StripeAccount.objects.create(stripe_id="acct_earlier", livemode=False)
    payment = Payment.objects.create(
        wallet=customer.wallet,
        account=earlier,
        reference="invoice:in_of_an_earlier_account",
        amount=900,
        currency="usd",
        description="Basic",
    )
    settings.SUPPORT_EMAIL = "help@example.com"
    answer = browser.get(f"{PAGE}payments/{payment.pk}/", follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "There is no invoice for “Basic” at Stripe any more. Write to help@example.com" in text_of(answer)


def test_an_invoice_while_stripe_is_away_is_asked_for_again(
    browser: Client, subscriber: Customer, stripe_is_away: None
) -> None:
    answer = browser.get(f"{PAGE}payments/{subscriber.wallet.payments.get().pk}/", follow=True)
    assert "Your invoices are at Stripe, which can't be reached at the moment." in text_of(answer)


def test_invoices_are_ones_own(strangers_browser: Client, client: Client, subscriber: Customer) -> None:
    path = f"{PAGE}payments/{subscriber.wallet.payments.get().pk}/"
    assert strangers_browser.get(path).status_code == 404
    assert client.get(path)["Location"].startswith("/accounts/login/")


# --- Cancelling, and going on after all


def test_cancelling_says_first_what_happens_and_when(browser: Client, subscriber: Customer) -> None:
    with ledger.books(subscriber.wallet) as books:
        books.take(credits=43, reference="taken", cause="x")
    answer = browser.get(CANCEL)
    assert_well_made(answer.content.decode())
    text = text_of(answer)
    assert f"You keep Basic and its 57 credits until {end_of(subscriber)}; nothing more is charged." in text
    assert "Your other 3 credits are not touched" in text
    assert gateway.retrieve_subscription(subscriber.subscription.stripe_id)["cancel_at_period_end"] is False


def test_a_plan_is_cancelled_in_place_and_the_books_follow(browser: Client, subscriber: Customer) -> None:
    answer = browser.post(CANCEL, follow=True)
    assert answer.redirect_chain == [(f"{PAGE}?settling=1", 302)]
    assert "Basic is being cancelled." in text_of(answer)
    assert subscriber.subscription.cancel_at is None
    assert gateway.retrieve_subscription(subscriber.subscription.stripe_id)["cancel_at_period_end"] is True
    subscriber.follow()
    assert subscriber.subscription.cancel_at == subscriber.subscription.period_end
    text = text_of(browser.get(PAGE))
    assert f"Ends on {end_of(subscriber)}" in text
    assert "Resume Basic" in text
    assert "Cancel plan" not in text
    assert (subscriber.balance, browser.get(CANCEL)["Location"]) == (103, PAGE)


@pytest.mark.parametrize("by_the_portal", [False, True])
def test_a_cancelled_plan_goes_on_however_it_was_cancelled(
    browser: Client, subscriber: Customer, by_the_portal: bool
) -> None:
    stripe_id = subscriber.subscription.stripe_id
    if by_the_portal:
        end = subscriber.subscription.period_end
        assert end
        gateway.update_subscription(stripe_id, {"cancel_at": int(end.timestamp())})
    else:
        browser.post(CANCEL)
    subscriber.follow()
    answer = browser.get(RESUME)
    assert_well_made(answer.content.decode())
    assert f"On {end_of(subscriber)} you pay $9.00 USD and get 100 credits" in text_of(answer)
    assert "Nothing is charged today." in text_of(answer)
    assert "Basic goes on." in text_of(browser.post(RESUME, follow=True))
    now = gateway.retrieve_subscription(stripe_id)
    assert (now["cancel_at_period_end"], now["cancel_at"]) == (False, None)
    subscriber.follow()
    assert subscriber.subscription.cancel_at is None
    assert browser.get(RESUME)["Location"] == PAGE


def test_cancelling_and_going_on_twice_changes_nothing_more(browser: Client, subscriber: Customer) -> None:
    for path, cancelled in ((CANCEL, True), (CANCEL, True), (RESUME, False), (RESUME, False)):
        assert browser.post(path).status_code == 302
        now = gateway.retrieve_subscription(subscriber.subscription.stripe_id)
        assert now["cancel_at_period_end"] is cancelled


def test_a_plan_whose_payment_failed_can_be_cancelled_and_says_what_stays_open(
    browser: Client, subscriber: Customer, desk: Desk
) -> None:
    desk(f"customers/{subscriber.id}/card", number=FAILS_LATER)
    desk(f"subscriptions/{subscriber.subscription.stripe_id}/renew")
    subscriber.follow()
    assert subscriber.subscription.status == "past_due"
    assert "The payment that did not go through stays open" in text_of(browser.get(CANCEL))
    browser.post(CANCEL)
    subscriber.follow()
    assert subscriber.subscription.cancel_at is not None


@pytest.mark.parametrize("path", [CANCEL, RESUME])
def test_without_a_plan_there_is_nothing_to_cancel(browser: Client, catalogue: None, path: str) -> None:
    for ask in (browser.get, browser.post):
        answer = ask(path, follow=True)
        assert answer.redirect_chain == [(PAGE, 302)]
        assert "You have no plan that could" in text_of(answer)


@pytest.mark.parametrize("path", [CANCEL, RESUME])
def test_another_sites_form_cancels_nothing(alice: User, subscriber: Customer, path: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(path).status_code == 403


def test_cancelling_while_stripe_is_away_is_told(browser: Client, subscriber: Customer, stripe_is_away: None) -> None:
    assert "Stripe can't be reached at the moment." in text_of(browser.post(CANCEL, follow=True))


# --- Promotion codes and taxes


def promote(settings: Any, desk: Desk, percent: int) -> None:
    headers = {"Authorization": f"Bearer {settings.STRIPE_SECRET_KEY}"}
    coupon = {"id": f"off{percent}", "percent_off": str(percent), "duration": "once"}
    assert httpx.post(f"{desk.url}/v1/coupons", data=coupon, headers=headers).is_success
    code = {"code": "GIFT", "promotion[type]": "coupon", "promotion[coupon]": coupon["id"]}
    assert httpx.post(f"{desk.url}/v1/promotion_codes", data=code, headers=headers).is_success


def redeem(browser: Client, kind: str, slug: str) -> None:
    address = browser.post(CHECKOUT, {"kind": kind, "slug": slug})["Location"]
    assert httpx.post(address, data={"code": "gift", "apply": "yes"}).status_code == 303
    answer = httpx.post(address, data={"card": "4242 4242 4242 4242"})
    assert answer.headers["Location"].startswith(("http://testserver/", SITE))


@pytest.mark.parametrize(("percent", "amounts", "told"), [(50, [300, 450], "$3.00 USD"), (100, [0, 0], "$0.00 USD")])
def test_what_is_bought_with_a_code_brings_all_of_its_credits(
    browser: Client, customer: Customer, settings: Any, desk: Desk, percent: int, amounts: list[int], told: str
) -> None:
    promote(settings, desk, percent)
    redeem(browser, "pack", "pack-50")
    customer.follow()
    assert customer.balance == 53
    assert f"50 credits {told} Paid" in text_of(browser.get(PAGE))
    redeem(browser, "plan", "basic")
    customer.follow()
    assert customer.balance == 153
    assert list(customer.wallet.payments.order_by("pk").values_list("amount", flat=True)) == amounts
    intents = [payment.payment_intent is not None for payment in customer.wallet.payments.all()]
    assert intents == [percent < 100] * 2
    for payment in customer.wallet.payments.all():
        assert document(browser, payment)["Location"].endswith("/pdf")


def test_codes_and_taxes_are_the_operators_choice(browser: Client, customer: Customer, settings: Any) -> None:
    def session(kind: str, slug: str) -> dict[str, Any]:
        url = browser.post(CHECKOUT, {"kind": kind, "slug": slug})["Location"]
        found: Any = gateway.retrieve_checkout(url.rpartition("/")[2])
        return {name: found[name] for name in ("allow_promotion_codes", "automatic_tax", "tax_id_collection")}

    usual = session("pack", "pack-50")
    assert (usual["allow_promotion_codes"], usual["automatic_tax"]["enabled"]) == (True, False)
    settings.STRIPE_PROMOTION_CODES, settings.STRIPE_TAX = False, True
    for what in (("pack", "pack-200"), ("plan", "basic")):
        taxed = session(*what)
        assert taxed["allow_promotion_codes"] is None
        assert taxed["automatic_tax"]["enabled"] is True
        assert taxed["tax_id_collection"]["enabled"] is True


# --- By when the credits of a plan are to be used


def test_one_sentence_says_everywhere_by_when_a_plans_credits_are_to_be_used(
    browser: Client, subscriber: Customer
) -> None:
    words = f"Use by {end_of(subscriber)}"
    assert f"100 Plan period {words}" in text_of(browser.get(PAGE))
    assert f"100 Plan period {words}" in text_of(browser.get("/dashboard/"))
    cause = CreditEntry.objects.get(reference__startswith="invoice:", kind="grant").cause
    assert cause == f"Basic: use by {end_of(subscriber)}"
    assert cause in text_of(browser.get(f"{PAGE}history/"))
    letter = rendering.compose(OutgoingMail.objects.get(template="receipt"))
    assert words in str(letter.body)
    html = str(letter.alternatives[0][0])
    assert ">Use by</td>" in html
    assert f">{end_of(subscriber)}</td>" in html
    for text in (str(letter.body), html, browser.get(PAGE).content.decode(), browser.get("/pricing/").content.decode()):
        assert "next period’s credits" not in text
        assert "next period's credits" not in text


def test_a_cancelled_plan_has_the_same_date(browser: Client, subscriber: Customer) -> None:
    browser.post(CANCEL)
    subscriber.follow()
    assert f"100 Plan period Use by {end_of(subscriber)}" in text_of(browser.get(PAGE))
