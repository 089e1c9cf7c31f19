"""Send tasks to the workers. Rows are the queue, so a broker that cannot be reached costs a moment and nothing else.

Tasks are sent by name: a web process need not import what a worker works with. They are sent aside, so that a broker
that stalls costs whoever tells of one nothing.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from kit import request_id, site
from kit.aside import Aside
from kit.idle import has_something_to_say

log = logging.getLogger(__name__)

T = TypeVar("T")

ANSWER_SECONDS = 0.4  # how long each step of a message may take: to connect, to be greeted, to be answered
PAUSE_SECONDS = 1.0  # how long a broker that did not answer is left alone
# What each transport calls that; each takes no notice of the others' names. No message is worth a second try: by then
# the scheduler has found the row.
_OPTIONS = {
    "socket_connect_timeout": ANSWER_SECONDS,
    "socket_timeout": ANSWER_SECONDS,
    "read_timeout": ANSWER_SECONDS,
    "write_timeout": ANSWER_SECONDS,
    "max_retries": 0,
}


class BrokerAway(Exception):
    """The broker did not take what was sent, or is left alone for a moment because it did not before."""


class Line:
    """The connection of one thread that sends. It fails in under a second, and is made anew after that.

    Celery's own pool keeps connections that have died and lends them again, and waits for seconds for one that cannot
    be made. This one takes no heartbeats either: nobody would send them while there is nothing to send.
    """

    def __init__(self, app: Any = current_app) -> None:
        self.app = app
        self._connection: Any = None
        self._pid = 0
        self._away_until = 0.0

    def send(self, task: str, arguments: Any = (), named: Any = None, **options: Any) -> None:
        """Send one task. Raises BrokerAway."""
        self._use(
            lambda connection: self.app.send_task(
                task, arguments, named, connection=connection, ignore_result=True, **options
            )
        )

    def waiting(self, queue: Any) -> int:
        """Return how many messages `queue` holds. Raises BrokerAway."""
        return self._use(lambda connection: int(queue(connection.default_channel).queue_declare().message_count))

    def close(self) -> None:
        """Let go of the connection, without a word to a server that may not answer."""
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == os.getpid():  # a fork has a copy of what is its parent's
            try:
                connection.collect(ANSWER_SECONDS)
            except Exception as error:  # each transport has its own, and what ends here is of no use any more
                log.debug("%r", error)

    def _use(self, work: Callable[[Any], T]) -> T:
        if time.monotonic() < self._away_until:
            raise BrokerAway("it did not answer a moment ago")
        connection = self._open()
        try:
            done = work(connection)
        except (OperationalError, OSError, *connection.connection_errors, *connection.channel_errors) as error:
            self.close()
            self._away_until = time.monotonic() + PAUSE_SECONDS
            raise BrokerAway(str(error) or repr(error)) from error
        return done

    def _open(self) -> Any:
        if self._connection is not None and (self._pid != os.getpid() or self._has_ended()):
            self.close()
        if self._connection is None:
            self._pid = os.getpid()
            self._connection = self.app.connection_for_write(
                connect_timeout=ANSWER_SECONDS, heartbeat=0, transport_options=_OPTIONS
            )
        return self._connection

    def _has_ended(self) -> bool:
        """Tell whether the server has hung up: what is written to such a connection at first seems to be taken.

        Only AMQP's has a socket to look at; Redis' client looks for itself.
        """
        if not self._connection.connected:
            return False  # it is not made yet
        socket = getattr(self._connection.connection, "sock", None)
        return socket is not None and (socket.fileno() < 0 or has_something_to_say(socket.fileno()))


@dataclass(frozen=True)
class Message:
    """A task that is to be run with `arguments` in `after` seconds, and the request that told of it."""

    task: str
    arguments: tuple[int | str, ...]
    after: float | None
    request_id: str


def tell_on_commit(task: str, argument: int | str) -> None:
    """Send the task of this name its one argument once the transaction is committed."""
    transaction.on_commit(lambda: tell(task, argument))


def tell(task: str, *arguments: int | str, after: float | None = None) -> None:
    """Send a task its arguments, to be done in `after` seconds. Without a broker the scheduler finds the row."""
    _aside.put(Message(task, arguments, after, request_id.current.get()))


def flush(seconds: float = 1.0) -> bool:
    """Return once all is sent that was told before, or False after `seconds`."""
    return _aside.flush(seconds)


def _send(batch: list[Message]) -> None:
    for message in dict.fromkeys(batch):
        try:
            _line.send(
                message.task,
                message.arguments,
                countdown=message.after,
                headers={"request_id": message.request_id},
            )
        except (BrokerAway, site.NameUnknown) as error:
            log.warning(
                "The broker cannot be reached, the scheduler will run %s %s: %s", message.task, message.arguments, error
            )


_line = Line()
_aside: Aside[Message] = Aside("broker", _send, most=1_000)
