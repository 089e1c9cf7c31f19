"""Many connections to one host: each is used again, none beyond the limit, and each has a file to be."""

import asyncio
import resource
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest

from kit.http import places
from kit.http.places import Places, make_room


class Connection(httpx.AsyncBaseTransport):
    """Counts what it is asked at once."""

    def __init__(self, made: list["Connection"]) -> None:
        made.append(self)
        self.asked = self.at_once = self.most_at_once = 0
        self.is_closed = False
        self.go = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if request.url.path == "/broken":
                raise httpx.ReadError("broken")
            if request.url.path == "/wait":
                await self.go.wait()
        except BaseException:
            self.at_once -= 1
            raise
        return httpx.Response(200, stream=Body(self))

    async def aclose(self) -> None:
        self.is_closed = True


class Body(httpx.AsyncByteStream):
    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"x"

    async def aclose(self) -> None:
        self.connection.at_once -= 1


def client(made: list[Connection], *, most: int = 3, kept: int = 3) -> httpx.AsyncClient:
    transport = Places(lambda: Connection(made), most=most, kept=kept)
    return httpx.AsyncClient(transport=transport, base_url="http://upstream", timeout=5)


def test_a_connection_is_used_again_and_never_by_two_at_once() -> None:
    made: list[Connection] = []

    async def run() -> None:
        async with client(made) as asking:
            for _ in range(3):
                await asking.get("/")
            await asyncio.gather(*(asking.get("/") for _ in range(20)))

    asyncio.run(run())
    assert len(made) <= 3
    assert sum(each.asked for each in made) == 23
    assert {each.most_at_once for each in made} == {1}
    assert all(each.is_closed for each in made)


def test_a_connection_is_left_whose_server_may_be_about_to_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server counts from when it answered, which may be long before its answer is read here."""
    made: list[Connection] = []
    transport = Places(lambda: Connection(made), most=3, kept=3, seconds=10)
    now = [0.0]
    monkeypatch.setattr(places, "time", SimpleNamespace(monotonic=lambda: now[0]))

    async def run() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://upstream", timeout=5) as asking:
            await asking.get("/")
            now[0] += 9
            await asking.get("/")
            assert len(made) == 1
            async with asking.stream("GET", "/"):
                now[0] += 11
            await asking.get("/")

    asyncio.run(run())
    assert len(made) == 2
    assert all(each.is_closed for each in made)


@pytest.mark.parametrize("how", ["broken", "given up", "left half read"])
def test_a_place_comes_back_however_its_use_ends(how: str) -> None:
    made: list[Connection] = []

    async def run() -> None:
        async with client(made, most=1) as asking:
            for _ in range(3):
                if how == "broken":
                    with pytest.raises(httpx.ReadError):
                        await asking.get("/broken")
                elif how == "given up":
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(asking.get("/wait"), 0.01)
                else:
                    async with asking.stream("GET", "/"):
                        pass
            assert (await asking.get("/")).content == b"x"

    asyncio.run(run())


def test_who_finds_no_place_in_time_is_told_so() -> None:
    made: list[Connection] = []

    async def run() -> None:
        async with client(made, most=1) as asking:
            waiting = asyncio.create_task(asking.get("/wait"))
            await asyncio.sleep(0)
            with pytest.raises(httpx.PoolTimeout):
                await asking.get("/", timeout=httpx.Timeout(5, pool=0.01))
            made[0].go.set()
            await waiting

    asyncio.run(run())


def test_no_more_connections_are_kept_than_may_be() -> None:
    made: list[Connection] = []

    async def run() -> None:
        async with client(made, most=5, kept=2) as asking:
            waiting = [asyncio.create_task(asking.get("/wait")) for _ in range(5)]
            while len(made) < 5:
                await asyncio.sleep(0)
            for each in made:
                each.go.set()
            await asyncio.gather(*waiting)
            assert [each.is_closed for each in made].count(False) == 2

    asyncio.run(run())


def test_there_are_files_for_as_many_connections_as_are_asked_for() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this machine allows no more")
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        make_room(1200)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 1200
        make_room(10)  # never takes any away
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 1200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
