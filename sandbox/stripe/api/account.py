"""/v1/account: whose account the key opens."""

from __future__ import annotations

from sandbox.stripe.engine.world import World
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Calls
from sandbox.stripe.wire.params import Params

calls = Calls()


@calls.on("GET", "/v1/account")
def _retrieve(world: World, _: str, __: Params) -> Obj:
    return world.account()
