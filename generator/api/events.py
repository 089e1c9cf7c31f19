"""An image's changes as server-sent events, for whoever asked for it over the API.

event: status   data: the image's JSON, as a status look-up tells it; at once, then with each change until it has ended

A silent stream holds no thread and no database connection: its process looks for all of them together. It ends with the
key or token that opened it, and after `STREAM_SECONDS` at most; `retry:` says when to come back.
"""

import asyncio
import contextlib
import json
import logging
import random
import resource
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey, BrowserToken
from generator import live
from generator.ask import limits
from generator.ask.callers import Caller
from generator.errors import LimiterUnavailable, RateLimit, RateLimited
from generator.jobs import places
from generator.models import Generation
from kit.batch import MOST, Batch
from kit.threads import in_thread

log = logging.getLogger(__name__)

STREAM_SECONDS = 600.0
HEARTBEAT_SECONDS = 12.0  # of silence, after which proxies begin to doubt
CHECK_SECONDS = 9.0  # how often it is asked whether keys still open
STREAMS_OF_ONE_ACCOUNT = 256  # in one process, and as many of all its browser tokens
STREAMS_OF_ONE_TOKEN = 8  # a visitor's, who leaves those to the account's programs
MOST_STREAMS = 4_096  # in one process, and no more than a quarter of its connections
RECONNECT_MS = (1000, 4000)  # between these clients come back, so that those of a process that ends come one by one
FULL_SECONDS = 10  # until whoever finds no place may try again

T = TypeVar("T")
Tell = Callable[[Generation], Awaitable[dict[str, Any]]]


class Watch:
    """One stream: which image it is about, what it told last, and the key or token that opened it."""

    def __init__(self, generation: Generation, caller: Caller) -> None:
        self.pk = generation.pk
        self.topic = live.wallet_topic(generation.wallet_id)
        self.key = caller.api_key.pk, caller.api_key.version
        self.token = caller.token.pk if caller.token else None
        self.told: dict[str, Any] = {}
        self.generation = generation
        self.woken = asyncio.Event()
        self.is_refused = False

    def has_changed(self, status: str) -> bool:
        """Whether its image stands differently from what was told."""
        if status != self.told.get("stage"):
            return True
        place = places.place_of(self.generation) if status == Generation.Status.QUEUED else None
        return place != self.told.get("queue_position")


async def take_place(caller: Caller) -> Callable[[], None]:
    """Count one more stream of an account, and return what ends that. Raises RateLimited.

    Browser tokens have places apart from their account's, and each has a few of them: visitors take none from it.
    While the limiter cannot be reached nothing is counted but what this process has.
    """
    with contextlib.suppress(LimiterUnavailable):
        await limits.take_soon(limits.window_of(caller, "events", settings.STATUS_RATE_LIMIT_PER_MINUTE))
    token = caller.token.pk if caller.token else None
    place = caller.wallet.pk, token is not None
    board, most = _board(), _most()
    own = STREAMS_OF_ONE_ACCOUNT if token is None else STREAMS_OF_ONE_TOKEN
    is_full = board.taken[place] >= STREAMS_OF_ONE_ACCOUNT or board.taken.total() >= most
    if is_full or (token is not None and board.of_tokens[token] >= own):
        raise RateLimited(RateLimit(min(own, most), 0, FULL_SECONDS))
    board.taken[place] += 1
    if token is not None:
        board.of_tokens[token] += 1

    def leave() -> None:
        _less(board.taken, place)
        if token is not None:
            _less(board.of_tokens, token)

    return leave


