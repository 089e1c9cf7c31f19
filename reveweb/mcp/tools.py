"""What an agent can do here: each tool's arguments, in words for models, and what becomes of a call.

Tools call the functions that the API's endpoints call, and tell their errors by the same table. Arguments that models
send as null stand for none.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field

from accounts.models import KeyScope
from billing import ledger
from generator import live
from generator.api.calling import ApiRequest, admit, is_about, known
from generator.api.drawing import image_request
from generator.api.forms import mask_of
from generator.api.models import described
from generator.ask import admission, inputs, limits, prices
from generator.ask.admission import Admission, ImageRequest
from generator.ask.answers import describe
from generator.ask.inputs import Brought, Given
from generator.ask.schemas import AspectRatio, EditRequest, GenerateRequest
from generator.errors import (
    GenerationNotFound,
    GeneratorError,
    InvalidIdempotencyKey,
    LimiterUnavailable,
    PromptNotAllowed,
)
from generator.files import downloads, images
from generator.models import PUBLIC_ID, REMIX_MOST_INPUTS, Generation, Operation, Upload
from kit import storage
from kit.http.requests import site_of
from kit.storage import StorageAway
from kit.text import counted
from kit.threads import Pool, in_thread
from reveweb.mcp.sessions import Session, SessionSpent

log = logging.getLogger(__name__)

Json = dict[str, Any]
Progress = Callable[[float, str], Awaitable[None]]

CALL = "reveweb.call"  # in an ASGI scope: the `Call`, as the door made it
STEP_SECONDS = 5.0  # between two words of progress
MOST_LISTED = 50
PREVIEW_SIDE = min(images.THUMBNAIL_SIDES)  # pixels


@dataclass(frozen=True)
class Call:
    """One call of a tool: who calls, in which session, and what tells them how it goes.

    What it `came_to` is put there for the request log.
    """

    request: ApiRequest
    session: Session
    progress: Progress | None = None
    came_to: "list[Told]" = field(default_factory=list)


@dataclass(frozen=True)
class Told:
    """What a call came to: in a sentence, as data, and with a small picture (WebP) where one was asked for.

    What `is_list` tells of images that the call is not about: the request log keeps none of that.
    """

    words: str
    data: Json
    preview: bytes | None = None
    is_list: bool = False


class Arguments(BaseModel):
    """What a tool takes; what it does not know is refused, for a model that is told so mends it."""

    model_config = ConfigDict(strict=True, extra="forbid")


@dataclass(frozen=True)
class Tool:
    """One tool; `scope` is what a key needs for it, `changes` whether it costs something."""

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    run: Callable[[Call, Any], Awaitable[Told]]
    scope: KeyScope | None
    changes: bool = False


_WAIT = Field(
    True,
    description="Wait for the image, for about 45 seconds at most. With false, or when it takes longer, the answer is "
    "pending: follow it by image_status with its id.",
)
_PREVIEW = Field(
    False,
    description="Also return a small picture to look at. It takes room in your context: ask for it only if you must "
    "see the image. Everybody else can open the url.",
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
    preview: bool = _PREVIEW
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
    preview: bool = _PREVIEW
    idempotency_key: str = _KEY


class StatusArguments(Arguments):
    """Follow an image."""

    id: str = Field(description="The id that generate_image or edit_image answered with (img_…).")
    wait_seconds: float = Field(
        20, ge=0, le=45, description="How long to wait for it to be finished, if it is not. 0 looks once."
    )
    preview: bool = _PREVIEW


class ListArguments(Arguments):
    """Look through what was made."""

    limit: int = Field(10, ge=1, le=MOST_LISTED, description="How many, the newest first.")
    before: str = Field("", description="An image's id: list those older than it. The answer's next has it.")


class NoArguments(Arguments):
    """Nothing."""


async def call(tool: Tool, asked: Call, arguments: Json) -> Told:
    """Do what a tool does. Raises what `reveweb.answers` lists, SessionSpent, and pydantic's ValidationError."""
    asked.request.caller.require(tool.scope)
    asked.request.needs = tool.scope
    return await tool.run(asked, tool.arguments.model_validate(_filled(arguments)))


# --- Images ------------------------------------------------------------------------------------------------------


async def _generate(asked: Call, arguments: GenerateArguments) -> Told:
    body = GenerateRequest.model_validate(_filled(arguments.model_dump()))
    wanted = image_request(
        body,
        await prices.named_soon(body.model),
        wait=arguments.wait,
        operation=Operation.REMIX if arguments.references else Operation.CREATE,
        inputs=await _pictures(asked, [(f"references.{at}", one) for at, one in enumerate(arguments.references)]),
    )
    return await _draw(asked, wanted, arguments)


