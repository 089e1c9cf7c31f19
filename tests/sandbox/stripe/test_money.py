"""Refunds and disputes."""

import pytest
import stripe

from tests.sandbox.stripe.stand import Receiver, Shop, Stand


@pytest.fixture
def charge(shop: Shop, receiver: Receiver) -> stripe.Charge:
    """A paid pack of 5.00 USD."""
    found = shop.charge_of(shop.buy(shop.pack))
    receiver.events.clear()
    return found


def test_refunds_add_up(stand: Stand, charge: stripe.Charge, receiver: Receiver) -> None:
    first = stand.v1.refunds.create({"charge": charge.id, "amount": 200, "metadata": {"why": "half"}})
    stand.v1.refunds.create({"payment_intent": str(charge.payment_intent), "reason": "requested_by_customer"})
    stand.drain()
    assert receiver.types() == ["charge.refunded", "refund.created"] * 2
    told = [event["data"] for event in receiver.events if event["type"] == "charge.refunded"]
    assert [data["object"]["amount_refunded"] for data in told] == [200, 500]
    assert [data["object"]["refunded"] for data in told] == [False, True]
    assert told[1]["previous_attributes"] == {"amount_refunded": 200, "refunded": False}
    assert stand.v1.refunds.retrieve(first.id).to_dict()["metadata"] == {"why": "half"}
    assert [each.amount for each in stand.v1.refunds.list({"charge": charge.id}).data] == [300, 200]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand.v1.refunds.create({"charge": charge.id})
    assert refused.value.code == "charge_already_refunded"


def test_more_than_is_left_is_refused(stand: Stand, charge: stripe.Charge) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=r"5\.01 USD") as refused:
        stand.v1.refunds.create({"charge": charge.id, "amount": 501})
    assert refused.value.param == "amount"
    assert stand.v1.charges.retrieve(charge.id).amount_refunded == 0


def test_a_refund_can_fail_afterwards(stand: Stand, charge: stripe.Charge, receiver: Receiver) -> None:
    refund = stand.desk(f"charges/{charge.id}/refund", amount=300, fails=True)
    stand.drain()
    assert receiver.types() == [
        "charge.refunded",
        "refund.created",
        "charge.updated",
        "refund.updated",
        "charge.refund.updated",
        "refund.failed",
    ]
    assert receiver.take("refund.failed")["data"]["object"]["failure_reason"] == "expired_or_canceled_card"
    assert receiver.take("refund.updated")["data"]["previous_attributes"] == {
        "failure_reason": None,
        "status": "succeeded",
    }
    assert stand.v1.refunds.retrieve(refund["id"]).status == "failed"
    assert stand.v1.charges.retrieve(charge.id).amount_refunded == 0


def test_a_dispute_takes_the_money_and_winning_returns_it(
    stand: Stand, charge: stripe.Charge, receiver: Receiver
) -> None:
    dispute = stand.desk(f"charges/{charge.id}/dispute", reason="product_not_received")
    assert stand.v1.charges.retrieve(charge.id).disputed
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand.v1.refunds.create({"charge": charge.id})
    assert refused.value.code == "charge_disputed"
    stand.v1.disputes.update(dispute["id"], {"evidence": {"uncategorized_text": "It arrived."}, "submit": True})
    stand.desk(f"disputes/{dispute['id']}/close", won=True)
    stand.drain()
    assert receiver.types() == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.updated",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]
    won = stand.v1.disputes.list({"charge": charge.id}).data[0]
    assert won.status == "won"
    assert [each.net for each in won.balance_transactions] == [-2000, 500]


def test_an_inquiry_takes_nothing_until_it_becomes_a_dispute(
    stand: Stand, charge: stripe.Charge, receiver: Receiver
) -> None:
    inquiry = stand.desk(f"charges/{charge.id}/dispute", inquiry=True)
    stand.drain()
    assert receiver.types() == ["charge.dispute.created"]
    assert receiver.events[0]["data"]["object"]["status"] == "warning_needs_response"
    stand.desk(f"disputes/{inquiry['id']}/escalate")
    stand.drain()
    assert receiver.types()[1:] == ["charge.dispute.updated", "charge.dispute.funds_withdrawn"]


def test_an_inquiry_can_be_closed(stand: Stand, charge: stripe.Charge, receiver: Receiver) -> None:
    inquiry = stand.desk(f"charges/{charge.id}/dispute", inquiry=True)
    assert stand.desk(f"disputes/{inquiry['id']}/close")["status"] == "warning_closed"
    assert stand.v1.refunds.create({"charge": charge.id}).status == "succeeded"
    answer = stand.http.post(f"/sandbox/stripe/disputes/{inquiry['id']}/close", json={})
    assert answer.status_code == 400
