"""Stripe's HTTP conventions, through its own SDK where that can be."""

from typing import Any

import httpx
import pytest
import stripe
from stripe.params import PriceCreateParams

from tests.sandbox.stripe.stand import KEY, Receiver, Shop, Stand


def test_it_says_that_it_is_simulated_and_which_request_it_was(stand: Stand) -> None:
    customer = stand.v1.customers.create({"email": "a@example.com"})
    assert customer.livemode is False
    response = customer.last_response
    assert response is not None
    assert str(response.request_id).startswith("req_")
    assert response.headers["X-Simulated"] == "true"
    assert response.headers["Stripe-Version"] == "2026-10-28.endive"


def test_unknown_parameters_are_refused(stand: Stand) -> None:
    params: Any = {"email": "a@example.com", "nickname": "Al"}
    with pytest.raises(stripe.InvalidRequestError, match="unknown parameter: nickname") as refused:
        stand.v1.customers.create(params)
    error = refused.value
    assert (error.http_status, error.code, error.param) == (400, "parameter_unknown", "nickname")
    assert stand.v1.customers.list().data == []


def test_unknown_nested_parameters_are_named(stand: Stand, shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.session(shop.basic, subscription_data={"metadata": {"a": "b"}, "coupon": "x"})
    assert refused.value.param == "subscription_data[coupon]"


@pytest.mark.parametrize("parameter", ["payment_method_types", "allowed_payment_method_types"])
def test_parameters_that_endive_moved_are_refused(shop: Shop, parameter: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=parameter):
        shop.session(shop.basic, **{parameter: ["card"]})


def test_missing_parameters_are_named(stand: Stand) -> None:
    params: Any = {"mode": "payment"}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand.v1.checkout.sessions.create(params)
    assert (refused.value.code, refused.value.param) == ("parameter_missing", "line_items")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"mode": "setup"}, "mode"),
        ({"line_items": [{"price": "price_none", "quantity": 1}]}, "line_items[0][price]"),
        ({"line_items": [{"price": "PACK", "quantity": 0}]}, "line_items[0][quantity]"),
        ({"mode": "subscription", "line_items": [{"price": "PACK"}]}, "line_items[0][price]"),
        ({"customer": "cus_none"}, "customer"),
        ({"subscription_data": {"metadata": {"a": "b"}}}, "subscription_data"),
        ({"expires_at": 5}, "expires_at"),
    ],
)
def test_wrong_parameters_are_refused(shop: Shop, change: dict[str, Any], param: str) -> None:
    for item in change.get("line_items", []):
        item["price"] = item["price"].replace("PACK", shop.pack)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.session(shop.pack, **change)
    assert (refused.value.http_status, refused.value.param) == (400, param)


def test_an_unknown_id_is_404_in_the_path_and_400_in_a_parameter(stand: Stand) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand.v1.customers.retrieve("cus_none")
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand.v1.refunds.create({"charge": "ch_none"})
    assert (refused.value.http_status, refused.value.code) == (400, "resource_missing")


@pytest.mark.parametrize("key", ["sk_test_another", "pk_test_x", "sk_live_real"])
def test_other_keys_are_refused(stand: Stand, key: str) -> None:
    client = stripe.StripeClient(key, base_addresses={"api": stand.url})
    with pytest.raises(stripe.AuthenticationError, match="live keys" if "live" in key else "Invalid API Key"):
        client.v1.customers.list()


def test_no_key_is_refused_and_basic_auth_is_understood(stand: Stand) -> None:
    assert stand.http.get("/v1/customers").status_code == 401
    assert stand.http.get("/v1/customers", auth=(KEY, "")).status_code == 200
    assert stand.http.get("/v1/customers", headers={"Authorization": "Basic %%%"}).status_code == 401


def test_another_api_version_is_refused(stand: Stand) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="2020-08-27"):
        stand.v1.customers.list(options={"stripe_version": "2020-08-27"})


def test_what_it_does_not_simulate_is_404(stand: Stand) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL") as refused:
        stand.v1.tax_rates.list()
    assert refused.value.http_status == 404


def test_the_other_stand_in_keeps_its_paths(stand: Stand) -> None:
    assert stand.http.get("/v1/images/generate").status_code == 405
    assert "code" in stand.http.get("/v1/reve-image/status/none").json()["error"]


def test_bodies_of_another_kind_are_refused(stand: Stand) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    assert stand.http.post("/v1/customers", json={"email": "a"}, headers=headers).status_code == 400
    for field in ("a[b", "[a]", "email=1&email[x]"):
        answer = stand.http.post(
            "/v1/customers",
            content=f"{field}=1",
            headers={**headers, "Content-Type": "application/x-www-form-urlencoded"},
        )
        assert answer.status_code == 400


