"""/v1/checkout/sessions."""

from __future__ import annotations

from sandbox.stripe.engine import checkout, invoices
from sandbox.stripe.engine.world import World
from sandbox.stripe.objects import part
from sandbox.stripe.state.clock import DAY
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Calls, assign, whole
from sandbox.stripe.wire.errors import InvalidRequest, MissingParameter
from sandbox.stripe.wire.params import Params

_ONLY_FOR = {
    "subscription_data": "subscription",
    "payment_intent_data": "payment",
    "invoice_creation": "payment",
    "customer_creation": "payment",
    "submit_type": "payment",
}
calls = Calls()


@calls.post(
    "/v1/checkout/sessions",
    """
    allow_promotion_codes:flag automatic_tax{enabled:flag!} billing_address_collection=auto|required cancel_url
    client_reference_id:200 customer customer_creation=always|if_required customer_email:800
    custom_text{after_submit{message:1200!} submit{message:1200!}}
    customer_update{address=auto|never name=auto|never}
    expires_at:int invoice_creation{enabled:flag! invoice_data{description metadata}}
    line_items[]{price! quantity:1.. metadata}! locale metadata mode=payment|subscription!
    origin_context=mobile_app|web
    payment_intent_data{description metadata receipt_email setup_future_usage=off_session|on_session}
    payment_method_collection=always|if_required submit_type=auto|book|donate|pay|subscribe
    subscription_data{billing_mode{type=flexible!} description:500 metadata} success_url
    tax_id_collection{enabled:flag!} ui_mode=hosted_page
    """,
)
def _create(world: World, _: str, params: Params) -> Obj:
    mode = params["mode"]
    _check(params, mode)
    lines = [_line(world, item, mode, number) for number, item in enumerate(params.pop("line_items"))]
    if len({line["currency"] for line in lines}) > 1:
        raise InvalidRequest("All prices on a Checkout session must have the same currency.", param="line_items")
    session = world.new(
        "checkout.session",
        mode=mode,
        lines=lines,
        currency=lines[0]["currency"],
        total=sum(line["amount_total"] for line in lines),
        collection="always" if mode == "subscription" else "if_required",
        expires_at=_expiry(world.now(), params.pop("expires_at", None)),
        subscription_data=params.pop("subscription_data", None) or {},
        intent_data=params.pop("payment_intent_data", None) or {},
    )
    session["automatic_tax"] = invoices.automatic_tax(
        enabled=bool((params.pop("automatic_tax", None) or {}).get("enabled"))
    )
    session["tax_id_collection"] |= params.pop("tax_id_collection", None) or {}
    session["custom_text"] |= params.pop("custom_text", None) or {}
    creation = params.pop("invoice_creation", None) or {}
    if mode == "payment":
        data = creation.get("invoice_data") or {}
        about = {"description": data.get("description"), "metadata": data.get("metadata") or {}}
        enabled = bool(creation.get("enabled"))
        session["customer_creation"] = "if_required"
        session["invoice_creation"] = part("checkout.session.invoice_creation", enabled=enabled, **about)
    if params.get("customer"):
        customer = world.get("customer", params["customer"], param="customer")
        session["customer_details"] = checkout.details(email=customer["email"], name=customer["name"])
    assign(session, params)
    world.store.set_timer("expire", session["id"], session["expires_at"])
    return world.add(session)


def _check(params: Params, mode: str) -> None:
    for name in ("success_url", "line_items"):
        if not params.get(name):
            raise MissingParameter(name)
    if params.get("customer") and params.get("customer_email"):
        raise InvalidRequest("You may only specify one of these parameters: customer, customer_email.")
    if params.get("customer") and params.get("customer_creation"):
        raise InvalidRequest("`customer_creation` can't be used with `customer`.", param="customer_creation")
    _check_tax(params)
    for name, only in _ONLY_FOR.items():
        if name in params and mode != only:
            raise InvalidRequest(f"You can not pass `{name}` in `{mode}` mode.", param=name)


def _check_tax(params: Params) -> None:
    """A customer that is there already lets the page write down only what `customer_update` allows."""
    update = params.get("customer_update") or {}
    for name, field in (("automatic_tax", "address"), ("tax_id_collection", "name")):
        if params.get("customer") and (params.get(name) or {}).get("enabled") and update.get(field) != "auto":
            raise InvalidRequest(
                f"`{name}` needs `customer_update[{field}]` to be `auto` for an existing customer.",
                param=f"customer_update[{field}]",
            )
    if update and not params.get("customer"):
        raise InvalidRequest("`customer_update` can only be used with `customer`.", param="customer_update")


def _line(world: World, item: Params, mode: str, number: int) -> Obj:
    place = f"line_items[{number}][price]"
    price = world.get("price", item["price"], param=place)
    wrong = ""
    if not price["active"]:
        wrong = "The price specified is inactive. This field only accepts active prices."
    elif mode == "payment" and price["recurring"]:
        wrong = (
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use "
            "only one-time prices."
        )
    elif mode == "subscription" and not price["recurring"]:
        wrong = (
            "You must provide at least one recurring price in `subscription` mode when using prices. (The sandbox "
            "simulates no one-time prices there.)"
        )
    if wrong:
        raise InvalidRequest(wrong, param=place)
    words, quantity = world.get("product", price["product"])["name"], item.get("quantity") or 1
    about = {"quantity": quantity, "amount": price["unit_amount"] * quantity, "metadata": item.get("metadata") or {}}
    return world.new("item", price=price, words=words, **about)


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


@calls.post("/v1/checkout/sessions/{id}/expire", of="checkout.session")
def _expire(world: World, session: Obj, _: Params) -> Obj:
    if session["status"] != "open":
        raise InvalidRequest(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"`{session['status']}`."
        )
    return checkout.expire(world, session)


@calls.on("GET", "/v1/checkout/sessions/{id}/line_items", "limit:1..100 starting_after", of="checkout.session")
def _line_items(world: World, session: Obj, params: Params) -> Obj:
    return whole(session["_lines"], params, f"/v1/checkout/sessions/{session['id']}/line_items")


calls.reads(
    "checkout.session",
    "/v1/checkout/sessions",
    "created:range customer payment_intent status=complete|expired|open subscription",
)
calls.updates("checkout.session", "/v1/checkout/sessions", "metadata")
