"""A call of a tool: who calls in which session, what it takes, and what it came to."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from accounts.models import KeyScope
from billing import ledger
from generator.api.calling import ApiRequest, known
from generator.ask import limits
from generator.errors import LimiterUnavailable
from generator.models import Generation
from kit.threads import in_thread
from reveweb.mcp.sessions import Session

log = logging.getLogger(__name__)

Json = dict[str, Any]
Progress = Callable[[float, str], Awaitable[None]]

CALL = "reveweb.call"  # in an ASGI scope: the `Call`, as the door made it


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


PREVIEW = Field(
    False,
    description="Also return a small picture to look at. It takes room in your context: ask for it only if you must "
    "see the image. Everybody else can open the url.",
)


def filled(fields: Json) -> Json:
    """Leave out what stands for nothing; a prompt is said to be blank where it is."""
    return {name: value for name, value in fields.items() if value not in (None, "") or name == "prompt"}


async def take_status(asked: Call) -> None:
    """Count a look. Raises RateLimited and LimiterUnavailable."""
    await limits.take_status_soon(asked.request.caller)


async def given_back(asked: Call, generation: Generation) -> int | None:
    """Give back to the session what a failed image was charged, and return what is spent then; None: it is not known.

    While that cannot be noted it stays counted, until the session lacks it (`Session.take`).
    """
    try:
        return await asked.session.give_back(generation.public_id)
    except LimiterUnavailable as error:
        log.warning("What %s was charged is not given back yet: %s", generation.public_id, error.__cause__)
        return None


async def balance_of(asked: Call) -> int:
    """Return the credits that are left; to a browser token those of its cap."""

    def look() -> int:
        caller = known(asked.request)
        return ledger.write_off_expired(caller.wallet) if caller.token is None else caller.left()

    return await in_thread(look)


def session_of(asked: Call, spent: int | None) -> Json:
    """Return what is told of the session: credits that it has spent, None where that is not known, and its cap."""
    return {"credits_spent": spent, "credits_limit": asked.session.cap or None}
