"""The API as it is served: through the ASGI application, one request at a time."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conftest import Api


@pytest.fixture
def serve(api: Api) -> Callable[..., httpx.Response]:
    """Send a request to the ASGI application as a server would, with Alice's key unless told otherwise."""
    from reveweb.asgi import application  # only now: it wants the static files to be there

    def send(method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {api.secret}", **options.pop("headers", {})}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # Django insists on a dict
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.request(method, path, headers=headers, **options)

        return asyncio.run(ask())

    return send
