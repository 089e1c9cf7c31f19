"""Somebody who asks for an image and hangs up while it is being drawn."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from django.db import connections

from generator.models import Generation


async def hang_up(secret: str, path: str, body: dict[str, Any], *, once: Callable[[], bool] | None = None) -> None:
    """Send a request, and leave once it is an image that is being drawn, or `once` that holds."""
    from reveweb.asgi import application  # only now: it wants the static files to be there

    messages = iter([{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}])
    left = asyncio.Event()

    async def receive() -> Any:
        if (message := next(messages, None)) is not None:
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    headers = {"host": "testserver", "authorization": f"Bearer {secret}", "content-type": "application/json"}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("testserver", 80),
    }
    serving = asyncio.create_task(application(scope, receive, send))
    while not await asyncio.to_thread(once or is_asked):
        await asyncio.sleep(0.05)
    left.set()
    await serving


def is_asked() -> bool:
    """Tell, on a thread beside an event loop, whether there is an image to wait for."""
    try:
        return Generation.objects.exists()
    finally:
        connections.close_all()
