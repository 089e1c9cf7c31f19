"""What an operator can do to events on their way: hold, reorder, repeat, forge. Paths are under /sandbox/stripe."""

from __future__ import annotations

import json
import random
from typing import Any

from sandbox.stripe.engine.world import World, new_event
from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj, Query
from sandbox.stripe.webhooks import forgeries
from sandbox.stripe.webhooks.outbox import State, shown
from sandbox.stripe.wire.calls import Calls
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Params

_ORDER = "order=created|reversed|shuffled"
_TIMES = "times:1..20"
ACTIONS = Calls()


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
    return [_event(world, event) for event in world.store.select(Query("event"), limit=limit)]


def _event(world: World, event: Obj) -> Obj:
    about = event["data"]["object"]
    return {
        **{name: event[name] for name in ("id", "type", "created")},
        "object": {"id": about["id"], "object": about["object"]},
        "previous_attributes": event["data"].get("previous_attributes"),
        "deliveries": [shown(delivery) for delivery in world.outbox.of_event(event["id"])],
    }


@ACTIONS.post("/events/{id}/resend", _TIMES, of="event")
def _resend_one(world: World, event: Obj, params: Params) -> Obj:
    return {"queued": sum(world.outbox.add(event) for _ in range(params.get("times") or 1))}


@ACTIONS.post("/events/resend", f"events[] last:1..1000 {_ORDER} {_TIMES}")
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


@ACTIONS.post("/events/forge", f"forgery={'|'.join(forgeries.DESCRIPTIONS)}! event type object:100000")
def _forge(world: World, _: str, params: Params) -> Obj:
    """Send a letter that Stripe never wrote: a known event's or an invented one, spoiled as `forgery` says."""
    forgery = params["forgery"]
    if params.get("event"):
        event = world.get("event", params["event"], param="event")
    else:
        event = new_event(params.get("type") or "invoice.paid", _invented(params), created=world.now())
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


@ACTIONS.post("/deliveries/hold")
def _hold(world: World, _: str, __: Params) -> Obj:
    world.outbox.hold()
    return state(world)


@ACTIONS.post("/deliveries/release", f"events[1000] {_ORDER}")
def _release(world: World, _: str, params: Params) -> Obj:
    order = params.get("events") or params.get("order") or "created"
    return {"released": world.outbox.release(order)}
