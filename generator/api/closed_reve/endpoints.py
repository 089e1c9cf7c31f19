"""The endpoints: create, edit and remix, each of which waits for its image, and the balance."""

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import salted_hmac
from ninja import Router
from ninja.errors import ValidationError
from pydantic import ValidationError as Invalid

from generator import live
from generator.api.calling import (
    ApiRequest,
    accounting,
    add_standing,
    admit,
    answer,
    any_key,
    auth,
    fulfil,
    idempotency_key,
    is_about,
    known,
    rate_of,
    request_url,
)
from generator.api.closed_reve import answers
from generator.api.closed_reve.answers import Told
from generator.api.closed_reve.fields import (
    AUTO,
    THEIR_VERSION,
    CreateRequest,
    EditRequest,
    Options,
    RemixRequest,
)
from generator.api.forms import is_small
from generator.api.pictures import faults, parsed
from generator.ask import inputs, limits, prices, retried
from generator.ask.admission import ImageRequest
from generator.ask.inputs import Brought, Given
from generator.errors import GenerationNotFound, InvalidRequest, NotOffered, RateLimit
from generator.files import downloads
from generator.models import PROMPT_REFUSED, Generation, ImageModel, Operation, Upload
from kit.storage import StorageAway
from kit.threads import Pool, in_thread

router = Router()  # at /v1/
older = Router()  # at /api/

