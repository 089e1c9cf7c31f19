"""Two installations on one Redis, the same database number: neither hears, counts or executes the other's."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection

from billing import identity
from kit import broker, site
from tests import ROOT, rabbit
from tests.installation import wait_until
from tests.processes import running

SQLITE = not os.environ.get("DATABASE_URL", "").startswith("postgres")

# What a process of an installation finds, and leaves for whoever would find it.
MEET = """
import json
from datetime import time
from time import sleep
from django.core.cache import cache
from django.utils import timezone
from generator.ask.limits import Window, take
from kit import broker, nights, pulse, site, wakeups
from reveweb.celery import app

found = {
    "name": site.name(),
    "heard": sorted(pulse.heard()),
    "cached": cache.get("k"),
    "remaining": take(Window("generate", 1, 10)).remaining,
    "is_the_first_tonight": nights.claim("work", at=time(timezone.now().hour)),
}
cache.set("k", "mine")
wakeups.publish("account:1")
broker.tell("billing.tasks.send_mail", 1)
assert broker.flush(60) and wakeups.flush(60)
sleep(0.5)  # for a worker that would take what is not its own
found["waiting"] = broker.Line(app).waiting(app.amqp.queues["rest"])
found["cached_then"] = cache.get("k")
found["remaining_then"] = take(Window("generate", 1, 10)).remaining
print(json.dumps(found))
"""


class Site:
    """An installation with a database of its own; Redis and the broker it shares."""

    def __init__(self, folder: Path, **environment: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.environment = {
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "VAR_DIR": str(folder),
            "REDIS_NAMESPACE": "",
            **environment,
        }

    def migrate(self) -> None:
        connection.close()
        shutil.copyfile(connection.settings_dict["NAME"], self.folder / "db.sqlite3")

    def ask(self, code: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "-v0", "-c", code],
            cwd=ROOT, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def heard_on() -> Iterator[Callable[[], set[str]]]:
    """On which channels anything was said."""
    server: Any = redis.Redis.from_url(settings.REDIS_URL)
    with server.pubsub() as pubsub:
        pubsub.psubscribe("reveweb:live:*")

        def channels() -> set[str]:
            said = set()
            while message := pubsub.get_message(timeout=0.2):
                if message["type"] == "pmessage":
                    said.add(message["channel"].decode().rpartition(":")[2])
            return said

        yield channels


def heard_of(name: str) -> list[str]:
    """Which processes of an installation were heard."""
    server: Any = redis.Redis.from_url(settings.REDIS_URL)
    return [kind.decode() for kind in server.hkeys(f"reveweb:pulse:{name}")]


@pytest.mark.skipif(not SQLITE, reason="two databases are two files here")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("at", ["redis", pytest.param("rabbitmq", marks=rabbit.needed)])
def test_two_installations_do_not_meet(tmp_path: Path, heard_on: Callable[[], set[str]], at: str) -> None:
    """Real processes of both, one of them with a worker; nearly all of its time goes into starting them."""
    url = rabbit.URL if at == "rabbitmq" else settings.REDIS_URL
    ours, theirs = (Site(tmp_path / name, CELERY_BROKER_URL=url) for name in ("ours", "theirs"))
    ours.migrate()
    theirs.migrate()
    names = []
    try:
        with running("work", "--rest", folder=tmp_path, **ours.environment):
            first = ours.ask(MEET)
            names.append(first["name"])
            wait_until(lambda: "rest" in heard_of(first["name"]), 120)
            other = theirs.ask(MEET)
            names.append(other["name"])
        assert first["name"] != other["name"]
        assert (other["heard"], other["cached"], other["remaining"], other["is_the_first_tonight"]) == (
            [],
            None,
            9,
            True,
        )
        assert (other["cached_then"], other["remaining_then"]) == ("mine", 8)
        assert other["waiting"] == 1  # nobody took theirs, and nothing of ours came there
        assert heard_on() == {first["name"], other["name"]}
    finally:
        for name in names:
            rabbit.forget(name, url)


@pytest.mark.skipif(not SQLITE, reason="about a process before its tables")
@pytest.mark.django_db(transaction=True)
def test_a_process_that_comes_before_the_tables_waits_for_them(tmp_path: Path) -> None:
    early = Site(tmp_path / "early")
    log = tmp_path / "schedule.log"
    with running("schedule", folder=tmp_path, **early.environment) as process:
        wait_until(lambda: "Waiting for the database" in log.read_text(), 120)
        early.migrate()
        server: Any = redis.Redis.from_url(settings.REDIS_URL)
        (key,) = wait_until(lambda: server.keys("reveweb:pulse:*"), 120)
        assert heard_of(key.decode().rpartition(":")[2]) == ["scheduler"]
        assert process.poll() is None


def test_a_copy_has_another_name_and_a_variable_overrides_it(settings: Any, transactional_db: None) -> None:
    settings.REDIS_NAMESPACE = ""
    site.forget()
    name = site.name()
    assert name == identity.installation()
    identity.rename()
    assert site.name() == name  # a process keeps what it began with
    site.forget()
    assert site.name() == identity.installation() != name
    site.forget()
    settings.REDIS_NAMESPACE = "mine"
    assert site.name() == "mine"


def test_an_event_loop_is_not_held_up_by_the_look(settings: Any, transactional_db: None) -> None:
    settings.REDIS_NAMESPACE = ""
    site.forget()

    async def ask() -> str:
        with pytest.raises(site.NameUnknown):
            site.name()
        found = await site.soon()
        assert site.name() == found
        return found

    assert asyncio.run(ask()) == identity.installation()
    site.forget()


def test_without_a_database_it_is_as_if_redis_were_away(settings: Any, unlogged: None) -> None:
    def fails() -> str:
        raise OSError("no database")

    settings.REDIS_NAMESPACE = ""
    site.forget()
    before = list(site._read)
    site.provide(fails)
    try:
        with pytest.raises(redis.RedisError):
            site.name()
        broker.tell("billing.tasks.send_mail", 1)
        assert broker.flush(5)
    finally:
        site._read[:] = before
        site.forget()
