"""`python -m sandbox`: serve the stand-ins on loopback until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from types import FrameType

# One drawing is one thread's work; OpenBLAS would otherwise reserve memory for threads that never run.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

try:
    import uvicorn

    from sandbox.app import create_app
except ModuleNotFoundError as missing:
    if (missing.name or "").startswith("sandbox"):
        raise
    sys.exit(
        f"sandbox: the package {missing.name} is missing, which a server with a real upstream does without. "
        f"Install it: {sys.executable} -m pip install --require-hashes -r requirements-sandbox.txt"
    )

from sandbox.pauses import Pauses
from sandbox.settings import HOST, Settings, SettingsError


class _Server(uvicorn.Server):
    """Wakes the requests that wait on purpose, so that stopping takes no longer than for an idle server."""

    def __init__(self, config: uvicorn.Config, pauses: Pauses) -> None:
        super().__init__(config)
        self._pauses = pauses

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        _starting.clear()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        asyncio.get_running_loop().call_soon_threadsafe(self._pauses.wake_all)


_starting = threading.Event()  # set until uvicorn takes care of signals itself


def _on_signal(number: int, frame: FrameType | None) -> None:
    """Stop at once while starting. Later uvicorn raises each signal again when it has stopped: that is a success."""
    if _starting.is_set():
        sys.exit(0)


async def _serve(settings: Settings, listener: socket.socket) -> None:
    pauses = Pauses()
    config = uvicorn.Config(
        create_app(settings, pauses),
        access_log=False,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    await _Server(config, pauses).serve(sockets=[listener])


def _listen(port: int) -> socket.socket:
    # asyncio sets TCP_NODELAY only where the protocol is named; without it an answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(512)
    except OSError:
        listener.close()
        raise
    return listener


def main() -> int:
    """Run until told to stop; return the exit status."""
    try:
        settings = Settings.from_environment()
        listener = _listen(settings.port)
    except SettingsError as wrong:
        print(f"sandbox: {wrong}", file=sys.stderr)
        return 2
    except OSError as refused:
        print(
            f"sandbox: cannot listen on {HOST}:{os.environ.get('SANDBOX_PORT') or 8002}: {refused.strerror}",
            file=sys.stderr,
        )
        return 1
    _starting.set()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_signal)
    print(f"sandbox: listening on http://{HOST}:{listener.getsockname()[1]}", flush=True)
    asyncio.run(_serve(settings, listener))
    return 0


if __name__ == "__main__":
    sys.exit(main())