Body = TypeVar("Body", EditRequest, RemixRequest)
TYPES = {"application/json": "json", "image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}
UNASKED = "3:2"  # the shape of an image that is drawn from words alone
RETRY_SECONDS = 5


@router.post("/image/create", auth=auth, include_in_schema=False)
@router.post("/image/create/", auth=auth, include_in_schema=False)
async def create(request: ApiRequest, body: CreateRequest) -> HttpResponse:
    """Draw an image from words."""
    return await _fulfil(request, body, await _wanted(request, Operation.CREATE, body, body.prompt))


async def begin(request: ApiRequest, body: CreateRequest) -> HttpResponse:
    """Draw what a call of `create` asks for, and answer as our own API does to whoever does not wait."""
    wanted = await _wanted(request, Operation.CREATE, body, body.prompt)
    return await fulfil(request, replace(wanted, wait=False))


@router.post("/image/edit", auth=auth, include_in_schema=False)
@router.post("/image/edit/", auth=auth, include_in_schema=False)
async def edit(request: ApiRequest) -> HttpResponse:
    """Change an image."""
    body, rows = await _read(request, EditRequest, "reference_image")
    return await _fulfil(request, body, await _wanted(request, Operation.EDIT, body, body.edit_instruction, *rows))


@router.post("/image/remix", auth=auth, include_in_schema=False)
@router.post("/image/remix/", auth=auth, include_in_schema=False)
async def remix(request: ApiRequest) -> HttpResponse:
    """Draw an image that goes by others."""
    body, rows = await _read(request, RemixRequest, "reference_images")
    return await _fulfil(request, body, await _wanted(request, Operation.REMIX, body, body.words, *rows))


@router.get("/image/effect", auth=any_key, include_in_schema=False)
@router.get("/image/effect/", auth=any_key, include_in_schema=False)
async def effects(request: ApiRequest) -> HttpResponse:
    """List what can be done to finished images by name: nothing."""
    await limits.take_status_soon(request.caller)
    return answer({"effects": []})


@older.get("/misc/balance", auth=accounting, include_in_schema=False)
@older.get("/misc/balance/", auth=accounting, include_in_schema=False)
async def balance(request: ApiRequest) -> HttpResponse:
    """Tell how many credits are left."""
    await limits.take_status_soon(request.caller)
    wallet = request.caller.wallet
    budget = salted_hmac("generator.api.closed_reve.budget", str(wallet.pk), algorithm="sha256").hexdigest()[:24]
    return answer({"budget_id": f"budget_{budget}", "new_balance": await in_thread(request.caller.left)})


# --- Understanding -------------------------------------------------------------------------------------------------


async def _read(request: ApiRequest, schema: type[Body], field: str) -> tuple[Body, list[Generation | Upload]]:
    """Return a body, and the account's own rows of the pictures in its `field`. What is large has its turn."""
    idempotency_key(request)
    with ExitStack() as kept:
        work = partial(_understood, request, schema, field, kept)
        if is_small(request):
            body, given = await in_thread(work, Pool.FILES)
        else:
            async with inputs.turn():
                body, given = await in_thread(work, Pool.FILES)
        return body, await inputs.resolve_for(request.caller, given)


def _understood(
    request: ApiRequest, schema: type[Body], field: str, kept: ExitStack
) -> tuple[Body, list[tuple[str, Given]]]:
    try:
        body = schema.model_validate(parsed(request))
    except Invalid as error:
        raise ValidationError(faults(error)) from None
    value: str | list[str] = getattr(body, field)
    words = [(field, value)] if isinstance(value, str) else [(f"{field}.{at}", one) for at, one in enumerate(value)]
    setattr(body, field, "" if isinstance(value, str) else [])  # they may be large, and this one may wait for minutes
    given = []
    for param, one in words:
        given.append((param, picture := inputs.told(one, param)))
        if isinstance(picture, Brought):
            kept.enter_context(picture.file)
    return body, given


async def _wanted(
    request: ApiRequest, operation: Operation, body: Options, prompt: str, *rows: Generation | Upload
) -> ImageRequest:
    model = await _model(body.version)
    only = request.caller.api_key.image_models
    shape: str = body.aspect_ratio
    if shape == AUTO:
        ratios = await in_thread(partial(prices.ratios_of, model, operation, only))
        if rows:
            shape = inputs.nearest_ratio(rows[0].width or 1, rows[0].height or 1, ratios)
        else:
            shape = UNASKED if UNASKED in ratios else ratios[0]
    return ImageRequest(
        prompt=prompt, aspect_ratio=shape, wait=True, operation=operation, model=model, inputs=tuple(rows)
    )


async def _model(version: str) -> ImageModel | None:
    if THEIR_VERSION.fullmatch(version):
        return None
    try:
        return await prices.named_soon(version)
    except NotOffered as error:
        raise InvalidRequest("version", str(error)) from error


def _format(request: HttpRequest) -> str:
    """Return what the caller would have: "json", or an image's format. Whoever takes anything gets JSON."""
    return TYPES[request.get_preferred_type(list(TYPES)) or "application/json"]


# --- Drawing and answering -----------------------------------------------------------------------------------------


async def _fulfil(request: ApiRequest, body: Options, wanted: ImageRequest) -> HttpResponse:
    """Admit what is asked for, wait for it, and answer with it.

    Whoever hangs up or is told to come again is owed the image: these clients send no Idempotency-Key, and send the
    same request again. That gets the image that was paid for, once, and no second one.
    """
    key = idempotency_key(request)
    taken = await _taken(request, wanted, key)
    generation, is_answered = taken.generation, False
    try:
        if not generation.is_final:
            generation = await live.wait_until_final(generation, settings.SYNC_WAIT_SECONDS)
        is_failed = generation.status == Generation.Status.FAILED
        left = await in_thread(request.caller.left)
        version = await prices.slug_soon(generation.image_model_id)
        response = await _answer(request, body, generation, Told(version, 0 if is_failed else taken.used, left))
        is_answered = response.status_code != 429
    except GenerationNotFound:  # its file is gone: nobody is owed that for ever
        is_answered = True
        raise
    finally:
        if not is_answered:
            await asyncio.shield(_owe(request, wanted, key, generation))
    add_standing(response, taken.rate, 0 if is_failed else taken.charged, left)
    return response


async def _answer(request: ApiRequest, body: Options, generation: Generation, told: Told) -> HttpResponse:
    if not generation.is_final:
        return _come_again(generation, "The image is still being drawn.")
    if generation.status == Generation.Status.FAILED:
        if generation.error_code == PROMPT_REFUSED:
            return answers.violation(told)
        words = f"{generation.error_message} {generation.returned}".lstrip()
        named = {"image_id": generation.public_id, "request_url": request_url(request)}
        return answers.error(502, "generation_failed", words, **named)
    format = _format(request)
    try:
        download = await downloads.delivered(generation, "png" if format == "json" else format, within=body.bounds)
    except FileNotFoundError as error:
        raise GenerationNotFound from error
    except StorageAway:
        return _come_again(generation, "The image is made, and cannot be read just now.")
    if format == "json":
        return await in_thread(partial(answers.in_json, download, told), Pool.PROCESSOR)
    return answers.picture(download, told)


def _come_again(generation: Generation, words: str) -> HttpResponse:
    """Say that the same request gets the image later: what these clients know to wait for and to send again is 429."""
    message = f"{words} Send the same request again in {RETRY_SECONDS} seconds: it gets this image, and no second one."
    response = answers.error(429, "still_drawing", message, image_id=generation.public_id)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


# --- What is taken, and what is owed -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Taken:
    """The image that a call came to, what that cost and what of it this call was charged, in credits."""

    generation: Generation
    used: int
    charged: int
    rate: RateLimit | None


async def _taken(request: ApiRequest, wanted: ImageRequest, key: str | None) -> _Taken:
    """Return an image that is owed, or admit what is asked for. Whoever hangs up meanwhile is owed what it comes to.

    A thread that charges goes on after its caller has left, so this does as well.
    """
    taking = asyncio.create_task(_take(request, wanted, key))
    try:
        return await asyncio.shield(taking)
    except asyncio.CancelledError:
        owing = asyncio.create_task(_owe_what_comes(taking, request, wanted, key))
        _owing.add(owing)
        owing.add_done_callback(_owing.discard)
        raise


_owing: set[asyncio.Task[None]] = set()


async def _take(request: ApiRequest, wanted: ImageRequest, key: str | None) -> _Taken:
    if key is None and await retried.is_owed(request.caller, wanted.digest):
        await limits.take_status_soon(request.caller)  # refused, it is still owed
        if (found := await _owed(request, wanted)) is not None:
            is_about(request, (found,))
            return _Taken(found, found.credits, 0, None)
    admitted = await admit(request, wanted, key)
    credits = admitted.credits_charged
    return _Taken(admitted.generation, credits, credits, await rate_of(request, admitted))


async def _owe_what_comes(
    taking: asyncio.Task[_Taken], request: ApiRequest, wanted: ImageRequest, key: str | None
) -> None:
    await asyncio.wait([taking])
    if not taking.cancelled() and taking.exception() is None:
        await _owe(request, wanted, key, taking.result().generation)


async def _owe(request: ApiRequest, wanted: ImageRequest, key: str | None, generation: Generation) -> None:
    """Note that an image is owed, unless it has a key to be had by, or there will be none."""
    if key is None and generation.status != Generation.Status.FAILED:
        await retried.owe(request.caller, wanted.digest, generation.public_id)


async def _owed(request: ApiRequest, wanted: ImageRequest) -> Generation | None:
    """Return an image that this very request was charged for and did not get, to the first who asks."""
    of = request.caller, wanted.digest
    while (public_id := await retried.owed(*of)) is not None:
        try:
            found = await in_thread(partial(_kept, request, public_id))
        except BaseException:  # it is owed still, whatever the database has
            await asyncio.shield(retried.owe(*of, public_id))
            raise
        if found is not None:
            return found
    return None


def _kept(request: ApiRequest, public_id: str) -> Generation | None:
    mine = known(request).generations().exclude(status=Generation.Status.FAILED)
    found: Generation | None = mine.filter(public_id=public_id).first()
    return found
