"""The tools that draw: from words, from words and pictures, and over a picture."""

import asyncio
import logging
from contextlib import ExitStack, suppress
from functools import partial

from django.conf import settings
from pydantic import Field

from generator.api.calling import admit
from generator.api.drawing import image_request
from generator.api.forms import mask_of
from generator.ask import admission, inputs, prices
from generator.ask.admission import Admission, ImageRequest
from generator.ask.answers import describe
from generator.ask.inputs import Brought, Given
from generator.ask.schemas import AspectRatio, EditRequest, GenerateRequest
from generator.errors import GeneratorError, InvalidIdempotencyKey, LimiterUnavailable, PromptNotAllowed
from generator.models import REMIX_MOST_INPUTS, Generation, Operation, Upload
from kit.http.requests import site_of
from kit.text import counted
from kit.threads import Pool, in_thread
from reveweb.mcp.calls import PREVIEW, Arguments, Call, Told, balance_of, filled, given_back, session_of
from reveweb.mcp.sessions import SessionSpent
from reveweb.mcp.telling import preview, sentence, wait

log = logging.getLogger(__name__)

_WAIT = Field(
    True,
    description="Wait for the image, for about 45 seconds at most. With false, or when it takes longer, the answer is "
    "pending: follow it by image_status with its id.",
)
_KEY = Field(
    "",
    description="Optional: any text without spaces that is new for each new image, up to 255 characters. A call that "
    "is repeated with the same one returns the first image and is not charged again.",
    max_length=255,
)


class GenerateArguments(Arguments):
    """Draw an image from words."""

    prompt: str = Field(description="What to draw, in detail: subject, style, light, composition. Any language.")
    negative_prompt: str = Field("", description="What to avoid, such as: people, text.")
    aspect_ratio: AspectRatio = Field("1:1", description="The image's shape, width to height.")
    references: list[str] = Field(
        default_factory=list,
        max_length=REMIX_MOST_INPUTS,
        description=f"Up to {REMIX_MOST_INPUTS} pictures that the image goes by (style, persons, things): ids of "
        "images of this account (img_…) or of uploaded files (file_…), or https addresses. Without any it is drawn "
        "from words alone.",
    )
    model: str = Field("", description="A model's id, as list_models names it. Leave it out for the usual one.")
    size: str = Field("", description="One of that model's sizes. Leave it out for its first one.")
    quality: str = Field("", description="One of that model's qualities. Leave it out for its first one.")
    wait: bool = _WAIT
    preview: bool = PREVIEW
    idempotency_key: str = _KEY


class EditArguments(Arguments):
    """Change an image as words say."""

    image: str = Field(
        description="The picture to change: the id of an image of this account (img_…), of an uploaded file (file_…), "
        "or an https address of a PNG, JPEG or WebP."
    )
    prompt: str = Field(description="What to change, and what should stay as it is.")
    mask: str = Field(
        "",
        description="Optional: id of an uploaded file or https address of a picture as large as the image, white where "
        "it may change and black where not.",
    )
    negative_prompt: str = Field("", description="What to avoid.")
    aspect_ratio: AspectRatio | None = Field(
        None, description="The result's shape, width to height. Leave it out for the nearest to the picture's own."
    )
    model: str = Field("", description="A model's id, as list_models names it. Leave it out for the usual one.")
    size: str = Field("", description="One of that model's sizes. Leave it out for its first one.")
    quality: str = Field("", description="One of that model's qualities. Leave it out for its first one.")
    wait: bool = _WAIT
    preview: bool = PREVIEW
    idempotency_key: str = _KEY


async def generate(asked: Call, arguments: GenerateArguments) -> Told:
    """Draw an image from words, or from words and pictures. Raises what admission raises, and SessionSpent."""
    body = GenerateRequest.model_validate(filled(arguments.model_dump()))
    wanted = image_request(
        body,
        await prices.named_soon(body.model),
        wait=arguments.wait,
        operation=Operation.REMIX if arguments.references else Operation.CREATE,
        inputs=await _pictures(asked, [(f"references.{at}", one) for at, one in enumerate(arguments.references)]),
    )
    return await _draw(asked, wanted, arguments)


