"""The endpoints that OpenAI's clients call: `images/generations`, `images/edits`, and one model by its name."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial, wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from ninja import Router

from generator.api import models
from generator.api.calling import (
    ApiRequest,
    admit,
    answer,
    any_key,
    auth,
    describe_standing,
    fulfil,
    idempotency_key,
    note_standing,
    request_url,
    wait_for,
)
from generator.api.forms import closing, mask_of
from generator.api.openai import answers, bodies, choices, fields, streaming
from generator.api.openai.bodies import Call
from generator.api.openai.choices import Choice
from generator.api.openai.errors import OpenAIError, Told, invalid, no_such_model
from generator.api.openai.fields import Asked
from generator.ask import limits, prices, retried
from generator.ask.admission import Admission, ImageRequest
from generator.ask.retried import Try
from generator.errors import (
    BadImage,
    GeneratorError,
    IntakePaused,
    LimiterUnavailable,
    RateLimited,
    TooManyAtOnce,
    UpstreamPaused,
)
from generator.models import Generation, ImageModel, Operation, Upload
from kit.http.requests import site_of
from kit.storage import StorageAway
from kit.threads import Pool, in_thread

log = logging.getLogger(__name__)

router = Router()

_TRIES = "X-Stainless-Retry-Count"  # how OpenAI's clients say that they try again

View = Callable[..., Awaitable[HttpResponseBase]]
_FOR_NOW = (RateLimited, TooManyAtOnce, LimiterUnavailable, UpstreamPaused, IntakePaused)


def _telling(view: View) -> View:
    """Answer with the error by which `view` is ended (Told)."""

    @wraps(view)
    async def inner(request: ApiRequest, *arguments: Any, **named: Any) -> HttpResponseBase:
        try:
            return await view(request, *arguments, **named)
        except Told as told:
            response = _refusal(request, told.error)
            describe_standing(request, response, None)
            return response

    return inner


@router.post("/images/generations", auth=auth, include_in_schema=False)
@router.post("/images/generations/", auth=auth, include_in_schema=False)
@_telling
async def generations(request: ApiRequest) -> HttpResponseBase:
    """Draw what is asked for in words, as OpenAI's `images.generate` does."""
    return await _fulfil(request, *await _in_words(request))


@router.post("/images/edits", auth=auth, include_in_schema=False)
@router.post("/images/edits/", auth=auth, include_in_schema=False)
@_telling
async def edits(request: ApiRequest) -> HttpResponseBase:
    """Edit a picture, or draw from several, as OpenAI's `images.edit` does."""
    idempotency_key(request)
    with closing() as kept:
        call = await bodies.read(request, kept, brings_pictures=True)
        asked, operation = fields.read(call.fields), _operation_of(call)
        await in_thread(partial(_chosen, request, asked, operation))  # refused before any picture is kept
        rows, mask = await bodies.resolve(request, call)
    like = (rows[0].width or 1, rows[0].height or 1)
    model, choice = await in_thread(partial(_chosen, request, asked, operation, like))
    wanted = _wanted(asked, operation, model, choice, tuple(rows), mask_of(mask, rows[0]))
    return await _fulfil(request, asked, wanted)


@_telling
async def begin(request: ApiRequest) -> HttpResponseBase:
    """Draw what a call of `generations` asks for, and answer as our own API does to whoever does not wait."""
    _, wanted = await _in_words(request)
    return await fulfil(request, replace(wanted, wait=False))


@router.get("/models/{model_id}", auth=any_key, include_in_schema=False)
@router.get("/models/{model_id}/", auth=any_key, include_in_schema=False)
@_telling
async def model(request: ApiRequest, model_id: str) -> HttpResponseBase:
    """Tell what can be asked of one model; of OpenAI's names the first on offer answers."""
    await limits.take_status_soon(request.caller)
    catalogue = await in_thread(prices.current)
    only = request.caller.api_key.image_models
    offered = [one for one in catalogue.offered if not only or one.slug in only]
    found = next((one for one in offered if one.slug == model_id), None)
    if found is None and choices.is_openais(model_id):
        found = next(iter(offered), None)
    if found is None:
        raise no_such_model(model_id)
    return answer(models.described(catalogue, found))


# --- What is wanted -----------------------------------------------------------------------------------------------


async def _in_words(request: ApiRequest) -> tuple[Asked, ImageRequest]:
    idempotency_key(request)
    with closing() as kept:
        call = await bodies.read(request, kept, brings_pictures=False)
    asked = fields.read(call.fields)
    model, choice = await in_thread(partial(_chosen, request, asked, Operation.CREATE))
    return asked, _wanted(asked, Operation.CREATE, model, choice)


def _operation_of(call: Call) -> Operation:
    """Return what is to be done with a call's pictures. Raises Told where they do not go together."""
    if not call.images:
        raise invalid("image", "it is missing", "missing_required_parameter")
    if len(call.images) == 1:
        return Operation.EDIT
    if call.mask is not None:
        raise invalid("mask", "with several pictures a new one is drawn that goes by them; a mask needs a single one")
    return Operation.REMIX


