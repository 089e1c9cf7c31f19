"""Subscriptions: renewals, dunning, cancelling, changing the plan."""

from typing import Any

import pytest
import stripe
from stripe.params import SubscriptionUpdateParams

from tests.sandbox.stripe.stand import ASKS_LATER, DECLINED, FAILS_LATER, GOOD, Receiver, Shop

DAY = 86_400


def _item(subscription: stripe.Subscription) -> Any:
    return subscription["items"].data[0]


def test_the_period_lives_on_the_item_and_no_removed_field_is_served(shop: Shop) -> None:
    subscription = shop.subscribe()
    assert not hasattr(subscription, "current_period_end")
    assert subscription.billing_mode.type == "flexible"
    assert 28 * DAY <= _item(subscription).current_period_end - _item(subscription).current_period_start <= 31 * DAY
    invoice = shop.invoices()[0]
    for removed in ("subscription", "payment_intent", "charge", "paid"):
        assert removed not in invoice.to_dict()
    assert "payments" not in invoice.to_dict()
    charge = shop.stand.v1.charges.list({"customer": shop.customer}).data[0]
    assert "invoice" not in charge.to_dict()
    assert "refunds" not in charge.to_dict()


def test_advancing_far_renews_each_month_at_its_own_moment(shop: Shop, receiver: Receiver) -> None:
    subscription = shop.subscribe()
    receiver.events.clear()
    shop.stand.advance(95)
    paid = [event for event in receiver.events if event["type"] == "invoice.paid"]
    assert len(paid) == 3
    periods = [event["data"]["object"]["lines"]["data"][0]["period"] for event in paid]
    assert [event["created"] for event in paid] == [period["start"] for period in periods]
    assert [period["end"] for period in periods[:-1]] == [period["start"] for period in periods[1:]]
    assert shop.subscription(subscription.id).status == "active"


def test_after_three_failures_the_subscription_ends(shop: Shop, receiver: Receiver) -> None:
    subscription = shop.subscribe(FAILS_LATER)
    shop.stand.desk(f"subscriptions/{subscription.id}/renew")
    failed_at = shop.stand.now
    for days, status, attempts in ((0, "past_due", 1), (3, "past_due", 2), (3, "canceled", 3)):
        shop.stand.advance(days)
        assert shop.subscription(subscription.id).status == status
        assert shop.invoices()[0].attempt_count == attempts
    ended = receiver.take("customer.subscription.deleted")["data"]["object"]
    assert ended["cancellation_details"]["reason"] == "payment_failed"
    assert abs(ended["ended_at"] - failed_at - 6 * DAY) <= 5
    assert receiver.types().count("invoice.payment_failed") == 3
    assert shop.stand.v1.customers.retrieve(shop.customer).delinquent
    receiver.events.clear()
    shop.stand.advance(60)
    assert receiver.events == []


def test_a_failed_renewal_recovers_at_the_next_attempt(shop: Shop, receiver: Receiver) -> None:
    subscription = shop.subscribe(FAILS_LATER)
    shop.stand.desk(f"subscriptions/{subscription.id}/renew")
    shop.stand.desk(f"customers/{shop.customer}/card", number=GOOD, pay=False)
    assert shop.subscription(subscription.id).status == "past_due"
    shop.stand.advance(3)
    assert shop.subscription(subscription.id).status == "active"
    paid = receiver.take("invoice.paid")["data"]["object"]
    assert (paid["attempt_count"], paid["billing_reason"]) == (2, "subscription_cycle")
    start, end = _item(subscription).current_period_start, _item(subscription).current_period_end
    assert (paid["period_start"], paid["period_end"]) == (start, end)


def test_a_card_that_asks_wants_its_payer(shop: Shop, receiver: Receiver) -> None:
    subscription = shop.subscribe(ASKS_LATER)
    shop.stand.desk(f"subscriptions/{subscription.id}/renew")
    shop.stand.drain()
    invoice = receiver.take("invoice.payment_action_required")["data"]["object"]
    assert "payment_intent.requires_action" in receiver.types()
    assert shop.subscription(subscription.id).status == "past_due"
    page = shop.stand.http.get(invoice["hosted_invoice_url"])
    assert "Pay this invoice" in page.text
    shop.stand.http.post(invoice["hosted_invoice_url"], data={"card": GOOD})
    assert shop.subscription(subscription.id).status == "active"
    assert shop.stand.v1.invoices.retrieve(invoice["id"]).status == "paid"


