"""/v1/disputes."""

from __future__ import annotations

from sandbox.stripe.engine import disputes
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Filter, get, listing, merge_metadata, post
from sandbox.stripe.wire.params import Flag, Group, Metadata, Params, Text


def _update(world: World, identity: str, params: Params) -> Obj:
    dispute = world.get("dispute", identity)
    with world.changing(dispute, "charge.dispute.updated"):
        if "metadata" in params:
            merge_metadata(dispute, params["metadata"])
        dispute["evidence"] |= params.get("evidence") or {}
    if params.get("submit"):
        disputes.submit(world, dispute)
    return dispute


def _close(world: World, identity: str, _: Params) -> Obj:
    return disputes.close(world, world.get("dispute", identity), won=False)


CALLS = [
    listing(
        "dispute",
        "/v1/disputes",
        {"charge": Filter(Text(), "charge"), "payment_intent": Filter(Text(), "payment_intent")},
    ),
    get("dispute", "/v1/disputes/{id}"),
    post(
        "/v1/disputes/{id}",
        _update,
        {
            "evidence": Group({"uncategorized_text": Text(longest=20_000), "product_description": Text()}),
            "metadata": Metadata(),
            "submit": Flag(),
        },
    ),
    post("/v1/disputes/{id}/close", _close, {}),
]
