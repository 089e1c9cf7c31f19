"""/v1/checkout/sessions."""

from __future__ import annotations

from sandbox.stripe.engine import checkout
from sandbox.stripe.engine.world import World
from sandbox.stripe.objects import sessions
from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import PAGE, Call, Filter, assign, get, listing, merge_metadata, post, whole
from sandbox.stripe.wire.errors import InvalidRequest, MissingParameter
from sandbox.stripe.wire.params import Fields, Flag, Group, Integer, Many, Metadata, Params, Text

_ONLY_FOR = {
    "subscription_data": "subscription",
    "payment_intent_data": "payment",
    "invoice_creation": "payment",
    "customer_creation": "payment",
    "submit_type": "payment",
}
_FIELDS: Fields = {
    "allow_promotion_codes": Flag(),
    "billing_address_collection": Text(("auto", "required")),
    "cancel_url": Text(),
    "client_reference_id": Text(longest=200),
    "customer": Text(),
    "customer_creation": Text(("always", "if_required")),
    "customer_email": Text(longest=800),
    "customer_update": Group({"address": Text(("auto", "never")), "name": Text(("auto", "never"))}),
    "expires_at": Integer(),
    "invoice_creation": Group(
        {"enabled": Flag(required=True), "invoice_data": Group({"description": Text(), "metadata": Metadata()})}
    ),
    "line_items": Many(
        Group({"price": Text(required=True), "quantity": Integer(least=1), "metadata": Metadata()}), required=True
    ),
    "locale": Text(),
    "metadata": Metadata(),
    "mode": Text(("payment", "subscription"), required=True),
    "origin_context": Text(("mobile_app", "web")),
    "payment_intent_data": Group(
        {
            "description": Text(),
            "metadata": Metadata(),
            "receipt_email": Text(),
            "setup_future_usage": Text(("off_session", "on_session")),
        }
    ),
    "payment_method_collection": Text(("always", "if_required")),
    "submit_type": Text(("auto", "book", "donate", "pay", "subscribe")),
    "subscription_data": Group(
        {
            "billing_mode": Group({"type": Text(("flexible",), required=True)}),
            "description": Text(longest=500),
            "metadata": Metadata(),
        }
    ),
    "success_url": Text(),
}


def _create(world: World, _: str, params: Params) -> Obj:
    mode = params["mode"]
    _check(params, mode)
    prices = [_line(world, item, mode, number) for number, item in enumerate(params.pop("line_items"))]
    expires_at = _expiry(world.now(), params.pop("expires_at", None))
    session = sessions.checkout_session(mode=mode, url=world.url, created=world.now(), expires_at=expires_at)
    _put_lines(session, prices)
    session["_subscription_data"] = params.pop("subscription_data", None) or {}
    session["_payment_intent_data"] = params.pop("payment_intent_data", None) or {}
    creation = params.pop("invoice_creation", None)
    if mode == "payment":
        session["customer_creation"] = "if_required"
        session["invoice_creation"] = _invoice_creation(creation)
    if params.get("customer"):
        customer = world.get("customer", params["customer"], param="customer")
        session["customer_details"] = sessions.customer_details(email=customer["email"], name=customer["name"])
    assign(session, params)
    world.store.insert(session)
    world.store.set_timer("expire", session["id"], expires_at)
    return session


def _check(params: Params, mode: str) -> None:
    if not params.get("success_url"):
        raise MissingParameter("success_url")
    if not params["line_items"]:
        raise MissingParameter("line_items")
    if params.get("customer") and params.get("customer_email"):
        raise InvalidRequest("You may only specify one of these parameters: customer, customer_email.")
    if params.get("customer") and params.get("customer_creation"):
        raise InvalidRequest("`customer_creation` can't be used with `customer`.", param="customer_creation")
    for name, only in _ONLY_FOR.items():
        if name in params and mode != only:
            raise InvalidRequest(f"You can not pass `{name}` in `{mode}` mode.", param=name)


def _line(world: World, item: Params, mode: str, number: int) -> Obj:
    price = world.get("price", item["price"], param=f"line_items[{number}][price]")
    if not price["active"]:
        raise InvalidRequest(
            "The price specified is inactive. This field only accepts active prices.",
            param=f"line_items[{number}][price]",
        )
    if mode == "payment" and price["recurring"]:
        raise InvalidRequest(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use "
            "only one-time prices.",
            param=f"line_items[{number}][price]",
        )
    if mode == "subscription" and not price["recurring"]:
        raise InvalidRequest(
            "You must provide at least one recurring price in `subscription` mode when using prices. (The sandbox "
            "simulates no one-time prices there.)",
            param=f"line_items[{number}][price]",
        )
    words = world.get("product", price["product"])["name"]
    made = sessions.line_item(price=price, quantity=item.get("quantity") or 1, words=words)
    made["metadata"] = item.get("metadata") or {}
    return made


def _put_lines(session: Obj, lines: list[Obj]) -> None:
    if len({line["currency"] for line in lines}) > 1:
        raise InvalidRequest("All prices on a Checkout session must have the same currency.", param="line_items")
    total = sum(line["amount_total"] for line in lines)
    session |= {"_lines": lines, "currency": lines[0]["currency"], "amount_subtotal": total, "amount_total": total}


def _expiry(now: int, given: int | None) -> int:
    if given is None:
        return now + DAY
    if not now + 1800 <= given <= now + DAY:
        raise InvalidRequest(
            "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session "
            "creation.",
            param="expires_at",
        )
    return given


def _invoice_creation(given: Params | None) -> Obj:
    data = (given or {}).get("invoice_data") or {}
    nothing = ("account_tax_ids", "custom_fields", "footer", "issuer", "rendering_options")
    return {
        "enabled": bool(given and given["enabled"]),
        "invoice_data": {
            **dict.fromkeys(nothing),
            "description": data.get("description"),
            "metadata": data.get("metadata") or {},
        },
    }


def _update(world: World, identity: str, params: Params) -> Obj:
    session = world.get("checkout.session", identity)
    if "metadata" in params:
        merge_metadata(session, params["metadata"])
        world.store.update(session)
    return session


def _expire(world: World, identity: str, _: Params) -> Obj:
    session = world.get("checkout.session", identity)
    if session["status"] != "open":
        raise InvalidRequest(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"`{session['status']}`."
        )
    checkout.expire(world, session)
    return session


def _line_items(world: World, identity: str, params: Params) -> Obj:
    session = world.get("checkout.session", identity)
    return whole(session["_lines"], params, f"/v1/checkout/sessions/{identity}/line_items")


CALLS = [
    post("/v1/checkout/sessions", _create, {**_FIELDS, "ui_mode": Text(("hosted_page",))}),
    listing(
        "checkout.session",
        "/v1/checkout/sessions",
        {
            "customer": Filter(Text(), "customer"),
            "payment_intent": Filter(Text(), "payment_intent"),
            "status": Filter(Text(("complete", "expired", "open")), "status"),
            "subscription": Filter(Text(), "subscription"),
        },
    ),
    get("checkout.session", "/v1/checkout/sessions/{id}"),
    post("/v1/checkout/sessions/{id}", _update, {"metadata": Metadata()}),
    post("/v1/checkout/sessions/{id}/expire", _expire, {}),
    Call(
        "GET",
        "/v1/checkout/sessions/{id}/line_items",
        _line_items,
        {name: PAGE[name] for name in ("limit", "starting_after")},
    ),
]