async def _edit(asked: Call, arguments: EditArguments) -> Told:
    body = EditRequest.model_validate(_filled(arguments.model_dump()))
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


def _filled(fields: Json) -> Json:
    """Leave out what stands for nothing; a prompt is said to be blank where it is."""
    return {name: value for name, value in fields.items() if value not in (None, "") or name == "prompt"}


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
        generation = await _wait(asked, generation, settings.MCP_WAIT_SECONDS)
    charged, remaining = admitted.credits_charged, admitted.credits_remaining
    if generation.status == Generation.Status.FAILED:
        charged, spent = 0, await _given_back(asked, generation)
        remaining = await _balance(asked)
    data = describe(generation, site_of(asked.request), asked_of=await prices.slug_soon(generation.image_model_id))
    data |= {"credits_charged": charged, "credits_remaining": remaining, "session": _standing(asked, spent)}
    cost = f"It cost {counted(charged, 'credit')}; {counted(remaining, 'credit')} left."
    return Told(f"{_sentence(generation, data)} {cost}", data, await _preview(generation, arguments.preview))


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


async def _given_back(asked: Call, generation: Generation) -> int | None:
    """Give back to the session what a failed image was charged, and return what is spent then; None: it is not known.

    While that cannot be noted it stays counted, until the session lacks it (`Session.take`).
    """
    try:
        return await asked.session.give_back(generation.public_id)
    except LimiterUnavailable as error:
        log.warning("What %s was charged is not given back yet: %s", generation.public_id, error.__cause__)
        return None


async def _take_status(asked: Call) -> None:
    await limits.take_status_soon(asked.request.caller)


async def _is_known(asked: Call, key: str) -> bool:
    caller = asked.request.caller
    stored = admission.stored_key(key, caller.api_key, caller.token)
    earlier = caller.wallet.generations.filter(idempotency_key=stored)
    return await in_thread(earlier.exists)


async def _status(asked: Call, arguments: StatusArguments) -> Told:
    await _take_status(asked)

    def find() -> Generation:
        mine = known(asked.request).generations()
        found = PUBLIC_ID.fullmatch(arguments.id) and mine.filter(public_id=arguments.id).first()
        if not found:
            raise GenerationNotFound
        return found

    generation = await in_thread(find)
    is_about(asked.request, (generation,))
    if arguments.wait_seconds and not generation.is_final:
        generation = await _wait(asked, generation, min(arguments.wait_seconds, settings.MCP_WAIT_SECONDS))
    if generation.status == Generation.Status.FAILED:
        await _given_back(asked, generation)
    data = describe(generation, site_of(asked.request), asked_of=await prices.slug_soon(generation.image_model_id))
    return Told(_sentence(generation, data), data, await _preview(generation, arguments.preview))


async def _list(asked: Call, arguments: ListArguments) -> Told:
    await _take_status(asked)

    def look() -> list[Generation]:
        mine = known(asked.request).generations()
        if arguments.before:
            last = PUBLIC_ID.fullmatch(arguments.before) and mine.filter(public_id=arguments.before).first()
            if not last:
                raise GenerationNotFound
            mine = mine.filter(pk__lt=last.pk)
        return list(mine.order_by("-pk")[: arguments.limit + 1])

    found = await in_thread(look)
    shown = found[: arguments.limit]
    site = site_of(asked.request)
    rows = [describe(one, site, asked_of=await prices.slug_soon(one.image_model_id)) for one in shown]
    data: Json = {"images": rows, "next": shown[-1].public_id if len(found) > len(shown) else None}
    words = (
        "\n".join(f"- {_line(one, row)}" for one, row in zip(shown, rows, strict=True)) or "There are no images yet."
    )
    more = f"\nOlder ones: call this again with before={data['next']}." if data["next"] else ""
    return Told(words + more, data, is_list=True)


# --- The account -------------------------------------------------------------------------------------------------


async def _credit_balance(asked: Call, arguments: NoArguments) -> Told:
    await _take_status(asked)
    balance = await _balance(asked)
    spent = await asked.session.spent()
    standing = _standing(asked, spent)
    data = {
        "credits_remaining": balance,
        "session": standing,
        "billing_url": f"{site_of(asked.request)}/dashboard/billing/",
    }
    limit = f" of the {standing['credits_limit']} that it may spend" if standing["credits_limit"] else ""
    return Told(f"{counted(balance, 'credit')} left. This session has spent {spent}{limit}.", data)


