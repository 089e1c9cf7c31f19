"""/v1/webhook_endpoints."""

from __future__ import annotations

from sandbox.stripe import API_VERSION
from sandbox.stripe.engine.world import World
from sandbox.stripe.objects import sessions
from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj
from sandbox.stripe.wire.calls import Call, assign, get, listing, post
from sandbox.stripe.wire.errors import InvalidRequest
from sandbox.stripe.wire.params import Fields, Flag, Many, Metadata, Params, Text

FROM_ENVIRONMENT = "we_from_environment"
"""The endpoint that `SANDBOX_STRIPE_WEBHOOK_URL` and `_SECRET` describe."""


def follow_environment(world: World) -> None:
    """Make the environment's endpoint what the environment says now; disable it when it says nothing."""
    known = world.store.find(FROM_ENVIRONMENT)
    url, secret = world.config.webhook_url, world.config.webhook_secret
    if known is None and not (url and secret):
        return
    endpoint = known or sessions.webhook_endpoint(
        url=url, enabled_events=["*"], secret=secret, identity=FROM_ENVIRONMENT, created=world.now()
    )
    endpoint |= {"api_version": API_VERSION, "status": "enabled" if url and secret else "disabled"}
    if url and secret:
        endpoint |= {"url": url, "_secret": secret}
    if known is None:
        world.store.insert(endpoint)
    else:
        world.store.update(endpoint)


def _create(world: World, _: str, params: Params) -> Obj:
    version = params.pop("api_version", None)
    if version not in (None, API_VERSION):
        raise InvalidRequest(f"The sandbox sends {API_VERSION} only.", param="api_version")
    endpoint = sessions.webhook_endpoint(
        url=_address(params["url"]),
        enabled_events=params["enabled_events"],
        secret="whsec_" + ids.token(32),
        identity="",
        created=world.now(),
    )
    endpoint["api_version"] = version
    assign(endpoint, params)
    world.store.insert(endpoint)
    return {**endpoint, "secret": endpoint["_secret"]}


def _update(world: World, identity: str, params: Params) -> Obj:
    endpoint = world.get("webhook_endpoint", identity)
    if params.get("url"):
        _address(params["url"])
    disabled = params.pop("disabled", None)
    assign(endpoint, params)
    if disabled is not None:
        endpoint["status"] = "disabled" if disabled else "enabled"
    if disabled:
        world.outbox.give_up(identity)
    world.store.update(endpoint)
    return endpoint


def _delete(world: World, identity: str, _: Params) -> Obj:
    world.get("webhook_endpoint", identity)
    world.outbox.give_up(identity)
    world.store.delete(identity)
    return {"id": identity, "object": "webhook_endpoint", "deleted": True}


def _address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise InvalidRequest("Invalid URL: an explicit scheme (such as https) must be provided.", param="url")
    return url


_FIELDS: Fields = {"description": Text(), "metadata": Metadata()}
CALLS = [
    post(
        "/v1/webhook_endpoints",
        _create,
        {
            **_FIELDS,
            "url": Text(required=True),
            "enabled_events": Many(Text(), required=True, most=300),
            "api_version": Text(),
        },
    ),
    listing("webhook_endpoint", "/v1/webhook_endpoints", {}, dated=False),
    get("webhook_endpoint", "/v1/webhook_endpoints/{id}"),
    post(
        "/v1/webhook_endpoints/{id}",
        _update,
        {**_FIELDS, "url": Text(), "enabled_events": Many(Text(), most=300), "disabled": Flag()},
    ),
    Call("DELETE", "/v1/webhook_endpoints/{id}", _delete, {}),
]
