"""A broker that is away costs whoever tells of something nothing, and is found again once it is back."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from django.conf import settings

from kit import broker, site
from tests import rabbit
from tests.environment import free_port
from tests.installation import wait_until

SOON = 20.0  # seconds; a message fails in under one on a machine that does nothing else
PATIENCE = 120  # seconds that whatever has no limit of its own would wait for a broker here
TASK = "billing.tasks.send_mail"


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield int(server.getsockname()[1])


@pytest.fixture
def line() -> Iterator[Callable[[str], broker.Line]]:
    """Lines to a broker, from an app like the site's."""
    made = []

    def to(url: str) -> broker.Line:
        app = Celery("test", set_as_current=False, amqp="reveweb.run.broker:Amqp")
        app.config_from_object("django.conf:settings", namespace="CELERY")
        timeouts = ("socket_connect_timeout", "socket_timeout", "read_timeout", "write_timeout")
        app.conf.update(
            broker_url=url,
            broker_connection_timeout=PATIENCE,
            broker_transport_options=dict.fromkeys(timeouts, PATIENCE),
        )
        made.append(broker.Line(app))
        return made[-1]

    yield to
    for each in made:
        each.close()


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
@pytest.mark.parametrize("away", ["refuses", "stalls"])
def test_a_message_fails_at_once_whatever_the_broker_is(
    line: Callable[[str], broker.Line], silent: int, scheme: str, away: str
) -> None:
    each = line(f"{scheme}://127.0.0.1:{free_port() if away == 'refuses' else silent}/0")
    for send in (lambda: each.send(TASK, (1,)), lambda: each.waiting(each.app.amqp.queues["rest"])):
        each._away_until = 0.0
        began = time.monotonic()
        with pytest.raises(broker.BrokerAway):
            send()
        assert time.monotonic() - began < SOON


@pytest.mark.parametrize("scheme", ["amqp", "redis"])
def test_what_fifty_tell_of_while_it_stalls_is_not_tried_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, line: Callable[[str], broker.Line], silent: int, scheme: str, unlogged: None
) -> None:
    monkeypatch.setattr(broker, "_line", line(f"{scheme}://127.0.0.1:{silent}/0"))
    monkeypatch.setattr(broker, "PAUSE_SECONDS", 300)  # a busy machine takes longer for as many
    tries: list[Any] = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        tries.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    began = time.monotonic()
    for number in range(50):
        broker.tell(TASK, number)
    assert time.monotonic() - began < SOON
    assert broker.flush(3 * SOON)
    assert 0 < [port for _, port, *_ in tries].count(silent) < 5


def test_a_connection_that_redis_ended_while_it_was_idle_loses_no_message(line: Callable[[str], broker.Line]) -> None:
    server: Any = redis.Redis.from_url(settings.REDIS_URL)
    each = line(settings.REDIS_URL)
    for _ in range(2):
        each.send(TASK, (1,))
        server.client_kill_filter(_type="normal", skipme=True)
    assert server.llen(f"reveweb.{site.name()}.rest") == 2


@rabbit.needed
@pytest.mark.parametrize("back", ["at once", "after a while"])
def test_a_connection_that_rabbitmq_ended_while_it_was_idle_loses_no_message(
    line: Callable[[str], broker.Line], back: str
) -> None:
    with rabbit.way() as way:
        each = line(way.url)
        queue = each.app.amqp.queues["rest"]
        try:
            direct = line(rabbit.URL)
            each.send(TASK, (1,))
            wait_until(lambda: direct.waiting(queue) == 1, 60)  # nobody promises what is still on its way
            way.cut()
            wait_until(each._has_ended, 60)  # the news is on its way
            if back == "after a while":
                with pytest.raises(broker.BrokerAway):
                    each.send(TASK, (2,))
                each._away_until = 0.0
            way.mend()
            each.send(TASK, (3,))
            wait_until(lambda: direct.waiting(queue) == 2, 60)  # no message waits to be confirmed
            way.stall()
            began = time.monotonic()
            for _ in range(3):
                try:
                    each.send(TASK, (4,))
                except broker.BrokerAway:
                    each._away_until = 0.0
            assert time.monotonic() - began < 3 * SOON
        finally:
            rabbit.forget(site.name())
