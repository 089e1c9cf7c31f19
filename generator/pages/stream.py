"""An account's changes as server-sent events, for its open pages.

event: balance      data: {"balance": 12}
event: generation   data: {"id": "img_…", "status": "pending", "stage": "drawing", "html": "…"}
event: generation   data: {"id": "img_…", "status": "deleted"}   when its owner threw it away
event: ready        data: {}   once, after what is unfinished was sent: whatever the page misses ended before

A silent stream costs no query of its own: its process looks for all of them together.
"""

import asyncio
import contextlib
import json
import logging
import random
import resource
import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from accounts import sessions
from billing.models import Wallet
from generator import live
from generator.models import Generation
from generator.pages.cards import wall_html
from kit.batch import MOST, Batch
from kit.threads import in_thread

log = logging.getLogger(__name__)

STREAM_SECONDS = 600.0  # then the browser reconnects
HEARTBEAT_SECONDS = 12.0  # of silence, after which proxies begin to doubt
# How often log-ins and balances are looked at without a reason: at most so long, and the look itself, an idle stream
# outlives its log-in, which is to be less than 15 s. What is on its way is looked at every `live.RECHECK_SECONDS`.
CHECK_SECONDS = 9.0
STREAMS_OF_ONE_ACCOUNT = 8  # in one process
MOST_STREAMS = 8_192  # in one process, and no more than half of its connections: calls and pages need some too
RECONNECT_MS = (1000, 4000)  # between these pages come back, so that those of a process that ends come one by one
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
        self.woken = asyncio.Event()

    @property
    def unfinished(self) -> list[int]:
        """What was on its way when the page was last told."""
        return [pk for pk, status in (self.told or {}).items() if status in Generation.UNFINISHED]

    def news(self) -> list[str] | None:
        """Return the events since the last look; None when the account's user, or this log-in, may no longer look."""
        return look([self])[self]

    def is_logged_in(self, wallet: Wallet, people: dict[str, int]) -> bool:
        """Whether the session is there, and the password is the one it was opened with."""
        same = secrets.compare_digest(self.log_in.auth_hash, wallet.user.get_session_auth_hash())
        return same and people.get(self.log_in.session_key) == wallet.user_id

    def changed(self, now: dict[int, str]) -> list[int]:
        """Return what has another status than the page was told; at first, all that is on its way."""
        if self.told is None:
            return [pk for pk, status in now.items() if status in Generation.UNFINISHED]
        return [pk for pk, status in now.items() if self.told.get(pk, DELETED) != status]

    def tell(self, wallet: Wallet, now: dict[int, str], events: dict[int, str]) -> list[str]:
        """Return what is new as events, and take note that the page knows it."""
        news = [events[pk] for pk in sorted(self.changed(now)) if pk in events]
        if self.told is None:
            news.append(_event("ready", {}))
        if wallet.balance != self.balance:
            news.append(_event("balance", {"balance": wallet.balance}))
        self.told, self.balance = now, wallet.balance
        return news


def look(watches: Iterable[Watch]) -> dict[Watch, list[str] | None]:
    """Return the events since each one's last look; None where the account's user, or the log-in, may no longer look.

    Two queries, one more for each account while nothing changes, and one for all that has changed; another for an
    account with more than `WINDOW` images on their way at once.
    """
    watches = list(watches)
    wallets = _allowed(watches)
    together: defaultdict[int, list[Watch]] = defaultdict(list)
    for watch in wallets:
        together[watch.wallet_id].append(watch)
    standing = {pk: _statuses(pk, of_one) for pk, of_one in together.items()}
    changed = {pk for watch, wallet in wallets.items() for pk in watch.changed(standing[wallet.pk])}
    rows = Generation.objects.filter(pk__in=changed) if changed else []
    events = {generation.pk: _event("generation", _describe(generation)) for generation in rows}
    return {
        watch: watch.tell(wallets[watch], standing[watch.wallet_id], events) if watch in wallets else None
        for watch in watches
    }


def restless(watches: Iterable[Watch]) -> list[Watch]:
    """Return those that something has happened to though nobody woke them: a log-in ended, a balance changed."""
    watches = list(watches)
    wallets = _allowed(watches)
    return [watch for watch in watches if watch not in wallets or wallets[watch].balance != watch.balance]


def moved_on(watches: Iterable[Watch]) -> list[Watch]:
    """Return those with something on its way that stands differently by now."""
    watches = list(watches)
    unfinished = list({pk for watch in watches for pk in watch.unfinished})
    now: dict[int, str] = {}
    for start in range(0, len(unfinished), MOST):
        now |= _standing(Generation.objects.filter(pk__in=unfinished[start : start + MOST]))
    return [watch for watch in watches if watch.changed({pk: now[pk] for pk in watch.unfinished if pk in now})]


