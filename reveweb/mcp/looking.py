"""The tools that look: at an image, at what was made, at models and prices, at credits. They are free."""

from django.conf import settings
from pydantic import Field

from generator.api.calling import is_about, known
from generator.api.models import described
from generator.ask import prices
from generator.ask.answers import describe
from generator.errors import GenerationNotFound
from generator.models import PUBLIC_ID, Generation
from kit.http.requests import site_of
from kit.text import counted
from kit.threads import in_thread
from reveweb.mcp.calls import PREVIEW, Arguments, Call, Json, Told, balance_of, given_back, session_of, take_status
from reveweb.mcp.telling import line, preview, sentence, wait

MOST_LISTED = 50


class StatusArguments(Arguments):
    """Follow an image."""

    id: str = Field(description="The id that generate_image or edit_image answered with (img_…).")
    wait_seconds: float = Field(
        20, ge=0, le=45, description="How long to wait for it to be finished, if it is not. 0 looks once."
    )
    preview: bool = PREVIEW


class ListArguments(Arguments):
    """Look through what was made."""

    limit: int = Field(10, ge=1, le=MOST_LISTED, description="How many, the newest first.")
    before: str = Field("", description="An image's id: list those older than it. The answer's next has it.")


class NoArguments(Arguments):
    """Nothing."""


async def status(asked: Call, arguments: StatusArguments) -> Told:
    """Tell what became of an image. Raises GenerationNotFound, RateLimited and LimiterUnavailable, as all here do."""
    await take_status(asked)

    def find() -> Generation:
        mine = known(asked.request).generations()
        found = PUBLIC_ID.fullmatch(arguments.id) and mine.filter(public_id=arguments.id).first()
        if not found:
            raise GenerationNotFound
        return found

    generation = await in_thread(find)
    is_about(asked.request, (generation,))
    if arguments.wait_seconds and not generation.is_final:
        generation = await wait(asked, generation, min(arguments.wait_seconds, settings.MCP_WAIT_SECONDS))
    if generation.status == Generation.Status.FAILED:
        await given_back(asked, generation)
    data = describe(generation, site_of(asked.request), asked_of=await prices.slug_soon(generation.image_model_id))
    return Told(sentence(generation, data), data, await preview(generation, arguments.preview))


async def listing(asked: Call, arguments: ListArguments) -> Told:
    """Tell what was made, newest first."""
    await take_status(asked)

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
    words = "\n".join(f"- {line(one, row)}" for one, row in zip(shown, rows, strict=True)) or "There are no images yet."
    more = f"\nOlder ones: call this again with before={data['next']}." if data["next"] else ""
    return Told(words + more, data, is_list=True)


async def credit_balance(asked: Call, arguments: NoArguments) -> Told:
    """Tell how many credits are left, on the account and to the session."""
    await take_status(asked)
    balance = await balance_of(asked)
    spent = await asked.session.spent()
    session = session_of(asked, spent)
    data = {
        "credits_remaining": balance,
        "session": session,
        "billing_url": f"{site_of(asked.request)}/dashboard/billing/",
    }
    limit = f" of the {session['credits_limit']} that it may spend" if session["credits_limit"] else ""
    return Told(f"{counted(balance, 'credit')} left. This session has spent {spent}{limit}.", data)


async def list_models(asked: Call, arguments: NoArguments) -> Told:
    """Tell which models a key may choose, and what they cost."""
    await take_status(asked)
    catalogue = await in_thread(prices.current)
    only = asked.request.caller.api_key.image_models
    rows = [described(catalogue, model) for model in catalogue.offered if not only or model.slug in only]
    words = "\n".join(
        f"- {row['id']}: {row['name']}. {row['description']} Does: {', '.join(row['operations'])}. "
        f"From {counted(min(price['credits'] for price in row['prices']), 'credit')} an image."
        for row in rows
    )
    return Told(words or "No model is on offer just now.", {"models": rows})
