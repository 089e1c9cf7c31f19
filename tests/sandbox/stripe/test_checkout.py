"""The hosted checkout page."""

from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.stripe.stand import DECLINED, GOOD, Receiver, Shop, Stand, eventually


def test_the_page_shows_the_order_and_that_it_is_simulated(shop: Shop) -> None:
    page = httpx.get(str(shop.session(shop.pack).url))
    assert page.headers["X-Simulated"] == "true"
    for words in ("Simulated payment – no money moves", "Basic", "5.00 USD", "alice@example.com", GOOD, "Bank debit"):
        assert words in page.text
    assert "http://shop.example/pricing" in page.text
    assert "<script" not in page.text
    assert "https://" not in page.text


def test_its_heading_says_what_is_bought_and_its_price_stands_there_once(shop: Shop) -> None:
    once = httpx.get(str(shop.session(shop.pack).url)).text
    assert '<h1 id="order">Buy ' in once
    assert "every" not in once.partition("<main>")[2]
    monthly = httpx.get(str(shop.session(shop.basic).url)).text
    assert '<h1 id="order">Subscribe to ' in monthly
    assert '9.00 USD <span class="soft">every month</span>' in monthly
    assert (once.count("5.00 USD"), monthly.count("9.00 USD")) == (1, 1)


def test_custom_text_is_shown_with_its_links_and_nothing_else_of_it_is_html(shop: Shop) -> None:
    before = "**By paying** you accept our [terms](https://shop.example/?a=1&b=2). <b>[x](javascript:alert(1))</b>"
    texts: Any = {"submit": {"message": before}, "after_submit": {"message": "Thank you."}}
    session = shop.session(shop.pack, custom_text=texts)
    assert session.custom_text.to_dict()["submit"] == {"message": before}
    page = httpx.get(str(session.url)).text
    above, _, below = page.partition('<button class="main">')
    assert '<strong>By paying</strong> you accept our <a href="https://shop.example/?a=1&amp;b=2">terms</a>.' in above
    assert "&lt;b&gt;[x](javascript:alert(1))&lt;/b&gt;" in above
    assert "Thank you." in below
    with pytest.raises(stripe.InvalidRequestError, match="custom_text"):
        shop.session(shop.pack, custom_text={"submit": {"message": "x" * 1201}})


def test_several_of_a_thing_are_listed_with_their_price(shop: Shop) -> None:
    page = httpx.get(str(shop.session(shop.pack, line_items=[{"price": shop.pack, "quantity": 3}]).url)).text
    assert "× 3" in page
    assert page.count("15.00 USD") == 2  # the line's and the whole
    assert page.count("5.00 USD") == 3


def test_paying_comes_back_with_the_session(shop: Shop, receiver: Receiver) -> None:
    session = shop.session(shop.pack, client_reference_id="order-9", metadata={"pack": "small"})
    answer = httpx.post(str(session.url), data={"card": "4242 4242 4242 4242"})
    assert answer.headers["Location"] == f"http://shop.example/done?session={session.id}"
    shop.stand.drain()
    assert receiver.types() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    done = receiver.events[-1]["data"]["object"]
    assert (done["status"], done["payment_status"], done["amount_total"]) == ("complete", "paid", 500)
    assert (done["client_reference_id"], done["metadata"]) == ("order-9", {"pack": "small"})
    assert "line_items" not in done
    again = httpx.post(str(session.url), data={"method": GOOD})
    assert again.status_code == 409
    assert "complete" in httpx.get(f"{shop.stand.url}/stripe/checkout/{session.id}").text


def test_a_declined_card_is_told_in_words_and_can_be_replaced(shop: Shop, receiver: Receiver) -> None:
    session = shop.session(shop.pack)
    answer = httpx.post(str(session.url), data={"method": DECLINED})
    assert answer.status_code == 402
    assert "Your card was declined." in answer.text
    assert shop.stand.v1.checkout.sessions.retrieve(session.id).status == "open"
    assert httpx.post(str(session.url), data={"method": GOOD}).status_code == 303
    shop.stand.drain()
    assert receiver.types()[1:3] == ["charge.failed", "payment_intent.payment_failed"]
    assert receiver.types().count("payment_intent.created") == 1
    paid = shop.stand.v1.charges.list({"payment_intent": receiver.events[0]["data"]["object"]["id"]}).data
    assert [charge.status for charge in paid] == ["succeeded", "failed"]


def test_a_declined_card_starts_no_subscription(shop: Shop) -> None:
    session = shop.session(shop.basic)
    assert httpx.post(str(session.url), data={"method": DECLINED}).status_code == 402
    assert shop.stand.v1.subscriptions.list({"status": "all"}).data == []