def test_an_open_invoice_can_be_paid_by_the_api(shop: Shop) -> None:
    subscription = shop.subscribe(FAILS_LATER)
    shop.stand.desk(f"subscriptions/{subscription.id}/renew")
    invoice = shop.invoices()[0]
    paid = shop.stand.v1.invoices.pay(str(invoice.id))
    assert (paid.status, paid.attempt_count) == ("paid", 1)


def test_cancel_at_period_end_by_the_api_and_back(shop: Shop, receiver: Receiver) -> None:
    subscription = shop.subscribe()
    end = _item(subscription).current_period_end
    update = shop.stand.v1.subscriptions.update
    ending = update(subscription.id, {"cancel_at_period_end": True})
    assert (ending.cancel_at_period_end, ending.cancel_at) == (True, end)
    staying = update(subscription.id, {"cancel_at_period_end": False})
    assert (staying.cancel_at_period_end, staying.cancel_at, staying.canceled_at) == (False, None, None)
    update(subscription.id, {"cancel_at_period_end": True, "cancellation_details": {"feedback": "unused"}})
    shop.stand.drain()
    receiver.events.clear()
    shop.stand.advance(32)
    assert receiver.types() == ["customer.subscription.deleted"]
    ended = receiver.events[0]["data"]["object"]
    assert (ended["status"], ended["ended_at"]) == ("canceled", end)
    assert ended["cancellation_details"] == {
        "comment": None,
        "feedback": "unused",
        "reason": "cancellation_requested",
    }
    assert shop.stand.v1.subscriptions.list({"customer": shop.customer}).data == []
    assert len(shop.stand.v1.subscriptions.list({"customer": shop.customer, "status": "all"}).data) == 1


def test_cancel_at_is_called_off_only_by_clearing_it(shop: Shop) -> None:
    subscription = shop.subscribe()
    update = shop.stand.v1.subscriptions.update
    moment = shop.stand.now + 5 * DAY
    assert update(subscription.id, {"cancel_at": moment}).cancel_at == moment
    assert update(subscription.id, {"cancel_at_period_end": False}).cancel_at == moment
    assert update(subscription.id, {"cancel_at": ""}).cancel_at is None
    update(subscription.id, {"cancel_at": moment})
    shop.stand.advance(6)
    assert shop.subscription(subscription.id).ended_at == moment


