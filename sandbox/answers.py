"""The shapes of the sandbox's answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refusal(Exception):
    """A request is answered with an error: HTTP status, code, message and, perhaps, Retry-After seconds.

    `param` is the parameter that is at fault, for APIs that name one.
    """

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.retry_after, self.param = retry_after, param


Endpoint = Callable[[Request], Awaitable[Response]]


def in_shape(endpoint: Endpoint, shape: Callable[[Refusal], Response]) -> Endpoint:
    """Return an endpoint whose refusals have another API's shape."""

    async def answered(request: Request) -> Response:
        try:
            return await endpoint(request)
        except Refusal as refusal:
            return shape(refusal)

    return answered


def error(status: int, code: str, message: str, *, retry_after: int | None = None) -> JSONResponse:
    """Return `{"error": {"code", "message"}}`."""
    headers = None if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


async def on_refusal(request: Request, exc: Exception) -> Response:
    """Answer a Refusal."""
    assert isinstance(exc, Refusal)
    return error(exc.status, exc.code, exc.message, retry_after=exc.retry_after)


async def on_http_exception(request: Request, exc: Exception) -> Response:
    """Answer what the router raises (404, 405) as JSON."""
    assert isinstance(exc, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(exc.status_code, "error")
    return error(exc.status_code, code, f"{request.method} {request.url.path}: {exc.detail}")
