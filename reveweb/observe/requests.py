"""Every request counted and traced, by what it asks for and how it was answered, and how long that took."""

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from kit import tracing
from kit.metrics import Counter, Histogram
from reveweb.held import Receive, Scope, Send

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUESTS = Counter("reveweb_requests_total", "Requests that were answered.", "endpoint", "method", "status")
SECONDS = Histogram("reveweb_request_seconds", "From a request to the head of its answer.", "endpoint")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"
DEEPEST = 3  # words of a path that tell endpoints apart


def counted(scope: Scope, send: Send) -> Send:
    """Return `send` for a request that is counted as its answer begins."""
    began = time.perf_counter()
    endpoint = endpoint_of(scope["path"])
    method = scope["method"] if scope["method"] in METHODS else OTHER

    async def counting(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            REQUESTS.add(endpoint=endpoint, method=method, status=str(message["status"]))
            SECONDS.add(time.perf_counter() - began, endpoint=endpoint)
        await send(message)

    return counting


def traced(serve: Application) -> Application:
    """Return `serve` with each request as a span, of its caller's trace where it names one."""

    async def serving(scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = endpoint_of(scope["path"])
        parent = next((value for name, value in scope["headers"] if name == b"traceparent"), b"").decode("latin-1")
        told = {"http.request.method": scope["method"], "http.route": endpoint}
        with tracing.span(f"{scope['method']} {endpoint}", told, parent=parent, is_served=True) as span:

            async def noting(message: Mapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    ids = [value for name, value in message.get("headers", ()) if name.lower() == b"x-request-id"]
                    if ids:
                        span.set_attribute("reveweb.request_id", ids[0].decode("latin-1"))
                await send(message)

            await serve(scope, receive, noting)

    return serving


def endpoint_of(path: str) -> str:
    """Return the words of a path that addresses of this site have, without what names a thing; others are `other`."""
    parts = [part for part in path.split("/") if part]
    known = _words()
    found: list[str] = []
    for part in parts[:DEEPEST]:
        if (*found, part) not in known:
            break
        found.append(part)
    if not found:
        return "/" if not parts else "/static" if parts[0] == "static" else OTHER
    return "/" + "/".join(found)


@cache
def _words() -> frozenset[tuple[str, ...]]:
    """Return the beginnings of all addresses, as far as they are plain words."""
    found: set[tuple[str, ...]] = set()
    for address in _addresses(get_resolver().url_patterns, ""):
        words: tuple[str, ...] = ()
        for part in address.strip("^$/").split("/")[:DEEPEST]:
            if not part or not part.replace("-", "").replace("_", "").replace(".", "").isalnum():
                break
            words = (*words, part)
            found.add(words)
    return frozenset(found)


def _addresses(patterns: Any, before: str) -> list[str]:
    found: list[str] = []
    for pattern in patterns:
        address = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += _addresses(pattern.url_patterns, address)
        elif isinstance(pattern, URLPattern):
            found.append(address)
    return found
