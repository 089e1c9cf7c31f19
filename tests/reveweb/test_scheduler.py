"""The scheduler: it is heard, waits for nobody, piles nothing up, and needs no file of its own."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from django.conf import settings

from kit import pulse, site
from reveweb import celery as celery_module
from reveweb.run import scheduler
from reveweb.run.scheduler import Scheduler
from tests.environment import free_port


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """An app like the site's, whose connections a test may spoil."""
    app = Celery("test", set_as_current=False, amqp="reveweb.run.broker:Amqp")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.beat_schedule = {"often": {"task": "often", "schedule": 0.01, "options": {"expires": 1}}}
    yield app
    app.close()


def queued(name: str = "rest") -> int:
    return int(redis.Redis.from_url(settings.REDIS_URL).llen(f"reveweb.{site.name()}.{name}"))  # type: ignore[arg-type]


def run(each: Scheduler, until: Any, seconds: float = 60) -> None:
    """Tick as `celery beat` does until something is so."""
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(max(0.0, each.tick()))


def test_it_says_that_it_lives_by_itself(app: Celery) -> None:
    """No worker has to take a message for that."""
    app.conf.beat_schedule = {}
    Scheduler(app).tick()
    assert pulse.heard()["scheduler"] < 30


def test_ticks_that_nobody_takes_do_not_pile_up(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "MOST_WAITING", 3)
    each = Scheduler(app)
    run(each, lambda: queued() >= 3)
    for _ in range(20):
        time.sleep(max(0.0, each.tick()))
    assert queued() == 3


def test_a_broker_that_is_away_is_left_alone_for_a_moment(app: Celery) -> None:
    app.conf.update(broker_url=f"redis://127.0.0.1:{free_port()}/0")
    each = Scheduler(app)
    began = time.monotonic()
    run(each, lambda: each._is_away)
    each.tick()
    assert time.monotonic() - began < 30  # Celery's own would try for minutes
    assert pulse.heard()["scheduler"] < 30


def test_two_of_them_do_no_harm(app: Celery) -> None:
    threads = [threading.Thread(target=run, args=(Scheduler(app), lambda: queued() >= 10)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queued() >= 10


def test_every_tick_has_a_task_a_queue_of_its_kind_and_an_end() -> None:
    app = celery_module.app
    app.loader.import_default_modules()
    money = {"billing.tasks.handle_event", "billing.tasks.sweep_money"}
    for name, tick in app.conf.beat_schedule.items():
        assert tick["task"] in app.tasks, name
        assert tick["options"]["expires"] <= tick["schedule"], name
    own = {task for task in app.tasks if task.startswith(("billing.", "generator.", "reveweb."))}
    queues = {task: app.amqp.router.route({}, task)["queue"].routing_key for task in own}
    assert {task for task, queue in queues.items() if queue == "money"} == money
    for task in ("billing.tasks.send_mail", "billing.tasks.nightly", "reveweb.personal.tasks.run_personal_task"):
        assert queues[task] == "rest"


def test_a_message_goes_to_its_own_queue_only() -> None:
    app = celery_module.app
    with app.connection_for_write() as connection:
        for queue in app.amqp.queues.values():
            queue(connection.default_channel).declare()
        app.send_task("billing.tasks.handle_event", ("evt_1",), connection=connection)
    assert [queued(name) for name in ("money", "submit", "look", "rest")] == [1, 0, 0, 0]
