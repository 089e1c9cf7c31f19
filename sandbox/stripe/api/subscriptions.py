"""/v1/subscriptions. They begin in Checkout; here they are read, changed, canceled and resumed."""

from __future__ import annotations

from sandbox.stripe.engine import changes, payments, subscriptions
from sandbox.stripe.engine.changes import Change, Due
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj, Query
from sandbox.stripe.wire.calls import PAGE, Call, assign, get, merge_metadata, page, post
from sandbox.stripe.wire.errors import InvalidRequest, NoSuchObject
from sandbox.stripe.wire.params import Either, Flag, Group, Integer, Many, Metadata, Params, Text

_STATUSES = ("active", "canceled", "incomplete", "incomplete_expired", "past_due", "paused", "trialing", "unpaid")
_PRORATIONS = Text(("always_invoice", "create_prorations", "none"))
_FEEDBACK = (
    "customer_service", "low_quality", "missing_features", "other", "switched_service", "too_complex",
    "too_expensive", "unused",
)  # fmt: skip
_DETAILS = Group({"comment": Text(), "feedback": Text(_FEEDBACK)})


def _list(world: World, _: str, params: Params) -> Obj:
    where = {"customer": params["customer"]} if params.get("customer") else {}
    status = params.get("status")
    wanted = {
        "all": [],
        "ended": ["canceled", "incomplete_expired"],
        None: [name for name in _STATUSES if name not in subscriptions.ENDED],
    }.get(status, [str(status)])
    any_of = {"status": wanted} if wanted else {}
    if params.get("price"):
        where["items.data[0].price"] = params["price"]
    query = Query("subscription", where, params.get("created") or {}, any_of)
    return page(world, query, params, "/v1/subscriptions")


def _update(world: World, identity: str, params: Params) -> Obj:
    subscription = world.get("subscription", identity)
    if subscription["status"] in subscriptions.ENDED:
        raise _ended(subscription)
    if params.get("default_payment_method"):
        world.get("payment_method", params["default_payment_method"], param="default_payment_method")
    planned = [_change(world, subscription, item) for item in params.pop("items", None) or []]
    proration = params.pop("proration_behavior", None) or "create_prorations"
    strict = params.pop("payment_behavior", None) == "error_if_incomplete"
    moment = params.pop("proration_date", None)
    with world.changing(subscription, "customer.subscription.updated"):
        due = changes.apply(world, subscription, planned, proration=proration, moment=moment)
        _plan_end(world, subscription, params)
        subscription["cancellation_details"] |= params.pop("cancellation_details", None) or {}
        assign(subscription, params)
    if due is not Due.NOTHING:
        _bill(world, subscription, due, strict=strict)
    return world.get("subscription", identity)


def _change(world: World, subscription: Obj, given: Params) -> Change:
    items = {item["id"]: item for item in subscription["items"]["data"]}
    if "id" not in given:
        raise InvalidRequest("The sandbox changes items that are named by `id`; it adds none.", param="items[0][id]")
    if given["id"] not in items:
        raise NoSuchObject("subscription_item", given["id"], param="items[0][id]")
    item = items[given["id"]]
    merge_metadata(item, given.get("metadata") or {})
    price = world.get("price", given.get("price") or item["price"], param="items[0][price]")
    if not price["active"] or not price["recurring"] or price["currency"] != subscription["currency"]:
        raise InvalidRequest(
            f"The price `{price['id']}` is not an active recurring price in {subscription['currency']}.",
            param="items[0][price]",
        )
    return Change(item, price, given.get("quantity") or item["quantity"])


def _plan_end(world: World, subscription: Obj, params: Params) -> None:
    at_end, at = params.pop("cancel_at_period_end", None), params.pop("cancel_at", "absent")
    if at_end is not None and at not in ("absent", None):
        raise InvalidRequest("You may only specify one of these parameters: cancel_at, cancel_at_period_end.")
    period_end = max(item["current_period_end"] for item in subscription["items"]["data"])
    if at_end:
        subscriptions.schedule_end(world, subscription, period_end, at_period_end=True)
    elif at is None or (at_end is False and subscription["cancel_at_period_end"]):
        subscriptions.schedule_end(world, subscription, None, at_period_end=False)
    elif at != "absent":
        moment = at if isinstance(at, int) else period_end
        if moment <= world.now():
            raise InvalidRequest("`cancel_at` must be in the future.", param="cancel_at")
        subscriptions.schedule_end(world, subscription, moment, at_period_end=False)


def _bill(world: World, subscription: Obj, due: Due, *, strict: bool) -> None:
    invoice = changes.bill(world, subscription, due)
    if strict and invoice["status"] != "paid":
        method = subscriptions.default_method(world, subscription)
        if method is None:
            raise InvalidRequest("This customer has no attached payment source or default payment method.")
        raise payments.declined(payments.test_method(method).refusal)


def _cancel(world: World, identity: str, params: Params) -> Obj:
    subscription = world.get("subscription", identity)
    if subscription["status"] in subscriptions.ENDED:
        raise NoSuchObject("subscription", identity)
    subscription["cancellation_details"] |= params.get("cancellation_details") or {}
    subscriptions.end(world, subscription, reason="cancellation_requested")
    return subscription


def _resume(world: World, identity: str, _: Params) -> Obj:
    subscription = world.get("subscription", identity)
    if subscription["status"] != "paused":
        raise InvalidRequest(f"Only paused subscriptions can be resumed; {identity} is {subscription['status']}.")
    subscriptions.resume(world, subscription)
    return world.get("subscription", identity)


def _ended(subscription: Obj) -> InvalidRequest:
    return InvalidRequest(
        f"A canceled subscription can only update its cancellation_details. ({subscription['id']})",
    )


def _items(world: World, _: str, params: Params) -> Obj:
    subscription = world.get("subscription", params["subscription"], param="subscription")
    shown = [{**item, "price": world.get("price", item["price"])} for item in subscription["items"]["data"]]
    return {"object": "list", "data": shown, "has_more": False, "url": "/v1/subscription_items"}


CALLS = [
    Call(
        "GET",
        "/v1/subscriptions",
        _list,
        {**PAGE, "customer": Text(), "price": Text(), "status": Text((*_STATUSES, "all", "ended"))},
    ),
    get("subscription", "/v1/subscriptions/{id}"),
    post(
        "/v1/subscriptions/{id}",
        _update,
        {
            "cancel_at": Either((Integer(), Text(("min_period_end", "max_period_end")))),
            "cancel_at_period_end": Flag(),
            "cancellation_details": _DETAILS,
            "default_payment_method": Text(),
            "description": Text(longest=500),
            "items": Many(
                Group({"id": Text(), "price": Text(), "quantity": Integer(least=1), "metadata": Metadata()}), most=20
            ),
            "metadata": Metadata(),
            "payment_behavior": Text(("allow_incomplete", "error_if_incomplete")),
            "proration_behavior": _PRORATIONS,
            "proration_date": Integer(),
        },
    ),
    Call("DELETE", "/v1/subscriptions/{id}", _cancel, {"cancellation_details": _DETAILS}),
    post(
        "/v1/subscriptions/{id}/resume",
        _resume,
        {"billing_cycle_anchor": Group({"type": Text(("now",), required=True)}), "proration_behavior": _PRORATIONS},
    ),
    Call("GET", "/v1/subscription_items", _items, {"subscription": Text(required=True), "limit": PAGE["limit"]}),
]
