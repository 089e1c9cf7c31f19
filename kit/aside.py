"""What is sent aside: put down in an instant, and sent by a thread of its own, several at once when they come quickly.

Whoever puts something down never waits for where it goes: a server that stalls or is away costs them nothing. So this
is for what may be lost, such as messages that only say "look now".
"""

import atexit
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_AT_ONCE = 500
LAST_SECONDS = 1.0  # how long a process that ends waits for what is left


class Aside(Generic[T]):
    """Has `send` called with what was put down, in its order, on a daemon thread that starts when it is needed.

    While `send` is at work no more than `most` are kept; what comes then is dropped. With `pace` it is called no more
    often than every so many seconds, for what comes one by one costs the most.
    """

    def __init__(self, name: str, send: Callable[[list[T]], None], *, most: int, pace: float = 0) -> None:
        self._name = name
        self._send = send
        self._most = most
        self._pace = pace
        self._begin()
        # A child of fork() has none of its parent's threads, and may have a copy of a lock that one of them held.
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.flush)

    def put(self, item: T) -> None:
        """Have `item` sent soon."""
        if self._waiting.qsize() >= self._most:
            log.debug("%s: dropped %r, for too much is waiting", self._name, item)
            return
        self._waiting.put(item)
        if not self._is_started:
            self._start()

    def flush(self, seconds: float = LAST_SECONDS) -> bool:
        """Return once all is sent that was put down before, or False after `seconds`."""
        if not self._is_started:
            return True
        reached = threading.Event()
        self._waiting.put(reached)
        return reached.wait(seconds)

    def _begin(self) -> None:
        self._waiting: queue.SimpleQueue[T | threading.Event] = queue.SimpleQueue()
        self._starting = threading.Lock()
        self._is_started = False

    def _start(self) -> None:
        with self._starting:
            if not self._is_started:
                threading.Thread(target=self._run, args=(self._waiting,), name=self._name, daemon=True).start()
                self._is_started = True

    def _run(self, waiting: "queue.SimpleQueue[T | threading.Event]") -> None:
        while True:
            batch, marks = self._gather(waiting)
            if batch:
                try:
                    self._send(batch)
                except Exception:
                    log.exception("%s: %d were not sent", self._name, len(batch))
            for mark in marks:
                mark.set()
            if self._pace and not marks:
                time.sleep(self._pace)

    @staticmethod
    def _gather(waiting: "queue.SimpleQueue[T | threading.Event]") -> tuple[list[T], list[threading.Event]]:
        """Wait for one, and take with it what is there: up to `MOST_AT_ONCE`, or to where a `flush` is waited for."""
        batch: list[T] = []
        found = waiting.get()
        while not isinstance(found, threading.Event):
            batch.append(found)
            if len(batch) == MOST_AT_ONCE:
                return batch, []
            try:
                found = waiting.get_nowait()
            except queue.Empty:
                return batch, []
        return batch, [found]
