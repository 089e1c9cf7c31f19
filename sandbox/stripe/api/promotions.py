"""/v1/coupons and /v1/promotion_codes."""

from __future__ import annotations

from sandbox.stripe.engine.world import World
from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Calls, assign
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Params

calls = Calls()


@calls.post(
    "/v1/coupons",
    """amount_off:1.. currency:3 duration=forever|once|repeating duration_in_months:1.. id max_redemptions:1..
    metadata name:40 percent_off:1..100 redeem_by:int""",
)
def _create_coupon(world: World, _: str, params: Params) -> Obj:
    if ("amount_off" in params) == ("percent_off" in params):
        raise InvalidRequest("You must pass exactly one of percent_off or amount_off.", param="percent_off")
    if ("amount_off" in params) != ("currency" in params):
        raise InvalidRequest("You must pass currency when passing amount_off.", param="currency")
    if (params.get("duration") == "repeating") != ("duration_in_months" in params):
        raise InvalidRequest("duration_in_months is needed for a repeating coupon only.", param="duration_in_months")
    coupon = world.new("coupon", id=params.pop("id", None))
    assign(coupon, params)
    return world.add(coupon, "coupon.created")


@calls.post(
    "/v1/promotion_codes",
    "active:flag code:500 customer expires_at:int max_redemptions:1.. metadata promotion{type=coupon! coupon}!",
)
def _create_promotion_code(world: World, _: str, params: Params) -> Obj:
    coupon = world.get("coupon", params.pop("promotion").get("coupon") or "", param="promotion[coupon]")
    code = params.pop("code", None) or ids.token(8).upper()
    if any(each["active"] and each["code"].lower() == code.lower() for each in world.all("promotion_code")):
        raise InvalidRequest("An active promotion code with `code: " + code + "` already exists.", param="code")
    promotion = world.new("promotion_code", code=code, coupon=coupon["id"])
    assign(promotion, params)
    return world.add(promotion, "promotion_code.created")


calls.reads("coupon", "/v1/coupons")
calls.reads("promotion_code", "/v1/promotion_codes", "active:flag code created:range customer")
calls.updates("promotion_code", "/v1/promotion_codes", "active:flag metadata", "promotion_code.updated")
