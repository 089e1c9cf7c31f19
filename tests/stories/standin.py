"""Stripe in this process: the sandbox's world and its strict wire, without sockets, at the story's own time."""

from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import stripe
from requests.structures import CaseInsensitiveDict
from starlette.requests import Request
from starlette.responses import Response

from sandbox.stripe import api
from sandbox.stripe.config import StripeConfig
from sandbox.stripe.desk.routes import Desk, _as_form
from sandbox.stripe.engine import discounts, time_machine
from sandbox.stripe.engine.world import World
from sandbox.stripe.state.clock import Clock
from sandbox.stripe.state.store import Obj, Query, Store
from sandbox.stripe.wire import params
from sandbox.stripe.wire.service import Service

BEGIN = datetime(2030, 1, 10, 9, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)


class Time:
    """The time of a story, which both sides read. It passes a little with each look, so that no two are at once."""

    def __init__(self) -> None:
        self.moment = BEGIN

    def now(self) -> datetime:
        self.moment += TICK
        return self.moment

    @property
    def seconds(self) -> int:
        return int(self.moment.timestamp())

    def datetime(self) -> type[datetime]:
        """Return what stands for `datetime` where Django looks at the time."""
        return type("StoryTime", (datetime,), {"now": staticmethod(lambda tz=None: self.now())})


class StoryClock(Clock):
    """The stand-in's clock, at the story's time."""

    def __init__(self, store: Store, time: Time) -> None:
        super().__init__(store)
        self.time = time

    def now(self) -> int:
        return self._moment if self._moment is not None else self.time.seconds

    def advance(self, seconds: int) -> None:
        self.time.moment += timedelta(seconds=seconds)


class StandIn:
    """One Stripe account: what people and operators do at Stripe's own pages, and what there is to read."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.store = Store(None)
        config = StripeConfig(public_url="http://stripe.example")
        self.world = World(config=config, store=self.store, default_url="", on_commit=lambda: None)
        self.world.clock = StoryClock(self.store, time)
        self.service = Service(self.world)
        self.meanwhile: list[Callable[[], None]] = []
        self._told = 0

    def close(self) -> None:
        self.store.close()

    def pass_time(self, seconds: int) -> None:
        """Turn the clock; everything that is due by then happens at Stripe."""
        with self.world.transaction():
            time_machine.advance(self.world, seconds)

    def desk(self, path: str, **body: Any) -> Any:
        """Let happen what the operator's desk can make happen. Raises StripeError."""
        return Desk(self.world)._perform(f"/{path}", {name: _as_form(value) for name, value in body.items()})

    def dashboard(self, method: str, path: str, **body: Any) -> Obj:
        """Do by hand, in Stripe's dashboard or portal, what the call of this name does. Raises StripeError."""
        call, identity = api.calls().find(method, f"/v1/{path}")
        given = params.read(call.accepts(), {name: _as_form(value) for name, value in body.items()})
        with self.world.transaction():
            return call.answer(self.world, identity, given)

    def fail(self, *, times: int, performed: bool = False, kept: bool = False) -> None:
        """Let the next calls fail: with their work done or not, for a day under their keys or not."""
        self.desk("api/fail", times=times, performed=performed, kept=kept)

    def enter_code(self, session: str, code: str) -> None:
        """Take a promotion code's discount off an open checkout. Raises StripeError."""
        with self.world.transaction():
            discounts.apply(self.world, self.find(session), code)

    def all(self, kind: str, **where: Any) -> list[Obj]:
        """Return objects of a kind, the oldest first."""
        return self.world.all(kind, newest_first=False, **where)

    def find(self, identity: str) -> Obj:
        found = self.store.find(identity)
        assert found is not None, identity
        return found

    def news(self) -> list[Obj]:
        """Return the events since this was last asked, the oldest first."""
        found = self.store.select(Query("event", after=self._told), newest_first=False)
        if found:
            self._told = self.store.place(found[-1]["id"]) or 0
        return found

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> Response:
        """Answer one call as over the wire; then let happen what happens meanwhile, before its caller goes on."""
        path, _, query = url.removeprefix("http://").partition("/")[2].partition("?")
        sent = (body or "").encode()
        scope = {
            "type": "http",
            "method": method.upper(),
            "scheme": "http",
            "server": ("stripe.example", 80),
            "path": f"/{path}",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), str(value).encode()) for name, value in headers.items()],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": sent, "more_body": False}

        answer = _at_once(self.service.answer(Request(scope, receive)))
        while self.meanwhile:
            self.meanwhile.pop(0)()
        return answer


class Wire(stripe.HTTPClient):
    """What the SDK sends its calls by, in place of a socket."""

    name = "memory"

    def __init__(self, standin: StandIn) -> None:
        super().__init__()
        self.standin = standin

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        answer = self.standin.answer(method, url, headers or {}, post_data)
        return bytes(answer.body).decode(), answer.status_code, CaseInsensitiveDict(answer.headers)

    def _sleep_time_seconds(self, num_retries: int) -> float:
        return 0.0

    def close(self) -> None:
        pass


def _at_once(work: Coroutine[Any, Any, Response]) -> Response:
    """Run what waits for nothing, and at most steps aside for a moment."""
    while True:
        try:
            waited_for = work.send(None)
        except StopIteration as ended:
            answer: Response = ended.value
            return answer
        assert waited_for is None, "the stand-in waits for something"
