"""The whole life of a customer, over the SDK, the hosted pages and signed webhooks."""

import httpx

from tests.sandbox.stripe.stand import FAILS_LATER, GOOD, Receiver, Shop, Stand


def test_from_checkout_to_a_lost_dispute(stand: Stand, receiver: Receiver, shop: Shop) -> None:
    # Basic, paid in Checkout
    subscription = shop.subscribe(subscription_data={"metadata": {"account": "7"}})
    assert subscription.status == "active"
    assert receiver.types().count("invoice.paid") == 1
    first = receiver.take("invoice.paid")["data"]["object"]
    assert first["billing_reason"] == "subscription_create"
    assert first["parent"]["subscription_details"] == {
        "metadata": {"account": "7"},
        "subscription": subscription.id,
    }
    assert receiver.take("checkout.session.completed")["data"]["object"]["payment_status"] == "paid"

    # Renewals over three months
    for _ in range(3):
        stand.desk(f"subscriptions/{subscription.id}/renew")
    stand.drain()
    reasons = [
        event["data"]["object"]["billing_reason"] for event in receiver.events if event["type"] == "invoice.paid"
    ]
    assert reasons == ["subscription_create"] + ["subscription_cycle"] * 3
    starts = [invoice.lines.data[0].period.start for invoice in shop.invoices()]
    assert len(set(starts)) == 4

    # The card begins to fail, and the subscription is past due
    stand.desk(f"customers/{shop.customer}/card", number=FAILS_LATER)
    stand.desk(f"subscriptions/{subscription.id}/renew")
    stand.drain()
    assert shop.subscription(subscription.id).status == "past_due"
    failed = receiver.take("invoice.payment_failed")["data"]["object"]
    assert (failed["status"], failed["attempt_count"]) == ("open", 1)
    assert failed["next_payment_attempt"] == failed["created"] + 3 * 86_400
    changed = receiver.take("customer.subscription.updated")["data"]
    assert changed["previous_attributes"] == {"status": "active"}

    # A good card, and it has recovered
    stand.desk(f"customers/{shop.customer}/card", number=GOOD)
    stand.drain()
    assert shop.subscription(subscription.id).status == "active"
    assert stand.v1.invoices.retrieve(failed["id"]).status == "paid"

    # Canceled in the portal, and resumed there
    portal = stand.v1.billing_portal.sessions.create({"customer": shop.customer, "return_url": "http://shop.example/"})
    httpx.post(f"{portal.url}/cancel", data={"subscription": subscription.id})
    canceling = shop.subscription(subscription.id)
    end = canceling["items"].data[0].current_period_end
    assert (canceling.cancel_at, canceling.cancel_at_period_end) == (end, False)
    httpx.post(f"{portal.url}/resume", data={"subscription": subscription.id})
    assert shop.subscription(subscription.id).cancel_at is None
    stand.drain()
    assert receiver.take("customer.subscription.updated")["data"]["previous_attributes"]["cancel_at"] == end

    # A pack, partly refunded, then its dispute is lost
    session = shop.buy(shop.pack, metadata={"pack": "small"}, payment_intent_data={"metadata": {"order": "9"}})
    charge = shop.charge_of(session)
    assert charge.metadata["order"] == "9"
    stand.desk(f"charges/{charge.id}/refund", amount=200)
    dispute = stand.desk(f"charges/{charge.id}/dispute")
    stand.desk(f"disputes/{dispute['id']}/close", won=False)
    stand.drain()
    refunded = receiver.take("charge.refunded")["data"]
    assert refunded["object"]["amount_refunded"] == 200
    assert refunded["previous_attributes"] == {"amount_refunded": 0}
    assert receiver.types()[-4:] == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.closed",
    ]
    assert receiver.take("charge.dispute.closed")["data"]["object"]["status"] == "lost"

    # Every event once, in order, of the pinned version
    ids = [event["id"] for event in receiver.events]
    assert len(set(ids)) == len(ids)
    assert {event["api_version"] for event in receiver.events} == {"2026-10-28.endive"}
    assert not any(event["livemode"] for event in receiver.events)
    assert receiver.refused == []
