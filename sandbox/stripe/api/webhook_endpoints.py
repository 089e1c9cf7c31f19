"""/v1/webhook_endpoints."""

from __future__ import annotations

from sandbox.stripe import API_VERSION
from sandbox.stripe.engine.world import World
from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Calls, assign
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Params

FROM_ENVIRONMENT = "we_from_environment"
"""The endpoint that `SANDBOX_STRIPE_WEBHOOK_URL` and `_SECRET` describe."""
calls = Calls()


def follow_environment(world: World) -> None:
    """Make the environment's endpoint what the environment says now; disable it when it says nothing."""
    known = world.store.find(FROM_ENVIRONMENT)
    url, secret = world.config.webhook_url, world.config.webhook_secret
    if known is None and not (url and secret):
        return
    endpoint = known or world.new(
        "webhook_endpoint", id=FROM_ENVIRONMENT, address=url, enabled_events=["*"], secret=secret
    )
    endpoint |= {"api_version": API_VERSION, "status": "enabled" if url and secret else "disabled"}
    if url and secret:
        endpoint |= {"url": url, "_secret": secret}
    if known is None:
        world.store.insert(endpoint)
    else:
        world.store.update(endpoint)


@calls.post("/v1/webhook_endpoints", "description metadata url! enabled_events[300]! api_version")
def _create(world: World, _: str, params: Params) -> Obj:
    version = params.pop("api_version", None)
    if version not in (None, API_VERSION):
        raise InvalidRequest(f"The sandbox sends {API_VERSION} only.", param="api_version")
    address, secret = _address(params["url"]), "whsec_" + ids.token(32)
    events = params["enabled_events"]
    endpoint = world.new("webhook_endpoint", address=address, enabled_events=events, secret=secret)
    endpoint["api_version"] = version
    assign(endpoint, params)
    world.store.insert(endpoint)
    return {**endpoint, "secret": endpoint["_secret"]}


@calls.post(
    "/v1/webhook_endpoints/{id}", "description metadata url enabled_events[300] disabled:flag", of="webhook_endpoint"
)
def _update(world: World, endpoint: Obj, params: Params) -> Obj:
    if params.get("url"):
        _address(params["url"])
    disabled = params.pop("disabled", None)
    assign(endpoint, params)
    if disabled is not None:
        endpoint["status"] = "disabled" if disabled else "enabled"
    if disabled:
        world.outbox.give_up(endpoint["id"])
    world.store.update(endpoint)
    return endpoint


@calls.on("DELETE", "/v1/webhook_endpoints/{id}", of="webhook_endpoint")
def _delete(world: World, endpoint: Obj, _: Params) -> Obj:
    world.outbox.give_up(endpoint["id"])
    world.store.delete(endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise InvalidRequest("Invalid URL: an explicit scheme (such as https) must be provided.", param="url")
    return url


calls.reads("webhook_endpoint", "/v1/webhook_endpoints", "")
