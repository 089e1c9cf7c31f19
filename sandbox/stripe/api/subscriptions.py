"""/v1/subscriptions. They begin in Checkout; here they are read, changed, canceled and resumed."""

from __future__ import annotations

from sandbox.stripe.api.portal import FEEDBACK, PRORATIONS
from sandbox.stripe.engine import changes, payments, subscriptions
from sandbox.stripe.engine.changes import Change, Due
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Calls, assign, merge_metadata
from sandbox.stripe.wire.errors import InvalidRequest, NoSuchObject
from sandbox.stripe.wire.params import Params

_STATUSES = "active|canceled|incomplete|incomplete_expired|past_due|paused|trialing|unpaid"
_DETAILS = f"cancellation_details{{comment feedback={FEEDBACK}}}"
calls = Calls()


def _by_status(params: Params) -> None:
    """Leave out what has ended unless it is asked for."""
    status = params.get("status")
    if status is None:
        params["status"] = sorted({*_STATUSES.split("|")} - subscriptions.ENDED)
    elif status == "ended":
        params["status"] = sorted(subscriptions.ENDED)
    elif status == "all":
        del params["status"]


@calls.post(
    "/v1/subscriptions/{id}",
    f"""
    cancel_at:int|min_period_end|max_period_end cancel_at_period_end:flag {_DETAILS} default_payment_method
    description:500 items[20]{{id price quantity:1.. metadata}} metadata
    payment_behavior=allow_incomplete|error_if_incomplete {PRORATIONS} proration_date:int
    """,
    of="subscription",
)
def _update(world: World, subscription: Obj, params: Params) -> Obj:
    if subscription["status"] in subscriptions.ENDED:
        raise InvalidRequest(
            f"A canceled subscription can only update its cancellation_details. ({subscription['id']})"
        )
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
    return world.get("subscription", subscription["id"])


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


@calls.on("DELETE", "/v1/subscriptions/{id}", _DETAILS, of="subscription")
def _cancel(world: World, subscription: Obj, params: Params) -> Obj:
    if subscription["status"] in subscriptions.ENDED:
        raise NoSuchObject("subscription", subscription["id"])
    subscription["cancellation_details"] |= params.get("cancellation_details") or {}
    subscriptions.end(world, subscription)
    return subscription


@calls.post("/v1/subscriptions/{id}/resume", f"billing_cycle_anchor{{type=now!}} {PRORATIONS}", of="subscription")
def _resume(world: World, subscription: Obj, _: Params) -> Obj:
    if subscription["status"] != "paused":
        raise InvalidRequest(
            f"Only paused subscriptions can be resumed; {subscription['id']} is {subscription['status']}."
        )
    subscriptions.resume(world, subscription)
    return world.get("subscription", subscription["id"])


@calls.on("GET", "/v1/subscription_items", "subscription! limit:1..100")
def _items(world: World, _: str, params: Params) -> Obj:
    subscription = world.get("subscription", params["subscription"], param="subscription")
    shown = [{**item, "price": world.get("price", item["price"])} for item in subscription["items"]["data"]]
    return {"object": "list", "data": shown, "has_more": False, "url": "/v1/subscription_items"}


calls.reads(
    "subscription",
    "/v1/subscriptions",
    f"created:range customer price status={_STATUSES}|all|ended",
    at={"price": "items.data[0].price"},
    before=_by_status,
)
