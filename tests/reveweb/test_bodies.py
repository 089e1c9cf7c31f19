"""What a request may bring and by when, on every path: asked of the whole ASGI application, as the server asks it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from reveweb import bodies, lanes
from tests.conftest import Api

GENERATE, WEBHOOK, PAGE, IMPORT = (
    "/v1/reve-image/generate",
    "/stripe/webhook/",
    "/accounts/login/",
    "/admin/billing/creditgrant/import/",
)
MANY = [GENERATE, "/v1/nothing", WEBHOOK, PAGE, "/", "/nowhere/", "/healthz", "/images/x.png", "/events/", "/static/x"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_settled")]


@pytest.fixture
def _settled(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REQUEST_SECONDS = 100  # unless a test is about that: a busy machine reads for long
    monkeypatch.setattr(bodies, "LINGER_SECONDS", 0.1)


@dataclass
class Request:
    """A request whose body comes in `parts`; after the last one there is silence, or the end if it `ends`."""

    path: str
    parts: list[bytes] = field(default_factory=list)
    length: int | None = None  # what it says of itself; None: it comes in chunks
    ends: bool = False
    stays: float = 60  # seconds of silence after which the caller hangs up
    leaves: asyncio.Event | None = None  # by which the caller hangs up, in place of that
    headers: dict[str, str] = field(default_factory=dict)
    read: int = 0
    sent: list[Mapping[str, Any]] = field(default_factory=list)

    async def send(self, message: Mapping[str, Any]) -> None:
        self.sent.append(message)

    async def receive(self) -> Mapping[str, Any]:
        if self.parts:
            part = self.parts.pop(0)
            self.read += len(part)
            return {"type": "http.request", "body": part, "more_body": bool(self.parts) or not self.ends}
        await (self.leaves.wait() if self.leaves else asyncio.sleep(self.stays))
        return {"type": "http.disconnect"}

    async def serve(self) -> None:
        from reveweb.asgi import application  # only now: it wants the static files to be there

        size = ("transfer-encoding", "chunked") if self.length is None else ("content-length", str(self.length))
        headers = {"host": "testserver", "content-type": "application/json", **self.headers, size[0]: size[1]}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "path": self.path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        await application(scope, self.receive, self.send)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def answer_headers(self) -> dict[str, str]:
        return {name.decode().lower(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.sent).decode()


def ask(*requests: Request, within: float = 100, stay_until: Callable[[], bool] | None = None) -> list[int | None]:
    """Serve the requests side by side, and return their statuses; their callers may stay until something is so."""

    async def all_of_them() -> None:
        async with asyncio.timeout(within):
            serving = [asyncio.create_task(request.serve()) for request in requests]
            if stay_until:
                over = asyncio.Event()
                for request in requests:
                    request.leaves = over
                await until(stay_until)
                over.set()
            await asyncio.gather(*serving)

    asyncio.run(all_of_them())
    return [request.status for request in requests]


async def until(check: Callable[[], bool]) -> None:
    while not check():
        await asyncio.sleep(0.01)


# --- How large


@pytest.mark.parametrize("path", [*MANY, IMPORT])
def test_what_says_that_it_is_too_large_is_refused_before_it_is_read(path: str) -> None:
    request = Request(path, length=300_000_000)
    assert ask(request, within=30) == [413]
    assert request.answer_headers["connection"] == "close"


@pytest.mark.parametrize("path", [*MANY, IMPORT])
def test_what_turns_out_to_be_too_large_is_refused_as_soon_as_it_does(path: str) -> None:
    parts = [b"x" * 65_000] * 300
    request = Request(path, parts, ends=True)
    assert ask(request) == [413]
    assert request.read <= lanes.most_bytes(path) + bodies.LINGER_BYTES + 2 * 65_000


@pytest.mark.parametrize(("path", "kib"), [(GENERATE, 64), (PAGE, 256), (WEBHOOK, 1024), (IMPORT, 256)])
def test_each_path_takes_so_much(path: str, kib: int) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"} if path != GENERATE else {}
    fits = Request(path, [b" " * (kib * 1024)], kib * 1024, ends=True, headers=headers)
    chunked = Request(path, [b" " * 1024] * kib, ends=True, headers=headers)
    too_large = Request(path, [b" " * (kib * 1024), b" "], ends=True)
    statuses = ask(fits, chunked, too_large)
    assert 413 not in statuses[:2]
    assert statuses[2] == 413


# --- By when


@pytest.mark.parametrize("path", MANY)
@pytest.mark.parametrize("parts", [[], [b"{"]], ids=["nothing", "a byte"])
def test_a_body_that_does_not_end_is_given_up(path: str, parts: list[bytes], settings: Any) -> None:
    settings.REQUEST_SECONDS = 0.2
    request = Request(path, list(parts), 300)
    assert ask(request, within=30) == [408]
    assert request.answer_headers["connection"] == "close"


def test_a_body_that_drips_is_given_up_at_the_same_time(settings: Any) -> None:
    settings.REQUEST_SECONDS = 0.3
    request = Request(PAGE, [b"x"] * 1000)
    receive = request.receive

    async def drip() -> Mapping[str, Any]:
        await asyncio.sleep(0.02)
        return await receive()

    request.receive = drip  # type: ignore[method-assign]
    assert ask(request, within=60) == [408]
    assert request.read < 100


def test_a_call_that_waits_for_its_answer_is_not_given_up(settings: Any, api: Api) -> None:
    settings.SYNC_WAIT_SECONDS = 0.6
    body = json.dumps({"prompt": "a slow one"}).encode()
    request = Request(GENERATE, [body], len(body), ends=True, headers={"authorization": f"Bearer {api.secret}"})
    receive = request.receive

    async def late() -> Mapping[str, Any]:
        """Bring the body in time, however busy the machine is; then the time for it ends before the answer comes."""
        for body in bodies.ON_THEIR_WAY.bodies:
            body.until = asyncio.get_running_loop().time() + 0.2
        return await receive()

    request.receive = late  # type: ignore[method-assign]
    assert ask(request) == [202]


@pytest.mark.parametrize("path", [GENERATE, PAGE])
def test_a_body_that_breaks_off_is_no_error_of_ours(path: str) -> None:
    short = Request(path, [b"{"], 300, ends=True)  # so the server tells it where a connection broke
    cut = Request(path, [b"{"], stays=0)
    assert ask(short, cut) == [400, 400]
    assert not bodies.ON_THEIR_WAY.bodies


# --- How many


def test_the_oldest_gives_way_where_too_many_are_on_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies.ON_THEIR_WAY, "most", 5)
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.2)
    over = asyncio.Event()
    old = [Request(path, [b"{"], 300, leaves=over) for path in (GENERATE, PAGE, WEBHOOK, "/healthz", "/nowhere/")]
    new = [Request(PAGE, [b"{"], 300, leaves=over) for _ in range(3)]

    async def come() -> None:
        async with asyncio.timeout(100):
            serving = []
            for request in old:
                serving.append(asyncio.create_task(request.serve()))
                await until(lambda: len(bodies.ON_THEIR_WAY.bodies) == len(serving))
            await asyncio.sleep(0.4)
            serving += [asyncio.create_task(request.serve()) for request in new]
            await until(lambda: all(request.read for request in new) and len(bodies.ON_THEIR_WAY.bodies) <= 5)
            over.set()
            await asyncio.gather(*serving)

    asyncio.run(come())
    assert [request.status for request in (*old, *new)] == [408, 408, 408, 400, 400, 400, 400, 400]
    assert not bodies.ON_THEIR_WAY.bodies


def test_many_that_come_at_once_are_no_reason_to_give_one_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies.ON_THEIR_WAY, "most", 5)
    assert ask(*[Request("/v1/nothing", [b"{", b"}"], 2, ends=True) for _ in range(50)]) == [404] * 50


def test_the_largest_gives_way_where_they_have_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 300_000)
    small = Request(PAGE, [b"x" * 100_000], 200_000)
    large = Request(WEBHOOK, [b"x" * 150_000], 200_000)
    next_one = Request(WEBHOOK, [b"x" * 100_000], 200_000)
    requests = (small, large, next_one)
    assert ask(*requests, stay_until=lambda: all(one.read for one in requests)) == [400, 408, 400]
    assert bodies.ON_THEIR_WAY.bytes == {False: 0, True: 0}


# --- In which words


def test_the_api_says_it_in_json_to_pages_of_others_too(settings: Any) -> None:
    settings.REQUEST_SECONDS = 0.2
    large = Request(GENERATE, [], 65_537, headers={"origin": "https://elsewhere.example"})
    slow = Request("/v1/nothing", [b"{"], 300)
    assert ask(large, slow) == [413, 408]
    assert json.loads(large.text)["error"] == {"code": "body_too_large", "message": "The body may have at most 64 KiB."}
    assert json.loads(slow.text)["error"]["code"] == "body_too_slow"
    assert large.answer_headers["access-control-allow-origin"] == "*"
    assert large.answer_headers["x-request-id"].startswith("req_")


def test_the_api_says_of_a_body_that_breaks_off_what_it_was_and_names_the_request() -> None:
    short = Request(GENERATE, [b"{"], 300, ends=True)
    cut = Request("/v1/nothing", [b"{"], stays=0)
    page = Request(PAGE, [b"{"], stays=0)
    assert ask(short, cut, page) == [400] * 3
    for one in (short, cut):
        assert json.loads(one.text)["error"]["code"] == "broken_body"
        assert one.answer_headers["x-request-id"].startswith("req_")
        assert one.answer_headers["cache-control"] == "no-store"
        assert one.answer_headers["connection"] == "close"
    assert page.text == "Bad Request\n"  # for whoever is there: nobody, nearly always


def test_a_page_says_it_as_a_page_and_the_webhook_in_two_words(settings: Any) -> None:
    settings.REQUEST_SECONDS = 0.2
    large, slow, webhook, file = (
        Request(PAGE, [], 10**9),
        Request(PAGE, [b"a"], 300),
        Request(WEBHOOK, [], 10**9),
        Request("/images/x.png", [b"a"], 9),
    )
    assert ask(large, slow, webhook, file) == [413, 408, 413, 408]
    assert "<h1>That is too much at once</h1>" in large.text
    assert "<h1>That took too long</h1>" in slow.text
    assert "default-src 'none'" in large.answer_headers["content-security-policy"]
    assert [webhook.answer_headers["content-type"], file.answer_headers["content-type"]] == ["text/plain"] * 2


# --- Pictures, which wait on the disk

EDIT, FILES = "/v1/reve-image/edit", "/v1/files"
FORM = {"content-type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    ("path", "headers", "mib"),
    [
        (EDIT, {}, 28),
        (EDIT, FORM, 41),
        ("/v1/images/edit/", FORM, 41),
        ("/v1/reve-image/remix", {}, 28),
        ("/v1/reve-image/remix/", FORM, 121),
        (FILES, FORM, 21),
        (FILES, {}, 0.0625),
    ],
)
def test_pictures_may_be_so_large_and_the_answer_says_so(path: str, headers: dict[str, str], mib: float) -> None:
    most = int(mib * 1024 * 1024)
    fits, too_large = (
        Request(path, [b"{"], most, headers=headers, stays=0),
        Request(path, [], most + 1, headers=headers),
    )
    assert ask(fits, too_large) == [400, 413]
    words = f"{mib} MB" if mib >= 1 else "64 KiB"
    assert json.loads(too_large.text)["error"]["message"] == f"The body may have at most {words}."


def test_no_other_path_takes_more_than_it_did() -> None:
    for path in (GENERATE, "/v1/files/file_1", "/v1/reve-image/edits", "/v1/models", "/v1/reve-image/status/edit"):
        assert lanes.most_bytes(path, FORM["content-type"]) == 64 * 1024


def test_a_large_body_may_take_longer_if_it_keeps_to_a_pace(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REQUEST_SECONDS = 0.3
    monkeypatch.setattr(bodies, "PACE", 10_000)  # which leaves two seconds for each large part

    def coming(parts: int, size: int) -> Request:
        request = Request(FILES, [b"x" * size] * parts, headers=FORM, ends=True)
        receive = request.receive

        async def drip() -> Mapping[str, Any]:
            if request.read:  # a busy machine may be late for the first
                await asyncio.sleep(0.05)
            return await receive()

        request.receive = drip  # type: ignore[method-assign]
        return request

    quick, slow = coming(20, 20_000), coming(40, 100)
    assert ask(quick, slow) == [401, 408]  # the first has no key, which is another matter


def test_pictures_have_a_bound_of_their_own_and_cost_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 100_000)
    monkeypatch.setattr(bodies, "MOST_DISK_BYTES", 300_000)
    page = Request(PAGE, [b"x" * 90_000], 200_000)
    small, large, another = (
        Request(FILES, [b"x" * size], 900_000, headers=FORM) for size in (100_000, 150_000, 120_000)
    )
    requests = (page, small, large, another)
    assert ask(*requests, stay_until=lambda: all(one.read for one in requests)) == [400, 400, 408, 400]
    assert bodies.ON_THEIR_WAY.bytes == {False: 0, True: 0}
