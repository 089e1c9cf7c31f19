"""A call of the API that its owner sends once more, from their request log: by the same door, within its key's limits.

No secret is needed for that, for it is the account's own page that asks. The call runs asynchronously, under an
Idempotency-Key of the form's own, so that a double click makes one image.
"""

import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from pydantic import ValidationError

from accounts import keys
from accounts.models import KeyScope, User
from billing import ledger
from generator.api import images, pictures
from generator.api.calling import ApiRequest
from generator.api.closed_reve import endpoints as closed_reve
from generator.api.closed_reve.fields import THEIR_VERSION, CreateRequest
from generator.api.openai import choices, fields
from generator.api.openai import views as openai
from generator.api.openai.errors import Told
from generator.ask import prices
from generator.ask.callers import Caller
from generator.ask.schemas import GenerateRequest
from generator.calls.writing import route_of
from generator.models import ApiCall, Operation
from kit.threads import in_loop, let_go
from reveweb import noting
from reveweb.api import api
from reveweb.held import Utf8Request

USER_AGENT = "Run again (dashboard)"
NEVER_VALID = ("invalid_request", "invalid_json", "invalid_form", "unsupported_media_type", "body_too_large")


Json = dict[str, Any]
_ASYNC = {"async": True}


async def _draw(request: ApiRequest) -> HttpResponse:
    return await images.draw(request, GenerateRequest.model_validate(api.parser.parse_body(request)))


async def _create(request: ApiRequest) -> HttpResponse:
    return await closed_reve.begin(request, CreateRequest.model_validate(api.parser.parse_body(request)))


@dataclass(frozen=True)
class _Door:
    """An endpoint whose calls can be run again, for nobody who waits.

    `named` tells what of a body, for a key that may use the models `only`, says in our words what an image costs.
    """

    operation: Operation
    draw: Callable[[ApiRequest], Awaitable[HttpResponseBase]]
    named: Callable[[Json, Sequence[str]], Json] = lambda body, only: body
    more: Json = field(default_factory=dict)


def _by_openai(body: Json, only: Sequence[str]) -> Json:
    asked = fields.read(body)
    model = choices.model_for(asked.model)
    choice = choices.choose(model, Operation.CREATE, asked.size, asked.quality, only=only)
    return {"model": model.slug if model else "", "size": choice.size, "quality": choice.quality, "n": asked.n}


def _by_reve(body: Json, only: Sequence[str]) -> Json:
    version = str(body.get("version") or "")
    return {"model": "" if THEIR_VERSION.fullmatch(version) else version}


_DOORS = {
    f"/v1/{room}/{path}": door
    for room in ("reve-image", "images")
    for path, door in {
        "generate": _Door(Operation.CREATE, _draw, more=_ASYNC),
        "edit": _Door(Operation.EDIT, pictures.edit, more=_ASYNC),
        "remix": _Door(Operation.REMIX, pictures.remix, more=_ASYNC),
    }.items()
} | {
    "/v1/images/generations": _Door(Operation.CREATE, openai.begin, _by_openai),
    "/v1/image/create": _Door(Operation.CREATE, _create, _by_reve),
}


@dataclass(frozen=True)
class Again:
    """A call that can be run again, as whom, and the credits that it costs now."""

    call: ApiCall
    caller: Caller
    body: Json
    credits: int


def again_of(call: ApiCall, user: User) -> Again | None:
    """Return how to run a call again; None where its key does not work any more, or not all of its words are kept."""
    door = _DOORS.get(route_of(call.path)) if call.method == "POST" else None
    if door is None or not call.is_whole or call.error_code in NEVER_VALID or not call.api_key_id:
        return None
    key = keys.live(user).select_related("user", ledger.BESIDE_A_KEY).filter(pk=call.api_key_id).first()
    body = body_of(call)
    if key is None or KeyScope.GENERATE not in key.scopes or not body or body.get("dry_run"):
        return None
    try:
        named = door.named(body, key.image_models)
    except Told:  # what it asks for is not offered any more
        return None
    credits = 0 if key.is_test else _price(named, door.operation, key.image_models)
    return Again(call, Caller(key, ledger.wallet_of(key)), body, credits)


def run(again: Again, page: HttpRequest, nonce: str) -> tuple[int, Json]:
    """Run a call again as a form with this `nonce` asks, once; return the answer's status and body."""
    began = time.perf_counter()
    door = _DOORS[route_of(again.call.path)]
    request = _request({**again.body, **door.more}, again, page, nonce)
    let_go()
    try:
        response = in_loop(_answered(door, request))
    except ValidationError as error:  # the API has become stricter since
        return 422, {"error": {"message": f"This call is not valid any more: {error.errors()[0]['msg']}."}}
    noting.note(request, response, began)
    told: Json = json.loads(response.content)
    return response.status_code, told


def body_of(call: ApiCall) -> Json:
    """Return what is kept of a call's body, as far as it is an object."""
    try:
        body = json.loads(call.request_body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def image_of(told: Json) -> str:
    """Return the id of the first image that an answer describes, "" where there is none."""
    images = told.get("images")
    first = images[0] if isinstance(images, list) and images else told
    id = first.get("id", "") if isinstance(first, dict) else ""
    return id if isinstance(id, str) else ""


async def _answered(door: _Door, request: ApiRequest) -> HttpResponse:
    try:
        return cast(HttpResponse, await door.draw(request))
    except ValidationError:
        raise
    except Exception as error:
        return api.on_exception(request, error)


def _request(words: Json, again: Again, page: HttpRequest, nonce: str) -> ApiRequest:
    body = json.dumps(words).encode()
    headers = {
        "host": page.get_host(),
        "content-type": "application/json",
        "content-length": str(len(body)),
        "idempotency-key": f"again-{nonce}",
        "user-agent": USER_AGENT,
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": again.call.path.rstrip("/"),
        "query_string": b"",
        "scheme": page.scheme,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": (page.META.get("REMOTE_ADDR") or "", 0),
    }
    request = cast(ApiRequest, Utf8Request(scope, BytesIO(body)))
    request.caller, request.needs, request.is_remembered = again.caller, KeyScope.GENERATE, False
    return request


def _price(body: Json, operation: Operation, only: Sequence[str]) -> int:
    """Return what the call costs now; what it names and is not offered any more is refused when it is sent."""
    size, quality = (str(body.get(name) or "") for name in ("size", "quality"))
    count = body.get("n")
    named = prices.model_called(str(body.get("model") or ""))
    if named is None:
        one = prices.unasked(operation, size, quality, only)
    else:
        one = prices.price_of(named, operation, size, quality)
    return one * (count if isinstance(count, int) and count > 0 else 1)
