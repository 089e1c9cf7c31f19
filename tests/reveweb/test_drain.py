"""That a web process hears that it is to end, whatever its event loop is at."""

import asyncio
import os
import signal
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from reveweb import drain
from reveweb.health import DRAINING


@pytest.fixture
def _of_a_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process takes itself for one that a server started; ending is left out."""

    async def end() -> None:
        pass

    monkeypatch.setattr(drain, "leash", lambda: None)
    monkeypatch.setattr(drain, "_end", end)
    monkeypatch.setattr("multiprocessing.parent_process", lambda: SimpleNamespace(pid=os.getppid()))
    monkeypatch.setitem(drain._drain, "task", None)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    DRAINING.clear()


@pytest.mark.usefixtures("_of_a_server")
def test_a_busy_loop_loses_no_signal() -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):  # as the server has it
            loop.add_signal_handler(number, lambda: None)
        drain.watch()
        for _ in range(2000):  # more than the loop's pipe holds
            loop.call_soon_threadsafe(lambda: None)
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(60):
            while not drain.is_on():
                await asyncio.sleep(0.01)
        assert drain.is_on()
        assert DRAINING.is_set()
        loop.remove_signal_handler(signal.SIGINT)

    asyncio.run(serve())


def test_a_process_of_nobodys_keeps_its_signals() -> None:
    before = signal.getsignal(signal.SIGTERM)
    asyncio.run(asyncio.wait_for(_watch(), 5))
    assert signal.getsignal(signal.SIGTERM) is before


async def _watch() -> None:
    drain.watch()
