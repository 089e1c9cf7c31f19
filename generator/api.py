"""The image endpoints of `/v1`: translate HTTP in and out, call one domain function each."""

import re
from functools import partial
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import P, PathEx, Router
from ninja.security import HttpBearer

from accounts import keys
from accounts.models import ApiKey
from billing.models import Wallet
from generator import live
from generator.ask import admission, callers, limits, one_statement, prices
from generator.ask.admission import Admission, ImageRequest
from generator.ask.callers import Caller
from generator.ask.schemas import CompletedImage, GenerateRequest, Image, PendingImage, describe
from generator.errors import GenerationNotFound, InvalidIdempotencyKey, LimiterUnavailable, RateLimit
from generator.models import PROMPT_REFUSED, PUBLIC_ID, Generation
from kit import postgres
from kit.http.requests import client_ip, site_of
from kit.threads import in_thread

router = Router(tags=["Images"])

_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")


class ApiRequest(HttpRequest):
    """A request whose key was verified; what is known of it may be a moment old until something is refused."""

    api_key: ApiKey
    wallet: Wallet
    is_remembered: bool


class KeyAuth(HttpBearer):
    """`Authorization: Bearer rv_…`"""

    openapi_description = "An API key, which the dashboard makes and shows once."
    openapi_bearerFormat = "rv_..."  # noqa: N815 (OpenAPI's name)

    async def __call__(self, request: HttpRequest) -> Any:
        known = cast(ApiRequest, request)  # from here on it is one
        await in_thread(partial(look_up, known))
        return known.api_key

    async def authenticate(self, request: HttpRequest, token: str) -> Any:
        raise NotImplementedError  # __call__ does it all


auth = KeyAuth()
IDEMPOTENCY_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Printable ASCII without spaces. The same key with the same body returns the first image, for free.",
    "schema": {"type": "string", "pattern": f"^{_IDEMPOTENCY_KEY.pattern}$", "minLength": 1, "maxLength": 255},
}


@router.post(
    "/reve-image/generate",
    auth=auth,
    response={200: CompletedImage, 202: PendingImage},
    summary="Generate an image",
    operation_id="generate_image",
    openapi_extra={"parameters": [IDEMPOTENCY_KEY_HEADER]},
)
@router.post("/reve-image/generate/", auth=auth, include_in_schema=False)
@router.post("/images/generate", auth=auth, include_in_schema=False)
@router.post("/images/generate/", auth=auth, include_in_schema=False)
async def generate(request: ApiRequest, body: GenerateRequest) -> HttpResponse:
    """Draw an image. Waits for it, or answers at once when `async` is true; a failure costs nothing."""
    return await draw(request, body)


@router.get(
    "/reve-image/status/{image_id}",
    auth=auth,
    response={200: Image},
    summary="Check an image's status",
    operation_id="image_status",
)
@router.get("/reve-image/status/{image_id}/", auth=auth, include_in_schema=False)
@router.get("/images/status/{image_id}", auth=auth, include_in_schema=False)
@router.get("/images/status/{image_id}/", auth=auth, include_in_schema=False)
async def status(
    request: ApiRequest, image_id: PathEx[str, P(description="The id that generate answered with.")]
) -> HttpResponse:
    """Tell how a generation is doing. Poll once a second; it costs nothing."""
    return await look(request, image_id)


# --- What both handlers of these endpoints do: the framework's, and the lean one ----------------------------------


def look_up(request: ApiRequest) -> Caller:
    """Note on `request` who calls, as the database has it now. Raises MissingApiKey, InvalidApiKey."""
    vars(request).pop("wallet", None)  # whoever is refused learns nothing of credits
    secret = keys.from_header(request.headers.get("Authorization"))
    caller = callers.look_up(secret, client_ip(request))
    _note(request, caller, is_remembered=False)
    return caller


def recall(request: ApiRequest) -> bool:
    """Note on `request` who calls, where that was known a moment ago. Raises MissingApiKey."""
    caller = callers.remembered(keys.from_header(request.headers.get("Authorization")))
    if caller is not None:
        _note(request, caller, is_remembered=True)
    return caller is not None


def _known(request: ApiRequest) -> Caller:
    """Return who calls, as the database had it during this request."""
    return look_up(request) if request.is_remembered else Caller(request.api_key, request.wallet)


def _note(request: ApiRequest, caller: Caller, *, is_remembered: bool) -> None:
    request.api_key, request.wallet, request.is_remembered = caller.api_key, caller.wallet, is_remembered