async def events(wallet_id: int, log_in: LogIn, seconds: float = STREAM_SECONDS) -> AsyncGenerator[str]:
    """Yield the account's changes for `seconds`, each as one event; between them it holds no thread and asks nothing.

    It ends with the log-in: each look asks for that first, so nothing is told after it.
    """
    clock = asyncio.get_running_loop().time
    watch, board, spoken = Watch(wallet_id, log_in), _board(), clock()
    end = spoken + seconds
    yield _come_back()
    with board.seat(watch):
        await live.ready()
        watch.woken.set()
        while clock() < end and not board.is_closed:
            news: list[str] = []
            if watch.woken.is_set():
                watch.woken.clear()
                found = await board.looks.ask(watch)
                if found is None:
                    return
                news = found
            if news or clock() - spoken >= HEARTBEAT_SECONDS:
                spoken = clock()
                yield "".join(news) or ": still here\n\n"
            await live.until_set(watch.woken, min(end, spoken + HEARTBEAT_SECONDS) - clock())
        yield _come_back()


def take_place(wallet_id: int) -> Callable[[], None] | None:
    """Count one more stream of the account, and return what ends that; None where this process has no place for it.

    The newest has to wait: whichever else were ended, its page would come back at once and end another.
    """
    taken = _board().taken
    if taken[wallet_id] >= STREAMS_OF_ONE_ACCOUNT or taken.total() >= _most():
        return None
    taken[wallet_id] += 1

    def leave() -> None:
        taken[wallet_id] -= 1
        if not taken[wallet_id]:
            del taken[wallet_id]

    return leave


def close() -> None:
    """End every stream of this event loop, and from now on those that begin: the process ends."""
    _board().close()


class _Board:
    """All streams of one process, which it looks after together."""

    def __init__(self) -> None:
        self.of_wallet: defaultdict[int, set[Watch]] = defaultdict(set)
        self.taken: Counter[int] = Counter()  # places, by wallet
        self.looks: Batch[Watch, list[str] | None] = Batch(look)
        self.is_closed = False
        self.task = asyncio.create_task(self.run(), name="streams")

    @contextlib.contextmanager
    def seat(self, watch: Watch) -> Iterator[None]:
        """Look after `watch` while inside."""
        with live.listen(live.wallet_topic(watch.wallet_id)) as watch.woken:
            self.of_wallet[watch.wallet_id].add(watch)
            try:
                yield
            finally:
                self.of_wallet[watch.wallet_id].discard(watch)
                if not self.of_wallet[watch.wallet_id]:
                    del self.of_wallet[watch.wallet_id]

    def close(self) -> None:
        self.is_closed = True
        for watch in self.watches():
            watch.woken.set()

    def watches(self) -> list[Watch]:
        return [watch for watches in self.of_wallet.values() for watch in watches]

    async def run(self) -> None:
        """Wake those whose wake-up was lost, and those whose log-in has ended."""
        clock = asyncio.get_running_loop().time
        check_at = clock() + CHECK_SECONDS
        while True:
            await asyncio.sleep(min(live.RECHECK_SECONDS, CHECK_SECONDS))
            told = [watch for watch in self.watches() if watch.told is not None]
            waiting = [watch for watch in told if watch.unfinished]
            try:
                if waiting:
                    self.wake(await in_thread(lambda: moved_on(waiting)))  # noqa: B023 (awaited here)
                if told and clock() >= check_at:
                    self.wake(await in_thread(lambda: restless(told)))  # noqa: B023 (awaited here)
                    check_at = clock() + CHECK_SECONDS
            except Exception as error:  # whatever the database has; the next round tries again
                log.warning("The streams cannot be looked after: %r", error)

    def wake(self, watches: list[Watch]) -> None:
        for watch in watches:
            watch.woken.set()


def _most() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_STREAMS if files == resource.RLIM_INFINITY else min(MOST_STREAMS, files // 2)


_boards: dict[asyncio.AbstractEventLoop, _Board] = {}


def open_streams() -> int:
    """Return how many streams this process holds; any thread may ask."""
    return sum(sum(list(board.taken.values())) for board in list(_boards.values()))


def _board() -> _Board:
    loop = asyncio.get_running_loop()
    board = _boards.get(loop)
    if board is None or board.task.done():
        for stale in [other for other in _boards if other.is_closed()]:
            del _boards[stale]
        board = _boards[loop] = _Board()
    return board


def _allowed(watches: list[Watch]) -> dict[Watch, Wallet]:
    """Return the wallets of those who may look: the user is active, and this log-in still theirs. Two queries."""
    active = Wallet.objects.select_related("user").filter(user__is_active=True)
    wallets = active.in_bulk({watch.wallet_id for watch in watches})
    people = sessions.people_of({watch.log_in.session_key for watch in watches})
    return {
        watch: wallet
        for watch in watches
        if (wallet := wallets.get(watch.wallet_id)) and watch.is_logged_in(wallet, people)
    }


def _statuses(wallet_id: int, watches: list[Watch]) -> dict[int, str]:
    """Return how the wallet's newest generations stand, and what else these pages were told is on its way."""
    mine = Generation.objects.real().filter(wallet_id=wallet_id).order_by("-pk")
    now = _standing(mine[:WINDOW])
    beyond = {pk for watch in watches for pk in watch.unfinished} - now.keys()
    if beyond:
        now.update(_standing(Generation.objects.filter(pk__in=beyond)))
    return now


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
        "html": wall_html([generation], fresh=True),
    }


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _come_back() -> str:
    """Tell the browser when to connect again once the stream has ended."""
    return f"retry: {random.randint(*RECONNECT_MS)}\n\n"
