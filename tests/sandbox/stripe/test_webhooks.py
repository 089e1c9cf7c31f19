"""Events on their way: signed, in order, retried, held, repeated, forged."""

import pytest

from tests.sandbox.stripe.stand import Receiver, Stand, eventually


def _customer(stand: Stand, name: str) -> str:
    return stand.v1.customers.create({"name": name}).id


def _names(receiver: Receiver) -> list[str]:
    return [event["data"]["object"]["name"] for event in receiver.events]


def test_events_come_signed_and_in_order(stand: Stand, receiver: Receiver) -> None:
    names = [str(number) for number in range(8)]
    for name in names:
        _customer(stand, name)
    stand.drain()
    assert _names(receiver) == names
    assert receiver.refused == []


def test_an_answer_other_than_2xx_is_retried_without_holding_up_the_others(stand: Stand, receiver: Receiver) -> None:
    receiver.answers[:] = [500]
    _customer(stand, "first")
    _customer(stand, "second")
    stand.drain()
    assert _names(receiver) == ["second", "first"]
    assert receiver.events[1]["pending_webhooks"] == 1
    first = stand.http.get("/sandbox/stripe/events").json()["data"][1]
    assert [(each["state"], each["attempts"], each["status"]) for each in first["deliveries"]] == [
        ("delivered", 2, 200)
    ]
    assert stand.v1.events.retrieve(first["id"]).pending_webhooks == 0


def test_held_events_are_released_in_a_chosen_order(stand: Stand, receiver: Receiver) -> None:
    stand.desk("deliveries/hold")
    for name in "abc":
        _customer(stand, name)
    stand.drain()
    assert receiver.events == []
    assert stand.http.get("/sandbox/stripe/state").json()["deliveries"]["held"] == 3
    assert stand.desk("deliveries/release", order="reversed") == {"released": 3}
    stand.drain()
    assert _names(receiver) == ["c", "b", "a"]


def test_held_events_are_released_by_a_list(stand: Stand, receiver: Receiver) -> None:
    stand.desk("deliveries/hold")
    for name in "abc":
        _customer(stand, name)
    ids = [event["id"] for event in stand.http.get("/sandbox/stripe/events").json()["data"]]
    stand.desk("deliveries/release", events=[ids[1]])
    stand.drain()
    assert _names(receiver) == ["b", "a", "c"]


def test_events_are_resent_and_duplicated_with_the_same_id(stand: Stand, receiver: Receiver) -> None:
    for name in "ab":
        _customer(stand, name)
    stand.drain()
    first, second = (event["id"] for event in receiver.events)
    stand.desk(f"events/{first}/resend", times=2)
    stand.desk("events/resend", last=2, order="reversed")
    stand.drain()
    assert [event["id"] for event in receiver.events] == [first, second, first, first, second, first]


@pytest.mark.parametrize("forgery", ["wrong_secret", "unsigned", "stale", "tampered", "truncated", "garbage"])
def test_forgeries_are_sent_once_and_refused(stand: Stand, receiver: Receiver, forgery: str) -> None:
    stand.desk("events/forge", forgery=forgery, type="invoice.paid")
    stand.drain()
    assert len(receiver.refused) == 1
    assert receiver.events == []
    assert stand.v1.events.list().data == []


def test_a_future_and_an_unknown_event_pass_the_signature(stand: Stand, receiver: Receiver) -> None:
    stand.desk("events/forge", forgery="future")
    stand.desk("events/forge", forgery="none", type="made.up", object={"id": "x_1", "object": "x", "count": 3})
    stand.drain()
    assert receiver.types() == ["invoice.paid", "made.up"]
    assert receiver.events[1]["data"]["object"] == {"id": "x_1", "object": "x", "count": 3}


def test_a_known_event_is_forged_again(stand: Stand, receiver: Receiver) -> None:
    _customer(stand, "a")
    stand.drain()
    stand.desk("events/forge", forgery="wrong_secret", event=receiver.events[0]["id"])
    stand.drain()
    assert len(receiver.refused) == 1


def test_an_endpoint_of_the_api_gets_what_it_asked_for_under_its_own_secret(stand: Stand, receiver: Receiver) -> None:
    other = Receiver()
    try:
        endpoint = stand.v1.webhook_endpoints.create(
            {"url": other.url, "enabled_events": ["customer.updated"], "api_version": "2026-10-28.endive"}
        )
        assert str(endpoint.secret).startswith("whsec_")
        assert not hasattr(stand.v1.webhook_endpoints.retrieve(endpoint.id), "secret")
        customer = _customer(stand, "a")
        stand.v1.customers.update(customer, {"name": "b"})
        eventually(lambda: len(other.refused) == 1 and len(receiver.events) == 2)  # signed, not with our secret
        stand.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})
        stand.v1.customers.update(customer, {"name": "c"})
        stand.drain()
        assert receiver.types() == ["customer.created", "customer.updated", "customer.updated"]
        assert len(other.refused) == 1
    finally:
        other.stop()


def test_an_update_that_changes_nothing_is_not_told(stand: Stand, receiver: Receiver) -> None:
    customer = _customer(stand, "a")
    stand.v1.customers.update(customer, {"name": "a"})
    stand.drain()
    assert receiver.types() == ["customer.created"]
