"""/v1/events."""

from __future__ import annotations

from sandbox.stripe.wire.calls import Filter, get, listing
from sandbox.stripe.wire.params import Many, Text

CALLS = [
    listing("event", "/v1/events", {"type": Filter(Text(), "type"), "types": Filter(Many(Text(), most=20), "type")}),
    get("event", "/v1/events/{id}"),
]