def test_the_same_key_and_parameters_get_the_same_answer(stand: Stand, receiver: Receiver) -> None:
    first = stand.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "one"})
    again = stand.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "one"})
    assert again.id == first.id
    assert again.last_response is not None
    assert first.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.last_response.headers
    stand.drain()
    assert receiver.types() == ["customer.created"]
    assert receiver.events[0]["request"] == {"id": first.last_response.request_id, "idempotency_key": "one"}


def test_the_same_key_with_other_parameters_is_refused(stand: Stand) -> None:
    stand.v1.customers.create({"email": "a@example.com"}, {"idempotency_key": "one"})
    with pytest.raises(stripe.IdempotencyError):
        stand.v1.customers.create({"email": "b@example.com"}, {"idempotency_key": "one"})


def test_a_refused_request_leaves_its_key_free_and_a_day_frees_it_too(stand: Stand) -> None:
    wrong: Any = {"nickname": "Al"}
    with pytest.raises(stripe.InvalidRequestError):
        stand.v1.customers.create(wrong, {"idempotency_key": "one"})
    first = stand.v1.customers.create({}, {"idempotency_key": "one"})
    stand.advance(2)
    assert stand.v1.customers.create({}, {"idempotency_key": "one"}).id != first.id


@pytest.mark.parametrize("performed", [False, True])
def test_a_retry_after_a_lost_answer_does_the_work_once(
    stand: Stand, receiver: Receiver, performed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    patient = stripe.StripeClient(KEY, base_addresses={"api": stand.url}, max_network_retries=1)
    stand.desk("api/fail", times=1, status=503, performed=performed)
    customer = patient.v1.customers.create({"email": "a@example.com"})
    assert [each.id for each in stand.v1.customers.list().data] == [customer.id]
    stand.desk("api/fail", times=2, status=500)
    with pytest.raises(stripe.APIError):
        patient.v1.customers.list()


def test_lists_page_from_the_newest(stand: Stand) -> None:
    made = [stand.v1.customers.create({"name": str(number)}).id for number in range(5)]
    page = stand.v1.customers.list({"limit": 2})
    assert [each.id for each in page.data] == made[:2:-1]
    assert page.has_more
    assert [each.id for each in page.auto_paging_iter()] == made[::-1]
    before = stand.v1.customers.list({"limit": 2, "ending_before": made[1]})
    assert [each.id for each in before.data] == [made[3], made[2]]
    assert before.has_more


def test_events_are_listed_by_type_and_time(stand: Stand, shop: Shop) -> None:
    then = stand.now
    stand.advance(1)
    stand.v1.customers.update(shop.customer, {"name": "Alice", "metadata": {"account": "", "plan": "basic"}})
    later = stand.v1.events.list({"created": {"gte": then + 3600}})
    assert [event.type for event in later.data] == ["customer.updated"]
    changed: Any = later.data[0].data
    assert changed.object["metadata"].to_dict() == {"plan": "basic"}
    assert changed.previous_attributes.to_dict() == {"metadata": {"account": "7", "plan": None}, "name": None}
    created = stand.v1.events.list({"types": ["product.created", "customer.created"]})
    assert [event.type for event in created.data] == ["customer.created", "product.created"]
    assert stand.v1.events.retrieve(later.data[0].id).type == "customer.updated"


def test_prices_by_lookup_key_and_the_key_moves(stand: Stand, shop: Shop) -> None:
    found = stand.v1.prices.list({"lookup_keys": ["basic", "pack"], "active": True, "expand": ["data.product"]})
    assert {price.id for price in found.data} == {shop.basic, shop.pack}
    clash: PriceCreateParams = {"product": shop.product, "currency": "usd", "unit_amount": 1000, "lookup_key": "basic"}
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        stand.v1.prices.create(clash)
    moved = stand.v1.prices.create({**clash, "transfer_lookup_key": True})
    assert [price.id for price in stand.v1.prices.list({"lookup_keys": ["basic"]}).data] == [moved.id]
    assert stand.v1.prices.retrieve(shop.basic).lookup_key is None
    stand.v1.prices.update(shop.pack, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="inactive"):
        shop.session(shop.pack)


def test_forms_of_other_sites_are_refused(stand: Stand) -> None:
    answer = httpx.post(f"{stand.url}/sandbox/stripe/reset", headers={"Sec-Fetch-Site": "cross-site"}, json={})
    assert answer.status_code == 403
