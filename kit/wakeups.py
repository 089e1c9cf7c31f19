"""Tell everybody who watches a wallet, or waits for something, that it has changed; `generator.live` listens.

A message is only a wake-up and may be lost: the rows are the truth.
"""

import json
import logging
from functools import lru_cache

import redis
from django.conf import settings
from django.db import transaction

log = logging.getLogger(__name__)

# Its own for each installation: subscriptions know no database numbers, so two on one Redis would wake each other.
CHANNEL = f"reveweb:live:{settings.INSTALLATION_ID}"


WORK = "work"  # the topic of the workers that draw: something is to be sent


def wallet_topic(wallet_id: int) -> str:
    """The topic of everything that happens to one wallet."""
    return f"account:{wallet_id}"


def publish_on_commit(*topics: str) -> None:
    """Wake everybody who listens to one of `topics` once the transaction is committed."""
    transaction.on_commit(lambda: publish(*topics))


def publish(*topics: str) -> None:
    """Wake everybody who listens to one of `topics`, in every process."""
    try:
        _publisher().publish(CHANNEL, json.dumps(topics))
    except redis.RedisError as error:
        log.debug("Nobody was woken: %s", error)  # harmless: watchers also check every few seconds


@lru_cache(maxsize=1)
def _publisher() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
