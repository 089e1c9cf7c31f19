"""One request to the whole ASGI application, byte by byte as a server passes it on."""

import asyncio
import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings

from tests.fuzz.odd import Request, encoded

TOKEN = "a" * 32  # a CSRF token that a form would carry


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def html(self) -> str:
        """The page, if it is one."""
        if not self.headers.get("content-type", "").startswith("text/html"):
            return ""
        body = gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body
        return body.decode(errors="replace")


async def serve(request: Request, cookies: dict[str, str]) -> Answer:
    """Send `request` with `cookies`, which are changed as a browser would; raises what the application raises."""
    from reveweb.asgi import application  # only now: it wants the static files to be there

    body = encoded(request.form) if request.body is None else request.body
    answer, done = Answer(0), asyncio.Event()
    to_read = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Mapping[str, Any]:
        if to_read:
            return to_read.pop()
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            for name, value in message.get("headers", ()):
                if name.lower() == b"set-cookie":
                    _set(cookies, value.decode("latin-1"))
                answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")
        else:
            answer.body += message.get("body", b"")
            if not message.get("more_body", False) or request.path.startswith("/events"):
                done.set()

    path = unquote_to_bytes(request.path)
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": path.decode(errors="replace"),
        "raw_path": request.path.encode(),
        "query_string": request.query.encode(errors="surrogatepass"),
        "headers": _headers(request, cookies, len(body)),
        "client": ("127.0.0.1", 50_000),
        "server": ("testserver", 80),
    }
    async with asyncio.timeout(60):
        await application(scope, receive, send)
    return answer


def _headers(request: Request, cookies: dict[str, str], length: int) -> list[tuple[bytes, bytes]]:
    headers = {"Host": "testserver", "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    if not request.checks_csrf:
        headers["Cookie"] += f"; {settings.CSRF_COOKIE_NAME}={TOKEN}"
        headers["X-Csrftoken"] = TOKEN
    if length or request.method not in ("GET", "HEAD"):
        headers |= {"Content-Type": request.kind, "Content-Length": str(length)}
    for name, value in request.headers:
        headers[name] = f"{value}; {headers['Cookie']}" if name == "Cookie" else value
    return [(name.lower().encode(), value.encode(errors="surrogatepass")) for name, value in headers.items()]


def _set(cookies: dict[str, str], header: str) -> None:
    try:
        for name, morsel in SimpleCookie(header).items():
            if name != settings.CSRF_COOKIE_NAME:
                cookies[name] = morsel.coded_value
    except CookieError:
        return
