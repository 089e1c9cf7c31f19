"""Calls between being answered and being in the database: none of them waits for that, whatever the database does.

A call is put down in memory, and a thread writes what is there once a second, or as soon as there are many. Look-ups,
and refusals of those who call too often, come by the thousand: those of one kind are counted for `WINDOW_SECONDS` and
become one row (of refusals the first has a row of its own at once, for somebody who looks what is wrong). Refusals of
other sorts have rows of their own, up to `MOST_REFUSALS` of a key in a minute; beyond that they are counted by their
status alone, for they cost whoever calls nothing, and a row takes some kilobytes.

While the database is away calls are kept, for `PATIENCE_SECONDS`; what there is no room for is dropped, and counted in
the log. A process that is killed loses what was not written: this is a log, and no call's outcome depends on it.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from generator.calls.seen import ANY_PATH, Seen
from kit.postgresql.outage import is_outage

log = logging.getLogger(__name__)

MOST = 10_000  # calls that wait
MOST_BYTES = 32 * 1024 * 1024
PACE_SECONDS = 1.0
AT_ONCE = 200  # as soon as there are so many they are written
WINDOW_SECONDS = 15.0
MOST_REFUSALS = 120  # of one key that have rows of their own in `REFUSALS_SECONDS`
REFUSALS_SECONDS = 60.0
PATIENCE_SECONDS = 60.0
LAST_SECONDS = 5.0  # how long a process that ends waits for what is left

Kind = tuple[object, ...]
_NEVER = (0.0, None)


class Buffer:
    """Has `write` called with calls, at most `AT_ONCE` at a time, on a daemon thread that starts when it is needed."""

    def __init__(self, write: Callable[[list[Seen]], None]) -> None:
        self._write = write
        self._begin()
        os.register_at_fork(after_in_child=self._begin)  # a child has none of its parent's threads

    def put(self, call: Seen) -> None:
        """Note a call. It never waits and never raises."""
        with self._lock:
            kind = call.kind
            is_counted = kind is not None and self._counted.get(kind, _NEVER)[1] is not None
            if call.is_refusal and not is_counted and not self._may_have_row(call):
                kind = call.blurred().kind
            if kind:
                since, earlier = self._counted.get(kind, _NEVER)
                if earlier is not None:
                    self._counted[kind] = since, call.counted(earlier)
                    return
                if len(self._counted) >= MOST:
                    self._dropped += 1
                    return
                now = time.monotonic()
                if call.is_look_up or call.path == ANY_PATH:
                    self._counted[kind] = now, call
                elif now < since + WINDOW_SECONDS:
                    self._counted[kind] = since, call
                else:
                    self._counted[kind] = now, None
                    self._add(call)
            else:
                self._add(call)
            if not self._is_started:
                self._start()
            waiting = len(self._waiting)
        if waiting >= AT_ONCE:
            self._many.set()
        self._some.set()

    def flush(self, seconds: float = LAST_SECONDS) -> bool:
        """Write all that was noted, counted ones too; return False when that was not done after `seconds`."""
        with self._lock:
            if not self._is_started:
                return True
            done = threading.Event()
            self._marks.append(done)
        self._many.set()
        self._some.set()
        return done.wait(seconds)

    def forget(self) -> int:
        """Drop what waits, and return how many calls that were."""
        with self._lock:
            count = len(self._waiting) + sum(1 for _, call in self._counted.values() if call)
            self._waiting.clear()
            self._counted.clear()
            self._refusals.clear()
            self._bytes = 0
            return count

    def taken(self, everything: bool = False) -> list[Seen]:
        """Take what is to be written now: what waits, and what was counted for long enough."""
        now = time.monotonic()
        with self._lock:
            ended = []
            for kind, (since, call) in self._counted.items():
                if not everything and now < since + WINDOW_SECONDS:
                    break  # they stand in the order in which they began
                ended.append(kind)
                if call is not None:
                    self._waiting.append(call)
                    self._bytes += call.size
            for kind in ended:
                del self._counted[kind]
            calls = [self._waiting.popleft() for _ in range(min(len(self._waiting), AT_ONCE))]
            self._bytes -= sum(call.size for call in calls)
            return calls

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Seen] = deque()
        # Since when calls of a kind are counted, and the last of them; of refusals the first is written already.
        self._counted: dict[Kind, tuple[float, Seen | None]] = {}
        self._refusals: dict[int | str, int] = {}  # how many rows a key's refusals have had since `_refusals_since`
        self._refusals_since = 0.0
        self._bytes = self._dropped = 0
        self._some, self._many = threading.Event(), threading.Event()
        self._marks: list[threading.Event] = []
        self._is_started = False

    def _may_have_row(self, call: Seen) -> bool:
        """Tell whether one more refusal of a key may have a row of its own, and count it."""
        now = time.monotonic()
        if now >= self._refusals_since + REFUSALS_SECONDS or len(self._refusals) >= MOST:
            self._refusals.clear()
            self._refusals_since = now
        count = self._refusals[call.whose] = self._refusals.get(call.whose, 0) + 1
        return count <= MOST_REFUSALS

    def _add(self, call: Seen) -> None:
        if len(self._waiting) >= MOST or self._bytes + call.size > MOST_BYTES:
            self._dropped += 1
            return
        self._waiting.append(call)
        self._bytes += call.size

    def _start(self) -> None:
        self._is_started = True
        threading.Thread(target=self._run, name="request-log", daemon=True).start()

    def _run(self) -> None:
        while True:
            if not self._counted:
                self._some.wait()
            self._some.clear()
            self._many.wait(PACE_SECONDS)
            self._many.clear()
            with self._lock:
                marks, self._marks = self._marks, []
                dropped, self._dropped = self._dropped, 0
            if dropped:
                log.warning("%d API calls are missing in the request log: there was no room for them", dropped)
            while calls := self.taken(everything=bool(marks)):
                self._written(calls)
            for mark in marks:
                mark.set()

    def _written(self, calls: list[Seen]) -> None:
        """Write calls; while the database is away, again and again for as long as they are kept."""
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                self._write(calls)
            except Exception as error:
                if is_outage(error) and time.monotonic() < until:
                    time.sleep(PACE_SECONDS)
                    continue
                # What came meanwhile would wait as long, and so on for ever.
                lost = len(calls) + (self.forget() if is_outage(error) else 0)
                log.warning("%d API calls are missing in the request log, they could not be written: %s", lost, error)
            return
