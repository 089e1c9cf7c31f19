"""What a request brings, and by when: a body that is too large or does not end is given up, whatever path it is for.

Handlers read a body before anything looks at the request, so the bounds are kept here, where they read: one that says
that it is too large is refused before a byte of it is read, another as soon as it is, and one that takes longer than
`REQUEST_SECONDS` then (with pictures, whose bytes go to the disk, one that does not keep to a pace). So is, of many
that are on their way, the oldest or the largest, for a process has room for only so many connections and bytes. Headers
that do not end are the server's to give up (`manage.py serve`).
"""

import asyncio
import resource
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings

from reveweb import drain, lanes
from reveweb.held import Receive, Scope, Send
from reveweb.lanes import Lane
from reveweb.middleware import REFUSED

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

TOO_LARGE, TOO_SLOW, BROKEN = 413, 408, 400
SHARE = 8  # one in so many connections may have a body on its way
MOST_BYTES = 64 * 1024 * 1024  # of all that are on their way, in memory
MOST_DISK_BYTES = 2 * 1024**3  # and on the disk
PACE = 128 * 1024  # bytes a second that pictures have to come at, after the first `REQUEST_SECONDS`
GRACE_SECONDS = 2.0  # so long none has to give way for being old: also where a thousand callers come at once
GONE: Mapping[str, Any] = {"type": "http.disconnect"}
# So much is still read and thrown away after a refusal: who is cut off while sending may not hear it.
LINGER_SECONDS, LINGER_BYTES = 2.0, 8 * 1024 * 1024


async def bounded(scope: Scope, receive: Receive, send: Send, handler: Application) -> None:
    """Have `handler` serve a request that may have a body, or answer that it is refused."""
    body, is_answered = Body(scope, receive), False

    async def noted(message: Mapping[str, Any]) -> None:
        nonlocal is_answered
        is_answered = True
        await send(message)

    if body.declared > body.most:
        body.refused = TOO_LARGE
    else:
        try:
            await handler(scope, body.receive, noted)
        finally:
            ON_THEIR_WAY.remove(body)
    if not body.refused and not is_answered:
        body.refused = BROKEN  # it was cut off, or is in chunks that are none: then somebody may hear why
    if body.refused:
        costs_a_thread = Lane.HELD not in lanes.lane_of(
            scope["path"]
        )  # for some milliseconds, and there may be thousands
        if body.is_whole or (costs_a_thread and (body.gave_way or body.is_gone)):
            await _refuse_in_haste(send, body.refused)
            return
        is_http1 = scope["http_version"].startswith("1")
        await handler({**scope, REFUSED: body.refused}, _nothing(), drain.closing(send) if is_http1 else send)
        if body.refused == TOO_LARGE and not body.has_ended:
            await _linger(receive)


def comes_with(scope: Scope) -> bool:
    """Tell whether a request has a body, as its headers say."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


class Body:
    """A request's body while it is read."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"")
        self.declared = int(declared[:18]) if declared.isdigit() else 0
        self.most = lanes.most_bytes(scope["path"], headers.get(b"content-type", b"").decode("latin-1"))
        self.is_on_disk = lanes.brings_pictures(scope["path"])
        self.bytes = 0
        self.has_ended = self.is_whole = self.is_gone = self.gave_way = False
        self.refused: int | None = None
        self.began = asyncio.get_running_loop().time()
        self.until = self.began + settings.REQUEST_SECONDS
        self._waiting: asyncio.Timeout | None = None
        self._receive = receive

    async def receive(self) -> Mapping[str, Any]:
        """Return the next part; that the caller has gone when the body is refused, for then nobody is to answer it."""
        if self.is_whole:
            return await self._receive()
        ON_THEIR_WAY.add(self)
        message = GONE
        if not self.refused:
            try:
                async with asyncio.timeout_at(self._until()) as self._waiting:
                    message = await self._receive()
            except TimeoutError:
                self.refused = TOO_SLOW
            self._waiting = None
        if not self.refused:
            self._note(message)
        if self.is_whole or self.is_gone or self.refused:
            ON_THEIR_WAY.remove(self)
        return GONE if self.is_gone or self.refused else message

    def give_way(self) -> None:
        """Be given up as one that takes too long."""
        self.refused, self.gave_way = TOO_SLOW, True
        ON_THEIR_WAY.remove(self)
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    def _until(self) -> float:
        return self.until + self.bytes / PACE if self.is_on_disk else self.until

    def _note(self, message: Mapping[str, Any]) -> None:
        if message["type"] != "http.request":
            self.is_gone = True
            return
        size = len(message.get("body", b""))
        self.bytes += size
        ON_THEIR_WAY.count(self, size)
        self.has_ended = not message.get("more_body", False)
        if self.bytes > self.most:
            self.refused = TOO_LARGE
        elif self.has_ended:
            self.is_whole = self.bytes >= self.declared
            self.is_gone = not self.is_whole  # the server takes a connection that broke for the end


class _OnTheirWay:
    """The bodies of this process that are on their way, in the order in which they came."""

    def __init__(self) -> None:
        self.bodies: dict[Body, None] = {}
        self.bytes = {False: 0, True: 0}  # of those in memory, and of those on the disk
        self.most = 0

    def add(self, body: Body) -> None:
        """Note one, at the expense of the oldest if there are too many."""
        if body in self.bodies or body.refused:
            return
        self.bytes[body.is_on_disk] += body.bytes
        self.bodies[body] = None
        if len(self.bodies) > self._room():
            oldest = next(iter(self.bodies))
            if body.began - oldest.began > GRACE_SECONDS:
                oldest.give_way()

    def count(self, body: Body, size: int) -> None:
        """Note bytes that one of them brought, at the expense of the largest of its kind if there are too many."""
        kind = body.is_on_disk
        self.bytes[kind] += size
        while self.bytes[kind] > (MOST_DISK_BYTES if kind else MOST_BYTES):
            if not (same := [one for one in self.bodies if one.is_on_disk == kind]):
                return
            max(same, key=lambda one: one.bytes).give_way()

    def remove(self, body: Body) -> None:
        """Forget one."""
        if body in self.bodies:
            del self.bodies[body]
            self.bytes[body.is_on_disk] -= body.bytes

    def _room(self) -> int:
        if not self.most:
            files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            self.most = (files if files != resource.RLIM_INFINITY else 16_384) // SHARE
        return self.most


ON_THEIR_WAY = _OnTheirWay()


def _nothing() -> Receive:
    """Return a `receive` of an empty body from a caller who stays."""
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Mapping[str, Any]:
        if (message := next(messages, None)) is None:
            await asyncio.get_running_loop().create_future()
        assert message is not None
        return message

    return receive


async def _refuse_in_haste(send: Send, status: int) -> None:
    headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{HTTPStatus(status).phrase}\n".encode()})


async def _linger(receive: Receive) -> None:
    left = LINGER_BYTES
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
    except TimeoutError:
        return
