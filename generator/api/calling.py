"""Who calls the API, what that caller may do, and what every answer has: no endpoint of its own."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.urls import reverse
from ninja.security import HttpBearer

from accounts import keys
from accounts.models import KeyScope
from generator import live
from generator.api import prefer
from generator.api.prefer import Preference
from generator.ask import admission, callers, dry_run, limits
from generator.ask.admission import Admission, ImageRequest
from generator.ask.answers import (
    all_final,
    describe,
    describe_all,
    describe_estimate,
    failure_code,
)
from generator.ask.callers import Caller
from generator.errors import InvalidIdempotencyKey, LimiterUnavailable, RateLimit
from generator.models import Generation
from kit import request_id
from kit.http.requests import client_ip, site_of
from kit.threads import in_thread

_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
LOOK_AGAIN_SECONDS = 1  # when to ask for what is pending


class ApiRequest(HttpRequest):
    """A request whose key was verified; what is known of it may be a moment old until something is refused."""

    caller: Caller
    is_remembered: bool
    needs: KeyScope | None  # what the address needs of a key
    told: bytes  # what the request log may keep of a body that was given up, for it has pictures in it
    charged: list[int]  # credits, of what the call had admitted, for the request log where its caller hung up
    about: list[str]  # the ids of the images that the call made or is about, for the request log (`is_about`)


class KeyAuth(HttpBearer):
    """`Authorization: Bearer rv_…`, with a key that may do what `scope` names; None: with any that works."""

    openapi_description = "An API key, which the dashboard makes and shows once."
    openapi_bearerFormat = "rv_..."  # noqa: N815 (OpenAPI's name)

    def __init__(self, scope: KeyScope | None) -> None:
        super().__init__()
        self.scope = scope

    async def __call__(self, request: HttpRequest) -> Any:
        known = cast(ApiRequest, request)  # from here on it is one
        return (await in_thread(partial(look_up, known, self.scope))).api_key

    async def authenticate(self, request: HttpRequest, token: str) -> Any:
        raise NotImplementedError  # __call__ does it all


auth = KeyAuth(KeyScope.GENERATE)
reading = KeyAuth(KeyScope.READ)
accounting = KeyAuth(KeyScope.ACCOUNT)
any_key = KeyAuth(None)
IDEMPOTENCY_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Printable ASCII without spaces. The same key with the same body returns the first image, for free.",
    "schema": {"type": "string", "pattern": f"^{_IDEMPOTENCY_KEY.pattern}$", "minLength": 1, "maxLength": 255},
}


def look_up(request: ApiRequest, scope: KeyScope | None) -> Caller:
    """Note on `request` who calls, as the database has it now, with a key that may do what `scope` names.

    Raises MissingApiKey, InvalidApiKey, IpNotAllowed, WrongOrigin, ScopeMissing.
    """
    vars(request).pop("caller", None)  # whoever is refused learns nothing of credits
    secret = keys.from_header(request.headers.get("Authorization"))
    caller = callers.look_up(secret, client_ip(request), request.headers.get("Origin"))
    caller.require(scope)
    request.caller, request.needs, request.is_remembered = caller, scope, False
    return caller


def recall(request: ApiRequest, scope: KeyScope | None) -> bool:
    """Note on `request` who calls, where that was known a moment ago. Raises MissingApiKey, ScopeMissing."""
    caller = callers.remembered(keys.from_header(request.headers.get("Authorization")))
    if caller is None or not caller.may_call(client_ip(request), request.headers.get("Origin")):
        return False
    caller.require(scope)
    request.caller, request.needs, request.is_remembered = caller, scope, True
    return True


def known(request: ApiRequest) -> Caller:
    """Return who calls, as the database had it during this request."""
    return look_up(request, request.needs) if request.is_remembered else request.caller


async def fulfil(request: ApiRequest, wanted: ImageRequest, *, is_dry: bool = False) -> HttpResponse:
    """Admit what is asked for, wait for all of it as long as its caller wants to, and describe it.

    A dry run is told what it would cost, and nothing else happens. Messages to an address of one's choice are signed
    with the account's secret: no browser token orders any.
    """
    key = idempotency_key(request)
    if wanted.webhook_url:
        request.caller.require_key()
    if is_dry:
        return await _quoted(request, wanted)
    preference = prefer.of(request)
    seconds = preference.seconds(settings.SYNC_WAIT_SECONDS if wanted.wait else 0)
    admitted = await admit(
        request,
        replace(wanted, is_awaited=seconds > 0),
        key,
        deleted_too=True,  # a repeat is promised the first answer, with an address that no longer works
    )
    generations, has_waited = await wait_for(admitted.generations, seconds)
    response = _generated(request, generations)
    await note_standing(request, response, admitted, generations)
    note_preference(response, preference, has_waited=has_waited)
    return response


async def admit(
    request: ApiRequest, wanted: ImageRequest, idempotency_key: str | None, *, deleted_too: bool = False
) -> Admission:
    """Admit what a call asks for, as `admission.admit_soon`, and note which images the call came to."""
    admitted = await admission.admit_soon(
        caller=request.caller,
        look_up=partial(known, request),
        request=wanted,
        idempotency_key=idempotency_key,
        deleted_too=deleted_too,
    )
    is_about(request, admitted.generations)
    vars(request).setdefault("charged", []).append(admitted.credits_charged)
    return admitted


def is_about(request: HttpRequest, generations: Iterable[Generation]) -> None:
    """Note which images a call is about, so that its row in the request log is found by them and goes with them.

    Answers do not always name them: they may be pictures, streams, or nothing where the caller has hung up.
    """
    vars(request).setdefault("about", []).extend(one.public_id for one in generations)


async def note_standing(
    request: ApiRequest, response: HttpResponseBase, admitted: Admission, generations: tuple[Generation, ...]
) -> None:
    """Tell what a request was charged, what is left, and where its caller's limit stands."""
    add_standing(response, await rate_of(request, admitted), *await _credits(request, generations, admitted))
    if admitted.price is not None:
        response["X-Credits-Would-Charge"] = str(admitted.price)
    if admitted.replayed:
        response["Idempotent-Replayed"] = "true"