async def _list_models(asked: Call, arguments: NoArguments) -> Told:
    await _take_status(asked)
    catalogue = await in_thread(prices.current)
    only = asked.request.caller.api_key.image_models
    rows = [described(catalogue, model) for model in catalogue.offered if not only or model.slug in only]
    words = "\n".join(
        f"- {row['id']}: {row['name']}. {row['description']} Does: {', '.join(row['operations'])}. "
        f"From {counted(min(price['credits'] for price in row['prices']), 'credit')} an image."
        for row in rows
    )
    return Told(words or "No model is on offer just now.", {"models": rows})


async def _balance(asked: Call) -> int:
    """Return the credits that are left; to a browser token those of its cap."""

    def look() -> int:
        caller = known(asked.request)
        return ledger.write_off_expired(caller.wallet) if caller.token is None else caller.left()

    return await in_thread(look)


# --- Words -------------------------------------------------------------------------------------------------------


async def _wait(asked: Call, generation: Generation, seconds: float) -> Generation:
    """Wait for a generation, and tell now and then how it goes to whoever asked for that."""
    if asked.progress is None:
        return await live.wait_until_final(generation, seconds)
    waited = 0.0
    while waited < seconds and not generation.is_final:
        await asked.progress(waited, f"{generation.public_id} is {generation.status}")
        step = min(STEP_SECONDS, seconds - waited)
        generation = await live.wait_until_final(generation, step)
        waited += step
    return generation


def _sentence(generation: Generation, data: Json) -> str:
    if generation.status == Generation.Status.COMPLETED:
        size = f"{data['metadata']['width']} x {data['metadata']['height']} pixels"
        return f"The image {data['id']} is finished ({size}): {data['url']}"
    if generation.status == Generation.Status.FAILED:
        return f"The image {data['id']} failed ({data['error']['code']}): {data['error']['message']}"
    return f"The image {data['id']} is not finished yet ({data['stage']}). Call image_status with this id."


def _line(generation: Generation, data: Json) -> str:
    prompt = " ".join(generation.prompt.split())
    short = prompt if len(prompt) <= 80 else f"{prompt[:79]}…"
    return f"{data['id']} {data['status']}: “{short}” {data.get('url', '')}".rstrip()


def _standing(asked: Call, spent: int | None) -> Json:
    return {"credits_spent": spent, "credits_limit": asked.session.cap or None}


async def _preview(generation: Generation, is_wanted: bool) -> bytes | None:
    if not is_wanted or generation.status != Generation.Status.COMPLETED:
        return None
    try:
        with suppress(FileNotFoundError):  # they are made after the image
            return await storage.in_time(partial(images.read_thumbnail, generation.file_token, PREVIEW_SIDE))
        return (await downloads.delivered(generation, "webp", within=(PREVIEW_SIDE, PREVIEW_SIDE))).data
    except (StorageAway, FileNotFoundError) as error:
        log.warning("There is no preview of %s: %s", generation.public_id, error)
        return None  # it is paid for, and its address is told


TOOLS = (
    Tool(
        "generate_image",
        "Generate an image",
        "Draw an image from words, or from words and reference pictures. Returns its permanent url, which anybody can "
        "open, what it cost and what is left. Each image costs credits; one that fails costs nothing.",
        GenerateArguments,
        _generate,
        KeyScope.GENERATE,
        changes=True,
    ),
    Tool(
        "edit_image",
        "Edit an image",
        "Make a new image by changing a picture as words say; the picture itself stays. Returns the new image's url, "
        "what it cost and what is left. Each costs credits; one that fails costs nothing.",
        EditArguments,
        _edit,
        KeyScope.GENERATE,
        changes=True,
    ),
    Tool(
        "image_status",
        "Follow an image",
        "Tell what became of an image: pending, completed with its url, or failed with the reason. Free.",
        StatusArguments,
        _status,
        KeyScope.READ,
    ),
    Tool(
        "list_images",
        "List images",
        "List images that were made with this account, the newest first, with their urls and prompts. Free.",
        ListArguments,
        _list,
        KeyScope.READ,
    ),
    Tool(
        "list_models",
        "List models and prices",
        "List the models that can be chosen: what each can do, its shapes, sizes and qualities, and prices in credits. "
        "Free.",
        NoArguments,
        _list_models,
        None,
    ),
    Tool(
        "credit_balance",
        "Look at the credits",
        "Tell how many credits are left on the account, and how many this session has spent and may spend. Free.",
        NoArguments,
        _credit_balance,
        KeyScope.ACCOUNT,
    ),
)
