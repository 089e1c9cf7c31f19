"""/v1/billing_portal: sessions and configurations."""

from __future__ import annotations

from sandbox.stripe.engine.world import World
from sandbox.stripe.objects import sessions
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Filter, get, listing, merge_metadata, post
from sandbox.stripe.wire.errors import InvalidRequest, MissingParameter
from sandbox.stripe.wire.params import Fields, Flag, Group, Many, Metadata, Params, Text

_PRORATIONS = Text(("always_invoice", "create_prorations", "none"))
_REASONS = (
    "customer_service", "low_quality", "missing_features", "other", "switched_service", "too_complex",
    "too_expensive", "unused",
)  # fmt: skip
_FEATURES: Fields = {
    "customer_update": Group(
        {"enabled": Flag(), "allowed_updates": Many(Text(("address", "email", "name", "phone", "shipping", "tax_id")))}
    ),
    "invoice_history": Group({"enabled": Flag(required=True)}),
    "payment_method_update": Group({"enabled": Flag(required=True)}),
    "subscription_cancel": Group(
        {
            "enabled": Flag(),
            "mode": Text(("at_period_end", "immediately")),
            "proration_behavior": _PRORATIONS,
            "cancellation_reason": Group({"enabled": Flag(required=True), "options": Many(Text(_REASONS))}),
        }
    ),
    "subscription_update": Group(
        {
            "enabled": Flag(),
            "default_allowed_updates": Many(Text(("price", "quantity", "promotion_code"))),
            "products": Many(Group({"product": Text(required=True), "prices": Many(Text(), required=True)}), most=10),
            "proration_behavior": _PRORATIONS,
        }
    ),
}
_CONFIGURATION: Fields = {
    "business_profile": Group(
        {"headline": Text(longest=60), "privacy_policy_url": Text(), "terms_of_service_url": Text()}
    ),
    "default_return_url": Text(),
    "features": Group(_FEATURES),
    "metadata": Metadata(),
    "name": Text(),
}
_ONE = Group({"subscription": Text(required=True)})
_FLOWS = ("payment_method_update", "subscription_cancel", "subscription_update", "subscription_update_confirm")
_FLOW: Fields = {
    "type": Text(_FLOWS, required=True),
    "after_completion": Group(
        {
            "type": Text(("hosted_confirmation", "portal_homepage", "redirect"), required=True),
            "redirect": Group({"return_url": Text(required=True)}),
            "hosted_confirmation": Group({"custom_message": Text()}),
        }
    ),
    "subscription_cancel": _ONE,
    "subscription_update": _ONE,
    "subscription_update_confirm": Group(
        {
            "subscription": Text(required=True),
            "items": Many(Group({"id": Text(required=True), "price": Text(), "quantity": Text()}), required=True),
        }
    ),
}


def default_configuration(world: World) -> Obj:
    """Return the account's default configuration; the stand-in has one from the start, as if saved in the dashboard."""
    known = world.all("billing_portal.configuration", is_default=True)
    if known:
        return known[0]
    return world.add(sessions.portal_configuration(created=world.now(), is_default=True))


def _create_configuration(world: World, _: str, params: Params) -> Obj:
    if not params.get("features"):
        raise MissingParameter("features")
    made = sessions.portal_configuration(created=world.now(), is_default=False)
    _change(world, made, params)
    return world.add(made, "billing_portal.configuration.created")


def _update_configuration(world: World, identity: str, params: Params) -> Obj:
    configuration = world.get("billing_portal.configuration", identity)
    with world.changing(configuration, "billing_portal.configuration.updated"):
        _change(world, configuration, params)
        configuration["updated"] = world.now()
    return configuration


def _change(world: World, configuration: Obj, params: Params) -> None:
    for feature, settings in (params.get("features") or {}).items():
        for name, value in settings.items():
            if name == "products":
                _check_products(world, value)
                value = [{**each, "adjustable_quantity": {"enabled": False, "minimum": 1}} for each in value]
            configuration["features"][feature][name] = value
    configuration["business_profile"] |= params.get("business_profile") or {}
    for name in ("default_return_url", "name", "active"):
        if name in params:
            configuration[name] = params[name]
    if "metadata" in params:
        merge_metadata(configuration, params["metadata"])


def _check_products(world: World, products: list[Params]) -> None:
    for number, each in enumerate(products):
        place = f"features[subscription_update][products][{number}]"
        world.get("product", each["product"], param=f"{place}[product]")
        for price in each["prices"]:
            found = world.get("price", price, param=f"{place}[prices]")
            if found["product"] != each["product"]:
                raise InvalidRequest(f"Price {price} is not of product {each['product']}.", param=f"{place}[prices]")


def _create_session(world: World, _: str, params: Params) -> Obj:
    customer = world.get("customer", params["customer"], param="customer")
    chosen = params.get("configuration")
    configuration = (
        world.get("billing_portal.configuration", chosen, param="configuration")
        if chosen
        else default_configuration(world)
    )
    session = sessions.portal_session(
        customer=customer["id"],
        configuration=configuration["id"],
        return_url=params.get("return_url") or configuration["default_return_url"],
        url=world.url,
        created=world.now(),
    )
    if flow := params.get("flow_data"):
        session["flow"] = _flow(world, customer, flow)
    return world.add(session, "billing_portal.session.created")


def _flow(world: World, customer: Obj, given: Params) -> Obj:
    details = given.get(given["type"])
    if given["type"] != "payment_method_update":
        if not details:
            raise MissingParameter(f"flow_data[{given['type']}]")
        place = f"flow_data[{given['type']}][subscription]"
        subscription = world.get("subscription", details["subscription"], param=place)
        if subscription["customer"] != customer["id"]:
            raise InvalidRequest("The subscription is not this customer's.", param=place)
    after = given.get("after_completion") or {"type": "portal_homepage"}
    flow: Obj = {
        "after_completion": {"hosted_confirmation": None, "redirect": None, **after},
        "subscription_cancel": None,
        "subscription_update": None,
        "subscription_update_confirm": None,
        "type": given["type"],
    }
    if given["type"] == "subscription_cancel" and details:
        details = {**details, "retention": None}
    if given["type"] == "subscription_update_confirm" and details:
        details = {**details, "discounts": None}
    if details:
        flow[given["type"]] = details
    return flow


CALLS = [
    post(
        "/v1/billing_portal/sessions",
        _create_session,
        {
            "configuration": Text(),
            "customer": Text(required=True),
            "flow_data": Group(_FLOW),
            "locale": Text(),
            "return_url": Text(),
        },
    ),
    post("/v1/billing_portal/configurations", _create_configuration, _CONFIGURATION),
    listing(
        "billing_portal.configuration",
        "/v1/billing_portal/configurations",
        {"active": Filter(Flag(), "active"), "is_default": Filter(Flag(), "is_default")},
        dated=False,
    ),
    get("billing_portal.configuration", "/v1/billing_portal/configurations/{id}"),
    post("/v1/billing_portal/configurations/{id}", _update_configuration, {**_CONFIGURATION, "active": Flag()}),
]