async def wait_for(generations: tuple[Generation, ...], seconds: float) -> tuple[tuple[Generation, ...], bool]:
    """Return generations once all have ended, or as they are after `seconds`; and whether they could be waited for."""
    if seconds <= 0 or all(one.is_final for one in generations):
        return generations, True

    async def end_of(one: Generation) -> tuple[Generation, bool]:
        may_wait = one.is_final or live.may_wait_for(one)
        return one if one.is_final else await live.wait_until_final(one, seconds), may_wait

    ends = await asyncio.gather(*map(end_of, generations))
    return tuple(one for one, _ in ends), all(may_wait for _, may_wait in ends)


def note_preference(response: HttpResponse, preference: Preference, *, has_waited: bool) -> None:
    """Say what was done of what the caller prefers, and when to come back for what is pending."""
    is_pending = response.status_code == 202
    if applied := preference.applied(is_pending=is_pending, has_waited=has_waited):
        response["Preference-Applied"] = applied
    if is_pending:
        response["Retry-After"] = str(LOOK_AGAIN_SECONDS)


def _generated(request: HttpRequest, generations: tuple[Generation, ...]) -> HttpResponse:
    if len(generations) > 1:
        return answer(describe_all(generations, site_of(request)), status=_status_of(generations))
    [generation] = generations
    body = describe(generation, site_of(request))
    if generation.status == Generation.Status.FAILED:
        body = {**body, "error": {**body["error"], "code": failure_code(generation)}}
    return answer(body, status=_status_of(generations))


def _status_of(generations: tuple[Generation, ...]) -> int:
    """Return the HTTP status that tells what became of all that was asked for at once."""
    if not all_final(generations):
        return 202
    if any(one.status == Generation.Status.COMPLETED for one in generations):
        return 200
    return 422 if all(one.is_refused for one in generations) else 502


async def _quoted(request: ApiRequest, wanted: ImageRequest) -> HttpResponse:
    """Tell what a request would cost, and change nothing."""
    await limits.take_status_soon(request.caller)
    estimate = await in_thread(lambda: dry_run.estimate(known(request), wanted))
    response = answer(describe_estimate(estimate, wanted))
    try:
        rate = await limits.peek_soon(limits.generate_window(request.caller.wallet, request.caller.api_key))
    except LimiterUnavailable:
        rate = None
    add_standing(response, rate, 0, estimate.balance)
    return response


def describe_standing(
    request: HttpRequest, response: HttpResponse, rate: RateLimit | None, balance: int | None = None
) -> None:
    """Add the credit and limit headers to a refused generate request, where its account is known.

    `balance` is what the refusal left, where it knows: the account's own may be from before.
    """
    caller = getattr(request, "caller", None)
    is_free = request.path_info.rstrip("/").endswith(("/files", "/tokens", "/cancel"))
    if caller is not None and request.method == "POST" and not is_free:  # a look-up is no purchase
        left = caller.wallet.balance if balance is None else balance
        if caller.token is not None:  # what its account has is none of a browser's business
            left = caller.token.credit_cap - caller.token.credits_spent
        add_standing(response, rate, 0, left)


def answer(body: dict[str, Any], status: int = 200) -> HttpResponse:
    """Return what is true at this moment only, and nobody else's business: no cache may keep it."""
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


async def rate_of(request: ApiRequest, admitted: Admission) -> RateLimit | None:
    """Return where the limit stands that was counted for what was admitted; None where that cannot be told."""
    if admitted.rate is not None:
        return admitted.rate
    try:
        return await limits.peek_soon(limits.generate_window(request.caller.wallet, request.caller.api_key))
    except LimiterUnavailable:
        return None


async def _credits(request: ApiRequest, generations: tuple[Generation, ...], admitted: Admission) -> tuple[int, int]:
    """Return what this answer charged and what is left, in credits: what failed has returned what it cost."""
    returned = sum(one.credits for one in generations if one.status == Generation.Status.FAILED)
    if not returned:
        return admitted.credits_charged, admitted.credits_remaining
    return max(0, admitted.credits_charged - returned), await in_thread(request.caller.left)


def add_standing(response: HttpResponseBase, rate: RateLimit | None, charged: int, remaining: int) -> None:
    """Tell what a request cost and what is left, in credits, and where its caller's limit stands."""
    response["X-Credits-Charged"] = str(charged)
    response["X-Credits-Remaining"] = str(remaining)
    if rate is not None:
        response["RateLimit-Limit"] = str(rate.limit)
        response["RateLimit-Remaining"] = str(rate.remaining)
        response["RateLimit-Reset"] = str(rate.reset)
        response["RateLimit-Policy"] = f"{rate.limit};w=60"


def request_url(request: HttpRequest) -> str:
    """Return where the caller finds this call in their request log, "" where nobody knows who calls."""
    if getattr(request, "caller", None) is None or not settings.REQUEST_LOG_DAYS:
        return ""
    return site_of(request) + reverse("request", args=[request_id.current.get()])


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the Idempotency-Key of a request. Raises InvalidIdempotencyKey."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidIdempotencyKey
    return key