def _chosen(
    request: ApiRequest, asked: Asked, operation: Operation, like: tuple[int, int] | None = None
) -> tuple[ImageModel | None, Choice]:
    found = choices.model_for(asked.model)
    only = request.caller.api_key.image_models
    return found, choices.choose(found, operation, asked.size, asked.quality, like, only)


def _wanted(
    asked: Asked,
    operation: Operation,
    model: ImageModel | None,
    choice: Choice,
    inputs: tuple[Generation | Upload, ...] = (),
    mask: Upload | None = None,
) -> ImageRequest:
    return ImageRequest(
        prompt=asked.prompt,
        aspect_ratio=choice.aspect_ratio,
        wait=True,
        count=asked.n,
        operation=operation,
        model=model,
        size=choice.size,
        quality=choice.quality,
        inputs=inputs,
        mask=mask,
    )


# --- Drawing it ---------------------------------------------------------------------------------------------------


async def _fulfil(request: ApiRequest, asked: Asked, wanted: ImageRequest) -> HttpResponseBase:
    """Admit what is asked for, wait for it, and give it as OpenAI's clients read it."""
    named = idempotency_key(request)
    trying = await _try(request, wanted)
    key = named or (trying.key if trying else None)
    response: HttpResponseBase
    async with _seen_to(trying):
        admitted = await admit(request, wanted, key)
        if asked.stream:
            response = _stream(request, admitted, asked, is_named=named is not None, trying=trying)
            await note_standing(request, response, admitted, admitted.generations)
        else:
            made, _ = await wait_for(admitted.generations, settings.SYNC_WAIT_SECONDS)
            response = await _whole(request, made, asked, is_named=named is not None, is_taken_up=key is not None)
            await note_standing(request, response, admitted, made)
        response["X-Model"] = await prices.slug_soon(admitted.generation.image_model_id)
        if trying and not response.streaming:
            await _end(trying, response.status_code)
    return response


@asynccontextmanager
async def _seen_to(trying: Try | None) -> AsyncIterator[None]:
    """See to what the next try of a call finds where this one ends with an error, or its caller hangs up."""
    try:
        yield
    except _FOR_NOW:
        if trying:
            await trying.refused()
        raise
    except GeneratorError:
        if trying:
            await trying.ended()
        raise
    except BaseException:  # it may have been charged
        if trying:
            await asyncio.shield(trying.hung_up())
        raise


async def _end(trying: Try, status: int) -> None:
    """See to what the next try of a call finds where this one is answered with `status`."""
    if status == 503:
        await trying.hung_up()
    elif status == 500:
        await trying.failed()
    else:
        await trying.ended()


async def _whole(
    request: ApiRequest, made: tuple[Generation, ...], asked: Asked, *, is_named: bool, is_taken_up: bool
) -> HttpResponseBase:
    outcome, site = answers.outcome_of(made), site_of(request)
    if outcome.pending:
        return _refusal(request, answers.not_finished(made, site, is_taken_up=is_taken_up))
    try:
        answers.unless_done(outcome, is_named=is_named)
    except Told as told:
        return _refusal(request, told.error)
    try:
        body = await answers.response_of(outcome, asked, site)
    except (StorageAway, FileNotFoundError, BadImage):
        log.exception("An image that was just drawn cannot be read")
        return _refusal(request, answers.unreadable(made, site, is_taken_up=is_taken_up))
    # Some megabytes of JSON are no work for the loop.
    return await in_thread(lambda: answer(body), Pool.PROCESSOR)


def _stream(
    request: ApiRequest, admitted: Admission, asked: Asked, *, is_named: bool, trying: Try | None
) -> HttpResponseBase:
    outcome = answers.outcome_of(admitted.generations)
    if not outcome.pending:  # of an earlier call with this key
        try:
            answers.unless_done(outcome, is_named=is_named)
        except Told as told:
            return _refusal(request, told.error)
    told_as = streaming.events(admitted.generations, asked, site=site_of(request), is_named=is_named, trying=trying)
    response = StreamingHttpResponse(told_as, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _try(request: ApiRequest, wanted: ImageRequest) -> Try | None:
    """Return the try of a call that its client may try again by no name."""
    tries = request.headers.get(_TRIES, "")
    if not (tries.isascii() and tries.isdigit() and len(tries) < 4) or idempotency_key(request) is not None:
        return None
    return await retried.begin(request.caller, wanted.digest, int(tries))


def _refusal(request: HttpRequest, error: OpenAIError) -> HttpResponse:
    body = error.body
    if url := request_url(request):
        body["error"]["request_url"] = url
    response = answer(body, status=error.status)
    for name, value in error.headers.items():
        response[name] = value
    if error.retry_after is not None:
        response["Retry-After"] = str(error.retry_after)
    return response