async def draw(request: ApiRequest, body: GenerateRequest) -> HttpResponse:
    """Draw what is asked for in words."""
    wanted = ImageRequest(
        prompt=body.prompt,
        negative_prompt=body.negative_prompt,
        aspect_ratio=body.aspect_ratio,
        wait=not body.asynchronous,
        model=await prices.named_soon(body.model),
        size=body.size,
        quality=body.quality,
    )
    return await fulfil(request, wanted)


async def fulfil(request: ApiRequest, wanted: ImageRequest) -> HttpResponse:
    """Admit what is asked for, wait for it unless it is asynchronous, and describe it."""
    admitted = await admission.admit_soon(
        caller=Caller(request.api_key, request.wallet),
        look_up=partial(_known, request),
        request=wanted,
        idempotency_key=idempotency_key(request),
    )
    generation = admitted.generation
    if wanted.wait and not generation.is_final:
        generation = await live.wait_until_final(generation, settings.SYNC_WAIT_SECONDS)
    response = _generated(request, generation)
    _add_headers(response, await _rate(request, admitted), *await _credits(request, generation, admitted))
    if admitted.replayed:
        response["Idempotent-Replayed"] = "true"
    return response


async def look(request: ApiRequest, image_id: str) -> HttpResponse:
    """Describe a generation of the caller's."""
    await limits.take_status_soon(request.wallet)
    found: Generation | None = None
    if postgres.is_used() and PUBLIC_ID.fullmatch(image_id):
        found = await one_statement.find(Caller(request.api_key, request.wallet), image_id)

    def find() -> Generation:
        if request.is_remembered:
            look_up(request)
        mine = PUBLIC_ID.fullmatch(image_id) and request.wallet.generations.kept().filter(public_id=image_id).first()
        if not mine:
            raise GenerationNotFound
        return mine

    if found is None:
        found = await in_thread(find)
    asked_of = await prices.slug_soon(found.image_model_id)
    return answer(describe(found, site_of(request), asked_of=asked_of))


def describe_standing(
    request: HttpRequest, response: HttpResponse, rate: RateLimit | None, balance: int | None = None
) -> None:
    """Add the credit and limit headers to a refused generate request, where its account is known.

    `balance` is what the refusal left, where it knows: the account's own may be from before.
    """
    wallet = getattr(request, "wallet", None)
    is_free = request.path_info.rstrip("/").endswith("/files")
    if wallet is not None and request.method == "POST" and not is_free:  # a look-up is no purchase
        _add_headers(response, rate, 0, wallet.balance if balance is None else balance)


def _generated(request: HttpRequest, generation: Generation) -> HttpResponse:
    body = describe(generation, site_of(request))
    if generation.status == Generation.Status.COMPLETED:
        return answer(body)
    if generation.status == Generation.Status.FAILED:
        refused = generation.error_code == PROMPT_REFUSED
        code = generation.error_code if refused else "upstream_failed"
        error = {**body, "error": {**body["error"], "code": code}}
        return answer(error, status=422 if refused else 502)
    return answer(body, status=202)


def answer(body: dict[str, Any], status: int = 200) -> HttpResponse:
    """Return what is true at this moment only, and nobody else's business: no cache may keep it."""
    return JsonResponse(body, status=status, headers={"Cache-Control": "no-store"})


async def _rate(request: ApiRequest, admitted: Admission) -> RateLimit | None:
    if admitted.rate is not None:
        return admitted.rate
    try:
        return await limits.peek_soon(limits.generate_window(request.wallet, request.api_key))
    except LimiterUnavailable:
        return None


async def _credits(request: ApiRequest, generation: Generation, admitted: Admission) -> tuple[int, int]:
    """Return what this answer charged and what is left, in credits."""
    if generation.status != Generation.Status.FAILED:
        return admitted.credits_charged, admitted.credits_remaining
    balance = Wallet.objects.values_list("balance", flat=True)
    return 0, await in_thread(lambda: balance.get(pk=request.wallet.pk))


def _add_headers(response: HttpResponse, rate: RateLimit | None, charged: int, remaining: int) -> None:
    response["X-Credits-Charged"] = str(charged)
    response["X-Credits-Remaining"] = str(remaining)
    if rate is not None:
        response["RateLimit-Limit"] = str(rate.limit)
        response["RateLimit-Remaining"] = str(rate.remaining)
        response["RateLimit-Reset"] = str(rate.reset)
        response["RateLimit-Policy"] = f"{rate.limit};w=60"


def idempotency_key(request: HttpRequest) -> str | None:
    """Return the Idempotency-Key of a request. Raises InvalidIdempotencyKey."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidIdempotencyKey
    return key