def test_anything_but_a_test_card_is_refused(shop: Shop) -> None:
    session = shop.session(shop.pack)
    answer = httpx.post(str(session.url), data={"card": "4111 1111 1111 1111"})
    assert answer.status_code == 422
    assert "not a test card" in answer.text
    assert "4111" not in answer.text


@pytest.mark.parametrize(
    ("method", "event", "status"),
    [("bank_debit_succeeds", "succeeded", "paid"), ("bank_debit_fails", "failed", "unpaid")],
)
def test_a_bank_debit_ends_later(shop: Shop, receiver: Receiver, method: str, event: str, status: str) -> None:
    session = shop.buy(shop.pack, method)
    assert (session.status, session.payment_status) == ("complete", "unpaid")
    assert receiver.types()[-1] == "checkout.session.completed"
    shop.stand.advance(3)
    assert receiver.types()[-1] == f"checkout.session.async_payment_{event}"
    assert shop.stand.v1.checkout.sessions.retrieve(session.id).payment_status == status


def test_the_operator_can_settle_a_bank_debit_otherwise(shop: Shop, receiver: Receiver) -> None:
    session = shop.buy(shop.pack, "bank_debit_succeeds")
    shop.stand.desk(f"payment_intents/{session.payment_intent}/settle", succeeded=False)
    shop.stand.advance(4)
    assert receiver.types()[-1] == "checkout.session.async_payment_failed"


def test_a_subscription_by_bank_debit_runs_until_the_debit_fails(shop: Shop, receiver: Receiver) -> None:
    subscription = shop.subscribe("bank_debit_fails")
    assert subscription.status == "active"
    assert "invoice.paid" not in receiver.types()
    shop.stand.advance(3)
    assert shop.subscription(subscription.id).status == "past_due"
    assert "invoice.payment_failed" in receiver.types()
    assert receiver.types()[-1] == "checkout.session.async_payment_failed"


def test_a_session_expires_by_itself_or_on_request(shop: Shop, receiver: Receiver) -> None:
    first, second = shop.session(shop.pack), shop.session(shop.pack)
    expired = shop.stand.v1.checkout.sessions.expire(first.id)
    assert (expired.status, expired.url) == ("expired", None)
    shop.stand.advance(1)
    assert receiver.types() == ["checkout.session.expired"] * 2
    assert httpx.post(str(second.url), data={"method": GOOD}).status_code == 409
    with pytest.raises(stripe.InvalidRequestError, match="can be expired"):
        shop.stand.v1.checkout.sessions.expire(first.id)


def test_time_also_passes_by_itself(shop: Shop, receiver: Receiver) -> None:
    session = shop.session(shop.pack)
    shop.stand.desk("clock/advance", seconds=session.expires_at - shop.stand.now - 1)
    assert receiver.events == []
    eventually(lambda: receiver.types() == ["checkout.session.expired"])


def test_a_guest_has_no_customer_and_a_receipt_when_asked_for(shop: Shop, receiver: Receiver) -> None:
    guest = shop.buy(shop.pack, customer_email="guest@example.com")
    assert guest.customer is None
    more: Any = {"invoice_creation": {"enabled": True}, "customer_creation": "always"}
    known = shop.buy(shop.pack, customer_email="guest@example.com", **more)
    assert isinstance(known.invoice, str)
    invoice = receiver.take("invoice.paid")["data"]["object"]
    assert (invoice["id"], invoice["billing_reason"], invoice["parent"]) == (known.invoice, "manual", None)
    links = shop.stand.v1.invoice_payments.list({"invoice": known.invoice}).data
    assert [link.payment.payment_intent for link in links] == [known.payment_intent]


def test_a_session_lists_its_lines_and_is_found_by_its_payment(shop: Shop) -> None:
    session = shop.buy(shop.pack)
    lines = shop.stand.v1.checkout.sessions.line_items.list(session.id)
    assert [(line.quantity, line.price and line.price.id) for line in lines.data] == [(1, shop.pack)]
    found = shop.stand.v1.checkout.sessions.list({"payment_intent": str(session.payment_intent)})
    assert [each.id for each in found.data] == [session.id]


def test_nothing_to_pay_needs_no_payment(stand: Stand, shop: Shop) -> None:
    free = stand.v1.prices.create({"product": shop.product, "currency": "usd", "unit_amount": 0})
    session = shop.buy(shop.pack, line_items=[{"price": free.id, "quantity": 2}])
    assert (session.payment_status, session.payment_intent) == ("no_payment_required", None)