async def edit(asked: Call, arguments: EditArguments) -> Told:
    """Draw a picture anew as words say. Raises what admission raises, and SessionSpent."""
    body = EditRequest.model_validate(filled(arguments.model_dump()))
    named = [("image", arguments.image)] + ([("mask", arguments.mask)] if arguments.mask else [])
    image, *masks = await _pictures(asked, named)
    model = await prices.named_soon(body.model)
    ratios = await in_thread(
        partial(prices.ratios_of, model, Operation.EDIT, asked.request.caller.api_key.image_models)
    )
    wanted = image_request(
        body,
        model,
        aspect_ratio=body.aspect_ratio or inputs.nearest_ratio(image.width or 1, image.height or 1, ratios),
        wait=arguments.wait,
        operation=Operation.EDIT,
        inputs=(image,),
        mask=mask_of(masks[0] if masks else None, image),
    )
    return await _draw(asked, wanted, arguments)


async def _pictures(asked: Call, named: list[tuple[str, str]]) -> tuple[Generation | Upload, ...]:
    if not named:
        return ()
    with ExitStack() as kept:

        def told() -> list[tuple[str, Given]]:
            given = [(param, inputs.told(words, param)) for param, words in named]
            for _, one in given:
                if isinstance(one, Brought):
                    kept.enter_context(one.file)
            return given

        caller, given = asked.request.caller, await in_thread(told, Pool.FILES)
        return tuple(await inputs.resolve_for(caller, given))


async def _draw(asked: Call, wanted: ImageRequest, arguments: GenerateArguments | EditArguments) -> Told:
    key = arguments.idempotency_key or None
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise InvalidIdempotencyKey
    # Whoever hangs up meanwhile does not end this in the middle: what is charged is counted.
    admitting = asyncio.create_task(_admit(asked, wanted, key))
    _admitting.add(admitting)
    admitting.add_done_callback(_admitting.discard)
    admitted, spent = await asyncio.shield(admitting)
    generation = admitted.generation
    if arguments.wait and not generation.is_final:
        generation = await wait(asked, generation, settings.MCP_WAIT_SECONDS)
    charged, remaining = admitted.credits_charged, admitted.credits_remaining
    if generation.status == Generation.Status.FAILED:
        charged, spent = 0, await given_back(asked, generation)
        remaining = await balance_of(asked)
    data = describe(generation, site_of(asked.request), asked_of=await prices.slug_soon(generation.image_model_id))
    data |= {"credits_charged": charged, "credits_remaining": remaining, "session": session_of(asked, spent)}
    cost = f"It cost {counted(charged, 'credit')}; {counted(remaining, 'credit')} left."
    return Told(f"{sentence(generation, data)} {cost}", data, await preview(generation, arguments.preview))


_admitting: set[asyncio.Task[tuple[Admission, int | None]]] = set()


async def _admit(asked: Call, wanted: ImageRequest, key: str | None) -> tuple[Admission, int | None]:
    """Admit a request and count what it is charged; what is refused counts nothing.

    Return what the session has spent as well, None where that is not known. Where it is not known what happened, as
    when the database went away, the price stays counted.
    """
    price, spent = await _counted(asked, wanted, key)
    try:
        admitted = await admit(asked.request, wanted, key)
    except GeneratorError:
        with suppress(LimiterUnavailable):
            await asked.session.note(counted=price)
        raise
    try:
        spent = await asked.session.note(
            counted=price, image=admitted.generation.public_id, charged=admitted.credits_charged
        )
    except LimiterUnavailable as error:  # the image is charged all the same, and nobody is to try again
        log.warning(
            "What %s was charged stays counted as %s: %s", admitted.generation.public_id, price, error.__cause__
        )
    return admitted, spent


async def _counted(asked: Call, wanted: ImageRequest, key: str | None) -> tuple[int, int | None]:
    """Count what a request will be charged in its session, and return it and what is spent then, where that is known.

    Nothing is counted for what was charged before, nor for a prompt that breaks a rule: admission refuses that, and
    counts that somebody tried.
    """
    if key is not None and await _is_known(asked, key):
        return 0, None  # whatever it would cost now, and whether or not it could be asked for
    try:
        quote = await prices.quote_soon(wanted, only=asked.request.caller.api_key.image_models)
    except PromptNotAllowed:
        return 0, None
    price = quote.credits * wanted.count
    try:
        return price, await asked.session.take(price)
    except SessionSpent:
        if key is None or not await _is_known(asked, key):  # the same call, sent twice at once, may have taken it
            raise
        return 0, None


async def _is_known(asked: Call, key: str) -> bool:
    caller = asked.request.caller
    stored = admission.stored_key(key, caller.api_key, caller.token)
    earlier = caller.wallet.generations.filter(idempotency_key=stored)
    return await in_thread(earlier.exists)
