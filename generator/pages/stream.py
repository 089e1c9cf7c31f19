"""An account's changes as server-sent events, for its open pages.

event: balance      data: {"balance": 12}
event: generation   data: {"id": "img_…", "status": "pending", "stage": "drawing", "studio": true, "html": "…"}
event: generation   data: {"id": "img_…", "status": "deleted"}   when its owner threw it away
event: ready        data: {}   once, after what is unfinished was sent: whatever the page misses ended before
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts import sessions
from billing.models import Wallet
from generator import live
from generator.models import Generation
from generator.pages.cards import wall_html
from kit.threads import in_thread

STREAM_SECONDS = 600.0  # then the browser reconnects
# Of silence, after which proxies begin to doubt. With `live.RECHECK_SECONDS` on top it is also the longest that an idle
# stream outlives its log-in: less than 15 s.
HEARTBEAT_SECONDS = 12.0
DELETED = "deleted"
WINDOW = 50  # how many of the newest generations one look compares


@dataclass(frozen=True)
class LogIn:
    """The log-in that a stream was opened with, and ends with."""

    session_key: str
    auth_hash: str


class Watch:
    """What one page has been told about its account, compared with what is true."""

    def __init__(self, wallet_id: int, log_in: LogIn) -> None:
        self.wallet_id = wallet_id
        self.log_in = log_in
        self.balance: int | None = None
        self.told: dict[int, str] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether an image is on its way, so that even a lost wake-up costs only a moment."""
        return self.told is None or any(status in Generation.UNFINISHED for status in self.told.values())

    def news(self) -> list[str] | None:
        """Return the events since the last look; None when the account's user, or this log-in, may no longer look.

        Three queries while nothing changes, one of them for the session by its primary key; a fourth when more than
        `WINDOW` images are on their way at once.
        """
        wallet = Wallet.objects.select_related("user").filter(pk=self.wallet_id, user__is_active=True).first()
        if wallet is None or not self._is_logged_in(wallet):
            return None
        events = self._generations()
        if wallet.balance != self.balance:
            self.balance = wallet.balance
            events.append(_event("balance", {"balance": wallet.balance}))
        return events

    def _is_logged_in(self, wallet: Wallet) -> bool:
        """Whether the session is there, and the password is the one it was opened with."""
        same = secrets.compare_digest(self.log_in.auth_hash, wallet.user.get_session_auth_hash())
        return same and sessions.is_logged_in(self.log_in.session_key, wallet.user)

    def _generations(self) -> list[str]:
        now = self._statuses()
        if self.told is None:
            changed = [pk for pk, status in now.items() if status in Generation.UNFINISHED]
            events = [*self._described(changed), _event("ready", {})]
        else:
            changed = [pk for pk, status in now.items() if self.told.get(pk, DELETED) != status]
            events = self._described(changed)
        self.told = now
        return events

    def _statuses(self) -> dict[int, str]:
        mine = Generation.objects.filter(wallet_id=self.wallet_id).order_by("-pk")
        now = _standing(mine[:WINDOW])
        beyond = [pk for pk, status in (self.told or {}).items() if status in Generation.UNFINISHED and pk not in now]
        if beyond:
            now.update(_standing(Generation.objects.filter(pk__in=beyond)))
        return now

    def _described(self, changed: list[int]) -> list[str]:
        if not changed:
            return []
        generations = Generation.objects.filter(pk__in=changed).order_by("pk")
        return [_event("generation", _describe(generation)) for generation in generations]


async def events(wallet_id: int, log_in: LogIn, seconds: float = STREAM_SECONDS) -> AsyncGenerator[str]:
    """Yield the account's changes for `seconds`, each as one event; between them it holds no thread.

    It ends with the log-in: each look asks for that first, so nothing is told after it.
    """
    clock = asyncio.get_running_loop().time
    watch, spoken = Watch(wallet_id, log_in), clock()
    yield "retry: 1000\n\n"
    async with contextlib.aclosing(live.ticks(live.wallet_topic(wallet_id), seconds)) as ticks:
        async for woken in ticks:
            if not woken and not watch.is_waiting and clock() - spoken < HEARTBEAT_SECONDS:
                continue
            news = await in_thread(watch.news)
            if news is None:
                return
            if news or clock() - spoken >= HEARTBEAT_SECONDS:
                spoken = clock()
                yield "".join(news) or ": still here\n\n"


def _standing(generations: QuerySet[Generation]) -> dict[int, str]:
    rows = generations.values_list("pk", "status", "deleted_at")
    return {pk: status if deleted_at is None else DELETED for pk, status, deleted_at in rows}


def _describe(generation: Generation) -> dict[str, Any]:
    if generation.deleted_at is not None:
        return {"id": generation.public_id, "status": DELETED}
    return {
        "id": generation.public_id,
        "status": generation.status if generation.is_final else "pending",
        "stage": None if generation.is_final else generation.status,
        "studio": generation.api_key_id is None,
        "html": wall_html([generation], fresh=True),
    }


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
