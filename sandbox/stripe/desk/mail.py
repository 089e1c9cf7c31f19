"""What an operator can do to events on their way: hold, reorder, repeat, forge. Paths are under /sandbox/stripe."""

from __future__ import annotations

import json
import random
from typing import Any

from sandbox.stripe.engine.world import World, new_event
from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj, Query
from sandbox.stripe.webhooks import forgeries
from sandbox.stripe.webhooks.outbox import State
from sandbox.stripe.wire.calls import Call, post
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Integer, Many, Params, Text

_ORDERS = Text(("created", "reversed", "shuffled"))


def state(world: World) -> Obj:
    """Return the clock and the outbox at a glance."""
    return {
        "simulated": True,
        "now": world.now(),
        "offset": world.clock.offset,
        "holding": world.outbox.holding,
        "deliveries": {each.value: world.outbox.count(each) for each in State},
        "endpoints": [{"id": each["id"], "url": each["url"]} for each in world.outbox.endpoints()],
    }


def events(world: World, *, limit: int) -> list[Obj]:
    """Return the latest events with how their deliveries stand, the newest first."""
    shown = []
    for event in world.store.select(Query("event"), limit=limit):
        about = event["data"]["object"]
        shown.append(
            {
                "id": event["id"],
                "type": event["type"],
                "created": event["created"],
                "object": {"id": about["id"], "object": about["object"]},
                "previous_attributes": event["data"].get("previous_attributes"),
                "deliveries": [delivery.shown() for delivery in world.outbox.of_event(event["id"])],
            }
        )
    return shown


def _resend_one(world: World, identity: str, params: Params) -> Obj:
    event = world.get("event", identity)
    return {"queued": sum(world.outbox.add(event) for _ in range(params.get("times") or 1))}


def _resend(world: World, _: str, params: Params) -> Obj:
    """Send events once more: those named, or the latest `last`, in the order asked for."""
    if params.get("events"):
        chosen = [world.get("event", identity, param="events") for identity in params["events"]]
    else:
        chosen = world.store.select(Query("event"), limit=params.get("last") or 10)[::-1]
    order = params.get("order") or "created"
    if order == "reversed":
        chosen.reverse()
    if order == "shuffled":
        random.shuffle(chosen)
    for event in chosen:
        for _time in range(params.get("times") or 1):
            world.outbox.add(event)
    return {"events": [event["id"] for event in chosen]}


def _forge(world: World, _: str, params: Params) -> Obj:
    """Send a letter that Stripe never wrote: a known event's or an invented one, spoiled as `forgery` says."""
    forgery = params["forgery"]
    if params.get("event"):
        event = world.get("event", params["event"], param="event")
    else:
        about = _invented(params)
        event = new_event(params.get("type") or "invoice.paid", about, created=world.now())
        event["id"] = ids.new("event")
    return {"event": event["id"], "type": event["type"], "queued": world.outbox.add(event, forgery=forgery)}


def _invented(params: Params) -> Obj:
    if not params.get("object"):
        return {"id": ids.new("invoice"), "object": "invoice", "livemode": False, "amount_paid": 99_900}
    try:
        about: Any = json.loads(params["object"])
    except ValueError:
        about = None
    if not isinstance(about, dict):
        raise InvalidRequest("`object` must be a JSON object.", param="object")
    return about


def _hold(world: World, _: str, __: Params) -> Obj:
    world.outbox.hold()
    return state(world)


def _release(world: World, _: str, params: Params) -> Obj:
    order = params.get("events") or params.get("order") or "created"
    return {"released": world.outbox.release(order)}


ACTIONS: list[Call] = [
    post(
        "/events/forge",
        _forge,
        {
            "forgery": Text(tuple(forgeries.DESCRIPTIONS), required=True),
            "event": Text(),
            "type": Text(),
            "object": Text(longest=100_000),
        },
    ),
    post(
        "/events/resend",
        _resend,
        {
            "events": Many(Text()),
            "last": Integer(least=1, most=1000),
            "order": _ORDERS,
            "times": Integer(least=1, most=20),
        },
    ),
    post("/events/{id}/resend", _resend_one, {"times": Integer(least=1, most=20)}),
    post("/deliveries/hold", _hold, {}),
    post("/deliveries/release", _release, {"events": Many(Text(), most=1000), "order": _ORDERS}),
]
