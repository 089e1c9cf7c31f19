"""What is served has the shapes of Stripe's OpenAPI, and what is accepted is what Stripe accepts."""

from typing import Any

import pytest

from sandbox.stripe import api
from sandbox.stripe.wire import params
from tests.sandbox.stripe.openapi import problems, request_fields, specification, subfields
from tests.sandbox.stripe.stand import DECLINED, FAILS_LATER, GOOD, KEY, Receiver, Shop, Stand

# Parameters of 2026-10-28.endive that the specification of dahlia doesn't have.
NEWER = {
    "POST /v1/subscriptions/{id}/resume billing_cycle_anchor[type]": "a map since endive",
}


def test_everything_served_and_delivered_is_as_published(stand: Stand, receiver: Receiver, shop: Shop) -> None:
    _live_a_rich_life(stand, shop)
    stand.drain()
    served = _everything(stand)
    kinds = {obj["object"] for obj in served}
    assert kinds >= {
        "balance_transaction",
        "billing_portal.configuration",
        "billing_portal.session",
        "charge",
        "checkout.session",
        "coupon",
        "customer",
        "dispute",
        "event",
        "invoice",
        "invoice_payment",
        "payment_intent",
        "payment_method",
        "price",
        "product",
        "promotion_code",
        "refund",
        "subscription",
        "webhook_endpoint",
    }
    wrong = {each for obj in served for each in problems(obj)}
    wrong |= {each for event in receiver.events for each in problems(event)}
    wrong |= {each for event in receiver.events for each in problems(event["data"]["object"])}
    assert wrong == set()


def test_no_private_note_leaves(stand: Stand, shop: Shop, receiver: Receiver) -> None:
    _live_a_rich_life(stand, shop)
    stand.drain()
    assert _private(_everything(stand)) == set()
    assert _private(receiver.events) == set()


def test_nothing_is_accepted_that_stripe_does_not_know() -> None:
    unknown = []
    for call in api.calls():
        path = _published(call.path)
        known = request_fields(call.method, path)
        unknown += [f"{call.method} {call.path} {name}" for name in _unknown(call.params, known, "")]
    assert [each for each in unknown if each not in NEWER] == []


def test_an_expanded_session_has_its_lines_and_an_invoice_its_payments(stand: Stand, shop: Shop) -> None:
    session = shop.buy(shop.basic)
    expand = ["line_items", "subscription.latest_invoice.payments.data.payment.payment_intent", "customer"]
    with pytest.raises(Exception, match="more than 4 levels"):
        stand.v1.checkout.sessions.retrieve(session.id, {"expand": expand})
    expanded: Any = stand.v1.checkout.sessions.retrieve(
        session.id, {"expand": ["line_items.data.price.product", "subscription.latest_invoice.payments", "customer"]}
    )
    assert expanded.line_items.data[0].price.product.name == "Basic"
    assert expanded.customer.email == "alice@example.com"
    payment = expanded.subscription.latest_invoice.payments.data[0]
    assert payment.status == "paid"
    assert stand.v1.payment_intents.retrieve(payment.payment.payment_intent).amount_received == 900
    raw = stand.http.get(
        f"/v1/checkout/sessions/{session.id}?expand[0]=line_items&expand[1]=subscription.latest_invoice.payments",
        headers={"Authorization": f"Bearer {KEY}"},
    )
    assert problems(raw.json()) == []


