"""Redis or Valkey, which all processes share, and the broker that messages go through."""

import time
from collections.abc import Iterator
from typing import Any, cast

import redis
from django.conf import settings

from kit.broker import BrokerAway, Line
from reveweb.celery import app
from reveweb.doctor.findings import Finding, fault, note, ok, warning

ANSWER_SECONDS = 3.0
LEAST_VERSION = (6, 2)
FULL = 0.9  # of maxmemory
SLOW_SECONDS = 0.02  # for an answer that takes none of its time
TRIES = 5  # of which the quickest counts: this machine may be busy itself
STANDING = 100  # messages in a queue


def client() -> redis.Redis:
    """Return a connection of one's own."""
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
    )


def server() -> Iterator[Finding]:
    """Ask who it is, whether it may be written to, and how long an answer takes."""
    try:
        with client() as server:
            told = cast("dict[str, Any]", server.info())
            took = min(_seconds(server) for _ in range(TRIES))
    except redis.AuthenticationError as error:
        yield fault("redis-refused", f"It refuses us: {error}", "Mend the user and the password in REDIS_URL.")
        return
    except redis.RedisError as error:
        words = f"It cannot be reached: {error}. Nobody can log in, and nothing is drawn."
        yield fault("redis-unreachable", words, "Start it, or mend REDIS_URL.")
        return
    version = str(told.get("valkey_version") or told.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < LEAST_VERSION:
        words = f"Version {version} is older than {'.'.join(map(str, LEAST_VERSION))}."
        yield fault("redis-version", words, "Upgrade it: any Valkey, or Redis 6.2 or newer.")
    if told.get("role") in ("slave", "replica"):
        words = "REDIS_URL leads to a replica, which takes no writes."
        yield fault("redis-replica", words, "Let REDIS_URL name the primary.")
    if took > SLOW_SECONDS:
        words = f"An answer takes {took * 1000:.0f} ms; each call of the API asks it several times."
        yield warning("redis-slow", words, "Run it near the site, on a machine that is not busy.")
    name = "Valkey" if "valkey_version" in told else "Redis"
    yield ok("redis", f"{name} {version}, {took * 1000:.1f} ms")


def _seconds(server: redis.Redis) -> float:
    began = time.perf_counter()
    server.ping()
    return time.perf_counter() - began


def memory() -> Iterator[Finding]:
    """Look whether it throws keys away, or is about to refuse new ones."""
    with client() as server:
        told = cast("dict[str, Any]", server.info("memory"))
    most, used = int(told.get("maxmemory") or 0), int(told.get("used_memory") or 0)
    policy = str(told.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        words = f"maxmemory-policy is {policy}: once its memory is full it throws away queues, limits and log-ins."
        cure = (
            "CONFIG SET maxmemory-policy noeviction, and the same in its configuration; give caches a server of theirs."
        )
        yield (fault if most else warning)("redis-memory-evicting", words, cure)
    if most and used > FULL * most:
        words = f"{used / most:.0%} of its memory is in use; once it is full nothing is taken any more."
        yield fault(
            "redis-memory-full", words, "Raise maxmemory, or find out whose keys they are (redis-cli --bigkeys)."
        )


def persistence() -> Iterator[Finding]:
    """Look whether what it holds outlives a restart."""
    with client() as server:
        told = cast("dict[str, Any]", server.info("persistence"))
        try:
            saves = str(cast("dict[str, Any]", server.config_get("save")).get("save", ""))
        except redis.ResponseError:  # a service that lets nobody see
            saves = "unknown"
    failed = [name for name in ("rdb_last_bgsave_status", "aof_last_write_status") if told.get(name, "ok") != "ok"]
    if failed:
        words = f"It could not write to its disk ({', '.join(failed)}), and may refuse every write for it."
        yield fault("redis-persistence-failed", words, "Make room on its disk, and look into its log.")
    if not int(told.get("aof_enabled") or 0) and not saves:
        words = "It keeps nothing on disk: after a restart counted limits, log-ins and messages are gone."
        yield warning("redis-persistence-off", words, "CONFIG SET appendonly yes, and the same in its configuration.")


def broker() -> Iterator[Finding]:
    """Ask the broker for each queue, and how many messages stand in it."""
    line, standing = Line(app), {}
    try:
        for queue in settings.QUEUES:
            standing[queue] = line.waiting(app.amqp.queues[queue])
    except BrokerAway as error:
        kind = settings.CELERY_BROKER_URL.partition(":")[0]
        words = f"The broker ({kind}) cannot be reached: {error}. Images start late."
        yield fault("broker-unreachable", words, "Start it, or mend CELERY_BROKER_URL (unset, it is REDIS_URL).")
        return
    finally:
        line.close()
    for queue, count in standing.items():
        if count >= STANDING:
            words = f"{count} messages stand in the queue {queue}, and nobody takes them."
            command = "work --rest" if queue == "rest" else "work"
            yield warning("broker-standing", words, f"Start another worker: manage.py {command}.")
    yield ok("broker", ", ".join(f"{queue} {count}" for queue, count in standing.items()))


def shared() -> Iterator[Finding]:
    """Say what else lives in the same place."""
    if settings.EMBEDDED_REDIS:
        yield note("redis-embedded", "Valkey runs beside the site, as `manage.py run` starts it.")