async def of(
    generation: Generation, caller: Caller, tell: Tell, seconds: float = STREAM_SECONDS
) -> AsyncGenerator[str]:
    """Yield how an image stands, and each change until it has ended, for `seconds` at most."""
    clock = asyncio.get_running_loop().time
    watch, board, spoken = Watch(generation, caller), _board(), clock()
    end = spoken + seconds
    yield f"retry: {random.randint(*RECONNECT_MS)}\n\n"
    with board.seat(watch):
        await live.ready()
        watch.woken.set()
        while clock() < end and not board.is_closed and not watch.is_refused:
            news = ""
            if watch.woken.is_set():
                watch.woken.clear()
                found = await board.looks.ask(watch.pk)
                if found is None:
                    return
                watch.generation = found
                body = await tell(found)
                if body != watch.told:
                    watch.told = body
                    news = f"event: status\ndata: {json.dumps(body)}\n\n"
            if news or clock() - spoken >= HEARTBEAT_SECONDS:
                spoken = clock()
                yield news or ": still here\n\n"
            if watch.generation.is_final:
                return
            await live.until_set(watch.woken, min(end, spoken + HEARTBEAT_SECONDS) - clock())


def close() -> None:
    """End every stream of this event loop, and from now on those that begin: the process ends."""
    _board().close()


class _Board:
    """All streams of one process, which it looks after together."""

    def __init__(self) -> None:
        self.watches: set[Watch] = set()
        self.taken: Counter[tuple[int, bool]] = Counter()  # places, by wallet and whether they are its tokens'
        self.of_tokens: Counter[int] = Counter()  # the latter, by token
        self.looks: Batch[int, Generation] = Batch(lambda pks: Generation.objects.in_bulk(pks))
        self.is_closed = False
        self.task = asyncio.create_task(self.run(), name="events")

    @contextlib.contextmanager
    def seat(self, watch: Watch) -> Iterator[None]:
        """Look after `watch` while inside."""
        with live.listen(watch.topic) as watch.woken:
            self.watches.add(watch)
            try:
                yield
            finally:
                self.watches.discard(watch)

    def close(self) -> None:
        self.is_closed = True
        for watch in self.watches:
            watch.woken.set()

    async def run(self) -> None:
        """Wake those whose wake-up was lost or whose place has changed, and end those whose key opens no more."""
        clock = asyncio.get_running_loop().time
        check_at = clock() + CHECK_SECONDS
        while True:
            await asyncio.sleep(live.RECHECK_SECONDS)
            told = [watch for watch in self.watches if watch.told]
            try:
                if told:
                    for watch in await in_thread(lambda: _changed(told)):  # noqa: B023 (awaited here)
                        watch.woken.set()
                if told and clock() >= check_at:
                    for watch in await in_thread(lambda: _refused(told)):  # noqa: B023 (awaited here)
                        watch.is_refused = True
                        watch.woken.set()
                    check_at = clock() + CHECK_SECONDS
            except Exception as error:  # whatever the database has; the next round tries again
                log.warning("The streams of images cannot be looked after: %r", error)


def _changed(watches: list[Watch]) -> list[Watch]:
    pks = list({watch.pk for watch in watches})
    now: dict[int, str] = {}
    for start in range(0, len(pks), MOST):
        some = Generation.objects.filter(pk__in=pks[start : start + MOST])
        now |= dict(some.values_list("pk", "status"))
    return [watch for watch in watches if watch.pk not in now or watch.has_changed(now[watch.pk])]


def _refused(watches: list[Watch]) -> list[Watch]:
    """Return those whose key or token does not open any more, or whose key may do something else by now."""
    now = timezone.now()
    opens = ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None, user__is_active=True)
    good = set(opens.filter(pk__in={pk for pk, _ in (watch.key for watch in watches)}).values_list("pk", "version"))
    named = {watch.token for watch in watches if watch.token is not None}
    live_tokens = BrowserToken.objects.filter(pk__in=named, revoked_at=None, expires_at__gt=now)
    good_tokens = {None, *live_tokens.values_list("pk", flat=True)} if named else {None}
    return [watch for watch in watches if watch.key not in good or watch.token not in good_tokens]


def _less(counter: Counter[T], key: T) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]


def _most() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_STREAMS if files == resource.RLIM_INFINITY else min(MOST_STREAMS, files // 4)


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