def _live_a_rich_life(stand: Stand, shop: Shop) -> None:
    subscription = shop.subscribe(price=shop.basic)
    item = subscription["items"].data[0].id
    stand.desk("clock/advance", days=10)
    change: Any = {"items": [{"id": item, "price": shop.plus}], "proration_behavior": "always_invoice"}
    stand.v1.subscriptions.update(subscription.id, change)
    stand.desk(f"customers/{shop.customer}/card", number=FAILS_LATER)
    stand.desk(f"subscriptions/{subscription.id}/renew")
    stand.http.post(str(shop.session(shop.pack).url), data={"method": DECLINED})
    shop.buy(shop.pack, "bank_debit_fails")
    stand.desk("clock/advance", days=9)
    first, second = (shop.charge_of(shop.buy(shop.pack)) for _ in range(2))
    refund = stand.desk(f"charges/{first.id}/refund", amount=100)
    stand.desk(f"charges/{first.id}/refund", amount=100)
    stand.desk(f"refunds/{refund['id']}/fail")
    dispute = stand.desk(f"charges/{first.id}/dispute")
    stand.desk(f"disputes/{dispute['id']}/close", won=True)
    stand.desk(f"charges/{second.id}/dispute", inquiry=True)
    shop.buy(
        shop.pack, customer_email="guest@example.com", invoice_creation={"enabled": True}, customer_creation="always"
    )
    coupon = stand.v1.coupons.create({"percent_off": 25, "duration": "forever"}).id
    stand.v1.promotion_codes.create({"code": "SPRING", "promotion": {"type": "coupon", "coupon": coupon}})
    for price in (shop.pack, shop.basic):
        more: Any = {"automatic_tax": {"enabled": True}, "customer_update": {"address": "auto"}}
        session = shop.session(price, allow_promotion_codes=True, **more)
        stand.http.post(str(session.url), data={"code": "SPRING", "apply": "yes"})
        stand.http.post(str(session.url), data={"method": GOOD})
    flow: Any = {"type": "subscription_cancel", "subscription_cancel": {"subscription": subscription.id}}
    stand.v1.billing_portal.sessions.create({"customer": shop.customer, "flow_data": flow})
    stand.v1.billing_portal.configurations.create(
        {
            "features": {
                "subscription_update": {
                    "enabled": True,
                    "default_allowed_updates": ["price"],
                    "products": [{"product": shop.product, "prices": [shop.basic, shop.plus]}],
                }
            }
        }
    )
    endpoint = stand.v1.webhook_endpoints.create({"url": "http://127.0.0.1:9/", "enabled_events": ["charge.updated"]})
    stand.v1.webhook_endpoints.update(endpoint.id, {"disabled": True})


_LISTS = [
    "customers",
    "products",
    "prices",
    "checkout/sessions",
    "invoices",
    "invoice_payments",
    "payment_intents",
    "payment_methods",
    "charges",
    "coupons",
    "promotion_codes",
    "refunds",
    "disputes",
    "events",
    "webhook_endpoints",
    "billing_portal/configurations",
]


def _everything(stand: Stand) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {KEY}"}
    found = []
    for path in [*_LISTS, "subscriptions?status=all"]:
        answer = stand.http.get(f"/v1/{path}{'&' if '?' in path else '?'}limit=100", headers=headers).json()
        found += answer["data"]
    about = [event["data"]["object"] for event in found if event["object"] == "event"]
    transactions = [each for obj in found if obj["object"] == "dispute" for each in obj["balance_transactions"]]
    return [*found, *about, *transactions]


def _private(value: Any) -> set[str]:
    if isinstance(value, dict):
        inner = {each for part in value.values() for each in _private(part)}
        return inner | {key for key in value if key.startswith("_")}
    if isinstance(value, list):
        return {each for part in value for each in _private(part)}
    return set()


def _published(path: str) -> str:
    """Return the path as the specification writes it: with its own name for the id."""
    if "{id}" not in path:
        return path
    before, after = path.split("{id}")
    paths: list[str] = list(specification()["paths"])
    return next(
        each
        for each in paths
        if each.startswith(before + "{") and each.endswith("}" + after) and each.count("/") == path.count("/")
    )


def _unknown(accepted: params.Fields, known: dict[str, Any], place: str) -> list[str]:
    found = []
    for name, kind in accepted.items():
        path = f"{place}[{name}]" if place else name
        inner = kind.of if isinstance(kind, params.Many) else kind
        if name not in known:
            found.append(path)
        elif isinstance(inner, params.Group):
            found += _unknown(inner.fields, subfields(known[name]), path)
    return found