def test_cancel_now(shop: Shop, receiver: Receiver) -> None:
    subscription = shop.subscribe()
    assert shop.stand.v1.subscriptions.cancel(subscription.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.stand.v1.subscriptions.cancel(subscription.id)
    assert refused.value.code == "resource_missing"
    with pytest.raises(stripe.InvalidRequestError, match="canceled subscription"):
        shop.stand.v1.subscriptions.update(subscription.id, {"metadata": {"a": "b"}})


def test_an_upgrade_is_invoiced_at_once_to_the_second(shop: Shop, receiver: Receiver) -> None:
    subscription = shop.subscribe()
    shop.stand.desk("clock/advance", days=10)
    start, end = _item(subscription).current_period_start, _item(subscription).current_period_end
    moment = start + (end - start) // 2
    change: SubscriptionUpdateParams = {
        "items": [{"id": _item(subscription).id, "price": shop.plus}],
        "proration_behavior": "always_invoice",
        "proration_date": moment,
    }
    upgraded = shop.stand.v1.subscriptions.update(subscription.id, {**change, "expand": ["latest_invoice"]})
    assert _item(upgraded).price.id == shop.plus
    assert _item(upgraded).current_period_end == end
    invoice: Any = upgraded.latest_invoice
    assert (invoice.billing_reason, invoice.status) == ("subscription_update", "paid")
    assert [line.amount for line in invoice.lines.data] == [-450, 1450]
    assert invoice.amount_paid == 1000
    parent = invoice.lines.data[0].parent
    assert (parent.type, parent.invoice_item_details.proration) == ("invoice_item_details", True)
    shop.stand.drain()
    updates = [event for event in receiver.events if event["type"] == "customer.subscription.updated"]
    previous = updates[-1]["data"]["previous_attributes"]["items"]["data"][0]
    assert previous["price"]["id"] == shop.basic


def test_a_downgrade_leaves_a_credit_for_the_next_invoices(shop: Shop) -> None:
    subscription = shop.subscribe(price=shop.plus)
    item, start = _item(subscription), _item(subscription).current_period_start
    half = start + (item.current_period_end - start) // 2
    shop.stand.desk("clock/advance", seconds=half - start)
    change: SubscriptionUpdateParams = {
        "items": [{"id": item.id, "price": shop.basic}],
        "proration_behavior": "always_invoice",
    }
    shop.stand.v1.subscriptions.update(subscription.id, {**change, "proration_date": half})
    invoice = shop.invoices()[0]
    assert (invoice.total, invoice.amount_due, invoice.status) == (-1000, 0, "paid")
    assert shop.stand.v1.customers.retrieve(shop.customer).balance == -1000
    shop.stand.desk(f"subscriptions/{subscription.id}/renew")
    renewal = shop.invoices()[0]
    assert (renewal.total, renewal.starting_balance, renewal.amount_due) == (900, -1000, 0)
    assert shop.stand.v1.customers.retrieve(shop.customer).balance == -100


def test_create_prorations_wait_for_the_renewal(shop: Shop, receiver: Receiver) -> None:
    subscription = shop.subscribe()
    item = _item(subscription)
    half = item.current_period_start + (item.current_period_end - item.current_period_start) // 2
    change: Any = {"items": [{"id": item.id, "price": shop.plus}], "proration_date": half}
    shop.stand.v1.subscriptions.update(subscription.id, change)
    assert len(shop.invoices()) == 1
    shop.stand.desk(f"subscriptions/{subscription.id}/renew")
    shop.stand.desk(f"subscriptions/{subscription.id}/renew")
    newest, renewal, _ = shop.invoices()
    assert [line.amount for line in renewal.lines.data] == [-450, 1450, 2900]
    assert renewal.billing_reason == "subscription_cycle"
    assert [line.amount for line in newest.lines.data] == [2900]


def test_another_interval_begins_a_new_cycle_and_is_invoiced(shop: Shop) -> None:
    subscription = shop.subscribe()
    change: Any = {"items": [{"id": _item(subscription).id, "price": shop.yearly}]}
    changed = shop.stand.v1.subscriptions.update(subscription.id, change)
    assert _item(changed).current_period_end - _item(changed).current_period_start >= 365 * DAY
    assert [line.amount for line in shop.invoices()[0].lines.data][1:] == [9000]


def test_no_proration_changes_only_the_price(shop: Shop) -> None:
    subscription = shop.subscribe()
    change: Any = {"items": [{"id": _item(subscription).id, "price": shop.plus}], "proration_behavior": "none"}
    shop.stand.v1.subscriptions.update(subscription.id, change)
    shop.stand.desk(f"subscriptions/{subscription.id}/renew")
    assert [invoice.total for invoice in shop.invoices()] == [2900, 900]


def test_an_upgrade_that_cannot_be_paid(shop: Shop) -> None:
    subscription = shop.subscribe()
    shop.stand.desk(f"customers/{shop.customer}/card", number=DECLINED)
    change: Any = {
        "items": [{"id": _item(subscription).id, "price": shop.plus}],
        "proration_behavior": "always_invoice",
        "payment_behavior": "error_if_incomplete",
    }
    shop.stand.desk("clock/advance", days=2)
    with pytest.raises(stripe.CardError) as refused:
        shop.stand.v1.subscriptions.update(subscription.id, change)
    assert (refused.value.http_status, refused.value.code) == (402, "card_declined")
    assert _item(shop.subscription(subscription.id)).price.id == shop.basic
    assert len(shop.invoices()) == 1
    del change["payment_behavior"]
    assert shop.stand.v1.subscriptions.update(subscription.id, change).status == "past_due"


def test_pause_and_resume(shop: Shop, receiver: Receiver) -> None:
    subscription = shop.subscribe()
    shop.stand.desk(f"subscriptions/{subscription.id}/pause")
    shop.stand.advance(60)
    assert shop.subscription(subscription.id).status == "paused"
    assert receiver.types()[-1] == "customer.subscription.paused"
    resumed = shop.stand.v1.subscriptions.resume(subscription.id, {"billing_cycle_anchor": {"type": "now"}})
    assert resumed.status == "active"
    shop.stand.drain()
    assert "customer.subscription.resumed" in receiver.types()
    assert len(shop.invoices()) == 2


def test_deleting_a_customer_ends_the_subscription(shop: Shop, receiver: Receiver) -> None:
    shop.subscribe()
    assert shop.stand.v1.customers.delete(shop.customer).deleted
    shop.stand.drain()
    assert receiver.types()[-2:] == ["customer.subscription.deleted", "customer.deleted"]
