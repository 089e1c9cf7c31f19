"""Promotion codes on the hosted page, taxes that are asked for, and the invoices of both."""

from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.stripe.stand import DECLINED, GOOD, Receiver, Shop, Stand

TAXED: dict[str, Any] = {
    "automatic_tax": {"enabled": True},
    "tax_id_collection": {"enabled": True},
    "customer_update": {"address": "auto", "name": "auto"},
}


def promote(stand: Stand, code: str, **coupon: Any) -> None:
    """Make a coupon, a fifth off unless told otherwise, and the code for it."""
    made = stand.v1.coupons.create(coupon or {"percent_off": 20, "duration": "once"})  # type: ignore[arg-type]
    stand.v1.promotion_codes.create({"code": code, "promotion": {"type": "coupon", "coupon": made.id}})


def redeem(shop: Shop, price: str, code: str, method: str = GOOD) -> stripe.checkout.Session:
    session = shop.session(price, allow_promotion_codes=True, **_receipt(shop, price))
    answer = httpx.post(str(session.url), data={"code": code, "apply": "yes"})
    assert answer.status_code == 303, answer.text
    assert httpx.post(str(session.url), data={"method": method}).status_code == 303
    shop.stand.drain()
    return shop.stand.v1.checkout.sessions.retrieve(session.id)


def _receipt(shop: Shop, price: str) -> dict[str, Any]:
    return {"invoice_creation": {"enabled": True}} if price == shop.pack else {}


def test_a_code_takes_its_share_off_a_purchase_and_its_invoice(stand: Stand, shop: Shop) -> None:
    promote(stand, "SPRING")
    session = redeem(shop, shop.pack, "spring")
    assert session.total_details
    assert (session.amount_subtotal, session.total_details.amount_discount, session.amount_total) == (500, 100, 400)
    assert shop.charge_of(session).amount == 400
    invoice = stand.v1.invoices.retrieve(str(session.invoice))
    assert (invoice.subtotal, invoice.total, invoice.amount_paid, invoice.status) == (500, 400, 400, "paid")
    assert invoice.total_discount_amounts
    assert [each.amount for each in invoice.total_discount_amounts] == [100]
    [code] = stand.v1.promotion_codes.list({"code": "SPRING"}).data
    assert code.times_redeemed == 1


def test_the_page_shows_the_code_and_what_is_left_to_pay(stand: Stand, shop: Shop) -> None:
    promote(stand, "SPRING")
    session = shop.session(shop.pack, allow_promotion_codes=True)
    assert "Promotion code" in httpx.get(str(session.url)).text
    httpx.post(str(session.url), data={"code": "SPRING", "apply": "yes"})
    page = httpx.get(str(session.url)).text
    for words in ("SPRING", "−1.00 USD", "4.00 USD"):
        assert words in page
    assert "Promotion code" not in httpx.get(str(shop.session(shop.pack).url)).text


def test_a_code_after_a_declined_card_lowers_what_is_charged(stand: Stand, shop: Shop) -> None:
    promote(stand, "SPRING")
    session = shop.session(shop.pack, allow_promotion_codes=True)
    assert httpx.post(str(session.url), data={"method": DECLINED}).status_code == 402
    httpx.post(str(session.url), data={"code": "SPRING", "apply": "yes"})
    httpx.post(str(session.url), data={"method": GOOD})
    assert shop.charge_of(stand.v1.checkout.sessions.retrieve(session.id)).amount == 400


def test_a_code_for_all_of_it_needs_no_payment_and_has_an_invoice_of_nothing(
    stand: Stand, shop: Shop, receiver: Receiver
) -> None:
    promote(stand, "GIFT", percent_off=100, duration="once")
    session = redeem(shop, shop.pack, "GIFT")
    assert (session.payment_status, session.payment_intent, session.amount_total) == ("no_payment_required", None, 0)
    invoice = stand.v1.invoices.retrieve(str(session.invoice), {"expand": ["payments"]})
    assert (invoice.status, invoice.total) == ("paid", 0)
    assert receiver.types()[-1] == "checkout.session.completed"
    monthly = redeem(shop, shop.basic, "GIFT")
    assert (monthly.payment_status, monthly.amount_total) == ("no_payment_required", 0)
    assert shop.subscription(str(monthly.subscription)).status == "active"


@pytest.mark.parametrize(
    ("coupon", "paid"),
    [
        ({"percent_off": 50, "duration": "once"}, [450, 900, 900]),
        ({"amount_off": 200, "currency": "usd", "duration": "forever"}, [700, 700, 700]),
        ({"percent_off": 50, "duration": "repeating", "duration_in_months": 2}, [450, 450, 900]),
    ],
)
def test_a_discount_lasts_as_long_as_its_coupon_says(
    stand: Stand, shop: Shop, coupon: dict[str, Any], paid: list[int]
) -> None:
    promote(stand, "HALF", **coupon)
    subscription = str(redeem(shop, shop.basic, "HALF").subscription)
    for _ in paid[1:]:
        stand.desk(f"subscriptions/{subscription}/renew")
    assert [invoice.amount_paid for invoice in shop.invoices()][::-1] == paid


@pytest.mark.parametrize(
    "coupon",
    [
        {"percent_off": 50, "duration": "once", "redeem_by": 1},
        {"amount_off": 100, "currency": "eur", "duration": "once"},
    ],
)
def test_a_code_that_does_not_hold_is_refused_in_words(stand: Stand, shop: Shop, coupon: dict[str, Any]) -> None:
    promote(stand, "OLD", **coupon)
    session = shop.session(shop.pack, allow_promotion_codes=True)
    for code in ("OLD", "NEVER", ""):
        answer = httpx.post(str(session.url), data={"code": code, "apply": "yes"})
        assert answer.status_code == 409
        assert "This code is invalid." in answer.text
    assert stand.v1.checkout.sessions.retrieve(session.id).amount_total == 500


def test_taxes_are_asked_for_as_stripe_wants_it(stand: Stand, shop: Shop) -> None:
    for missing in ("address", "name"):
        update = {name: "auto" for name in ("address", "name") if name != missing}
        with pytest.raises(stripe.InvalidRequestError, match=rf"customer_update\[{missing}\]"):
            shop.session(shop.pack, **{**TAXED, "customer_update": update})
    session = shop.buy(shop.pack, invoice_creation={"enabled": True}, **TAXED)
    assert session.automatic_tax.status == "complete"
    assert stand.v1.invoices.retrieve(str(session.invoice)).automatic_tax.enabled
    subscription = shop.subscribe(**TAXED)
    assert subscription.automatic_tax.enabled
    assert shop.invoices()[0].automatic_tax.enabled


def test_a_debit_that_arrives_has_its_invoice_then(stand: Stand, shop: Shop) -> None:
    session = shop.buy(shop.pack, "bank_debit_succeeds", invoice_creation={"enabled": True})
    assert session.invoice is None
    stand.advance(3)
    session = stand.v1.checkout.sessions.retrieve(session.id)
    assert stand.v1.invoices.retrieve(str(session.invoice)).amount_paid == 500


def test_an_invoice_is_a_file_too(stand: Stand, shop: Shop) -> None:
    session = shop.buy(shop.pack, invoice_creation={"enabled": True})
    answer = httpx.get(str(stand.v1.invoices.retrieve(str(session.invoice)).invoice_pdf))
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert b"Total: 5.00 USD" in answer.content
    assert httpx.get(f"{stand.url}/stripe/invoice/in_none/pdf").status_code == 404
