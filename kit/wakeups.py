"""Tell everybody who watches a wallet, or waits for something, that it has changed; `generator.live` listens.

A message is only a wake-up and may be lost: the rows are the truth. So they are sent aside: all topics of a transaction
together, and those of several together when there are many.
"""

import json
import logging
from functools import lru_cache

import redis
from django.conf import settings
from django.db import connection, transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

from kit import site
from kit.aside import Aside

log = logging.getLogger(__name__)

WORK = "work"  # the topic of the workers that draw: something is to be sent
CANCEL = "cancel"  # likewise: something that an upstream may have is not wanted any more
SAMPLES = "samples"  # of the same workers: a test key asked for something
ANSWER_SECONDS = 1.0
PACE_SECONDS = 0.002  # between two messages of a process


def wallet_topic(wallet_id: int) -> str:
    """The topic of everything that happens to one wallet."""
    return f"account:{wallet_id}"


def channel() -> str:
    """The installation's own: subscriptions know no database numbers, and two on one Redis would wake each other.

    Raises NameUnknown.
    """
    return f"reveweb:live:{site.name()}"


def publish_on_commit(*topics: str) -> None:
    """Wake everybody who listens to one of `topics` once the transaction is committed, each topic once."""
    for _, hook, *_ in connection.run_on_commit:
        if isinstance(hook, _Collected):  # a savepoint that is undone takes its own with it
            hook.topics.update(dict.fromkeys(topics))
            return
    transaction.on_commit(_Collected(topics))


def publish(*topics: str) -> None:
    """Wake everybody who listens to one of `topics`, in every process. Waits for nothing."""
    _aside.put(topics)


def flush(seconds: float = 1.0) -> bool:
    """Return once all is sent that was published before, or False after `seconds`."""
    return _aside.flush(seconds)


class _Collected:
    """What one transaction has to tell."""

    def __init__(self, topics: tuple[str, ...]) -> None:
        self.topics = dict.fromkeys(topics)

    def __call__(self) -> None:
        publish(*self.topics)


def _send(batch: list[tuple[str, ...]]) -> None:
    topics = list(dict.fromkeys(topic for topics in batch for topic in topics))
    try:
        _publisher(settings.REDIS_URL).publish(channel(), json.dumps(topics))
    except (redis.RedisError, OSError) as error:
        log.debug("Nobody was woken: %s", error)  # harmless: watchers also check every few seconds


@lru_cache(maxsize=1)
def _publisher(server: str) -> redis.Redis:
    return redis.Redis.from_url(
        server,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1),  # for a connection that the server ended while it was idle
    )


_aside: Aside[tuple[str, ...]] = Aside("wakeups", _send, most=10_000, pace=PACE_SECONDS)
