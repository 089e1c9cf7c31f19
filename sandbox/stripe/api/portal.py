"""/v1/billing_portal: sessions and configurations."""

from __future__ import annotations

from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Calls, assign
from sandbox.stripe.wire.errors import InvalidRequest, MissingParameter
from sandbox.stripe.wire.params import Params

PRORATIONS = "proration_behavior=always_invoice|create_prorations|none"
FEEDBACK = "customer_service|low_quality|missing_features|other|switched_service|too_complex|too_expensive|unused"
_CONFIGURATION = f"""
    business_profile{{headline:60 privacy_policy_url terms_of_service_url}} default_return_url
    features{{
        customer_update{{enabled:flag allowed_updates[]=address|email|name|phone|shipping|tax_id}}
        invoice_history{{enabled:flag!}}
        payment_method_update{{enabled:flag!}}
        subscription_cancel{{
            enabled:flag mode=at_period_end|immediately {PRORATIONS}
            cancellation_reason{{enabled:flag! options[]={FEEDBACK}}}
        }}
        subscription_update{{
            enabled:flag default_allowed_updates[]=price|quantity|promotion_code {PRORATIONS}
            products[10]{{product! prices[]!}}
        }}
    }}
    metadata name
"""
_FLOW = """
    flow_data{
        type=payment_method_update|subscription_cancel|subscription_update|subscription_update_confirm!
        after_completion{
            type=hosted_confirmation|portal_homepage|redirect! redirect{return_url!} hosted_confirmation{custom_message}
        }
        subscription_cancel{subscription!}
        subscription_update{subscription!}
        subscription_update_confirm{subscription! items[]{id! price quantity}!}
    }
"""
calls = Calls()


def default_configuration(world: World) -> Obj:
    """Return the account's default configuration; the stand-in has one from the start, as if saved in the dashboard."""
    known = world.all("billing_portal.configuration", is_default=True)
    if known:
        return known[0]
    return world.add(world.new("billing_portal.configuration", is_default=True))


@calls.post("/v1/billing_portal/configurations", _CONFIGURATION)
def _create_configuration(world: World, _: str, params: Params) -> Obj:
    if not params.get("features"):
        raise MissingParameter("features")
    made = world.new("billing_portal.configuration", is_default=False)
    _change(world, made, params)
    return world.add(made, "billing_portal.configuration.created")


@calls.post(
    "/v1/billing_portal/configurations/{id}", f"{_CONFIGURATION} active:flag", of="billing_portal.configuration"
)
def _update_configuration(world: World, configuration: Obj, params: Params) -> Obj:
    with world.changing(configuration, "billing_portal.configuration.updated"):
        _change(world, configuration, params)
        configuration["updated"] = world.now()
    return configuration


def _change(world: World, configuration: Obj, params: Params) -> None:
    for feature, settings in (params.pop("features", None) or {}).items():
        for name, value in settings.items():
            if name == "products":
                _check_products(world, value)
                value = [{**each, "adjustable_quantity": {"enabled": False, "minimum": 1}} for each in value]
            configuration["features"][feature][name] = value
    configuration["business_profile"] |= params.pop("business_profile", None) or {}
    assign(configuration, params)


def _check_products(world: World, products: list[Params]) -> None:
    for number, each in enumerate(products):
        place = f"features[subscription_update][products][{number}]"
        world.get("product", each["product"], param=f"{place}[product]")
        for price in each["prices"]:
            found = world.get("price", price, param=f"{place}[prices]")
            if found["product"] != each["product"]:
                raise InvalidRequest(f"Price {price} is not of product {each['product']}.", param=f"{place}[prices]")


@calls.post("/v1/billing_portal/sessions", f"configuration customer! {_FLOW} locale return_url")
def _create_session(world: World, _: str, params: Params) -> Obj:
    customer = world.get("customer", params["customer"], param="customer")
    chosen, flow = params.get("configuration"), params.get("flow_data")
    kind = "billing_portal.configuration"
    configuration = world.get(kind, chosen, param="configuration") if chosen else default_configuration(world)
    session = world.new(
        "billing_portal.session",
        customer=customer["id"],
        configuration=configuration["id"],
        return_url=params.get("return_url") or configuration["default_return_url"],
        flow=_flow(world, customer, flow) if flow else None,
    )
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
        **dict.fromkeys(("subscription_cancel", "subscription_update", "subscription_update_confirm")),
        "type": given["type"],
    }
    absent = {"subscription_cancel": "retention", "subscription_update_confirm": "discounts"}.get(given["type"])
    if details:
        flow[given["type"]] = {**details, absent: None} if absent else details
    return flow


calls.reads("billing_portal.configuration", "/v1/billing_portal/configurations", "active:flag is_default:flag")
