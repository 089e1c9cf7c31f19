"""An account's changes as server-sent events, for its open pages.

event: balance      data: {"balance": 12}
event: generation   data: {"id": "img_…", "status": "pending", "stage": "drawing", "studio": true, "html": "…"}
event: ready        data: {}   once, after what is unfinished was sent: whatever the page misses ended before
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from billing.models import Account
from generator import live
from generator.cards import card_html
from generator.models import Generation
from generator.threads import in_thread

STREAM_SECONDS = 600.0  # then the browser connects anew
HEARTBEAT_SECONDS = 15.0  # of silence, after which proxies begin to doubt
WINDOW = 50  # how many of the newest generations one look compares


class Watch:
    """What one page has been told about its account, compared with what is true."""

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self.balance: int | None = None
        self.told: dict[int, str] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether an image is on its way, so that even a lost wake-up is soon made good."""
        return self.told is None or any(status in Generation.UNFINISHED for status in self.told.values())

    def news(self) -> list[str] | None:
        """Return the events since the last look; None when the account's user may no longer look.

        Two queries while nothing changes; a third when more than `WINDOW` images are on their way at once.
        """
        account = Account.objects.filter(pk=self.account_id, user__is_active=True)
        balance = account.values_list("balance", flat=True).first()
        if balance is None:
            return None
        events = self._generations()
        if balance != self.balance:
            self.balance = balance
            events.append(_event("balance", {"balance": balance}))
        return events

    def _generations(self) -> list[str]:
        now = self._statuses()
        if self.told is None:
            changed = [pk for pk, status in now.items() if status in Generation.UNFINISHED]
            events = [*self._described(changed), _event("ready", {})]
        else:
            changed = [pk for pk, status in now.items() if self.told.get(pk) != status]
            events = self._described(changed)
        self.told = now
        return events

    def _statuses(self) -> dict[int, str]:
        mine = Generation.objects.filter(account_id=self.account_id).order_by("-pk").values_list("pk", "status")
        now = dict(mine[:WINDOW])
        beyond = [pk for pk, status in (self.told or {}).items() if status in Generation.UNFINISHED and pk not in now]
        if beyond:
            now.update(Generation.objects.filter(pk__in=beyond).values_list("pk", "status"))
        return now

    def _described(self, changed: list[int]) -> list[str]:
        if not changed:
            return []
        generations = Generation.objects.filter(pk__in=changed).order_by("pk")
        return [_event("generation", _describe(generation)) for generation in generations]


async def events(account_id: int, seconds: float = STREAM_SECONDS) -> AsyncGenerator[str]:
    """Yield the account's changes for `seconds`, each as one event; between them it holds no thread."""
    clock = asyncio.get_running_loop().time
    watch, spoken = Watch(account_id), clock()
    yield "retry: 1000\n\n"
    async with contextlib.aclosing(live.looks(live.account_topic(account_id), seconds)) as looks:
        async for woken in looks:
            if not woken and not watch.is_waiting and clock() - spoken < HEARTBEAT_SECONDS:
                continue
            news = await in_thread(watch.news)
            if news is None:
                return
            if news or clock() - spoken >= HEARTBEAT_SECONDS:
                spoken = clock()
                yield "".join(news) or ": still here\n\n"


def _describe(generation: Generation) -> dict[str, Any]:
    return {
        "id": generation.public_id,
        "status": generation.status if generation.is_final else "pending",
        "stage": None if generation.is_final else generation.status,
        "studio": generation.api_key_id is None,
        "html": card_html(generation, fresh=generation.is_final),
    }


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
