"""RabbitMQ, where this machine has one: tests that need it are skipped elsewhere, and say so."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings

from reveweb.celery import app
from tests.chaos.proxy import Proxy
from tests.environment import free_port

PORT = 5672
URL = f"amqp://guest:guest@127.0.0.1:{PORT}//"


def answers() -> bool:
    """Whether something listens at RabbitMQ's port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", PORT)) == 0


needed = pytest.mark.skipif(not answers(), reason=f"no RabbitMQ listens on port {PORT} of this machine")


class Way:
    """What lies between the tests and a server: it can be cut, stalled and mended, from any thread."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop) -> None:
        self._proxy, self._loop = proxy, loop
        self.url = f"amqp://guest:guest@127.0.0.1:{proxy.port}//"

    def cut(self) -> None:
        self._do(self._proxy.cut)

    def stall(self) -> None:
        self._do(self._proxy.stall)

    def mend(self) -> None:
        self._do(self._proxy.mend)

    def _do(self, act: Callable[[], None]) -> None:
        async def acted() -> None:
            act()

        asyncio.run_coroutine_threadsafe(acted(), self._loop).result(10)


@contextlib.contextmanager
def way() -> Iterator[Way]:
    """A way to RabbitMQ."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    proxy = Proxy(free_port(), PORT)
    asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(10)
    try:
        yield Way(proxy, loop)
    finally:
        asyncio.run_coroutine_threadsafe(_stopped(proxy), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stopped(proxy: Proxy) -> None:
    await proxy.stop()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=2)


def forget(name: str, url: str = URL) -> None:
    """Remove the queues of the installation `name`."""
    with app.connection_for_write(url) as line:
        channel: Any = line.default_channel
        for queue in settings.QUEUES:
            channel.queue_delete(f"reveweb.{name}.{queue}")
        channel.exchange_delete(f"reveweb.{name}")
