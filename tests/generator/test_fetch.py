"""Pictures at addresses that a caller names: nothing private is reached, nothing endless is read."""

import asyncio
from typing import Any

import pytest

from generator.errors import NotFetched
from generator.upstreams import fetch
from kit.http import network
from kit.loops import Shares
from tests.environment import free_port
from tests.generator.conftest import CannedServer, Reply

MOST = 1024 * 1024


@pytest.fixture
def reachable(server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> CannedServer:
    """A server that counts as one in the public internet, and needs no certificate."""
    monkeypatch.setattr(network, "is_public", lambda address: True)
    monkeypatch.setattr(fetch, "SCHEMES", ("http", "https"))
    return server


def fetched(url: str, most: int = MOST) -> bytes:
    async def get() -> bytes:
        with await fetch.fetch(url, wallet_id=1, most=most) as file:
            return file.read()

    return asyncio.run(get())


def refusal(url: str, most: int = MOST) -> str:
    with pytest.raises(NotFetched) as caught:
        fetched(url, most)
    assert caught.value.__suppress_context__ or caught.value.__cause__ is None
    return str(caught.value)


def test_what_is_there_comes_without_a_key(reachable: CannedServer) -> None:
    reachable.replies["/a.png"] = Reply(302, headers={"Location": "/b.png"})
    reachable.replies["/b.png"] = Reply(body=b"x" * MOST, chunked=True)
    assert fetched(f"{reachable.url}/a.png") == b"x" * MOST
    for _, _, headers, _ in reachable.requests:
        assert not {"authorization", "cookie"} & headers.keys()
        assert headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("reply", [Reply(body=b"x" * 2000), Reply(body=b"x" * 2000, chunked=True)])
def test_what_is_too_large_is_given_up(reachable: CannedServer, reply: Reply) -> None:
    reachable.default = reply
    assert "more than 0 MB" in refusal(reachable.url, most=1999)
    assert fetched(reachable.url, most=2000) == b"x" * 2000


def test_what_never_ends_or_never_begins_is_given_up(reachable: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SECONDS", 0.3)
    for reply in (Reply(silent=True), Reply(body=b"x" * 100, drip=0.05)):
        reachable.default = reply
        assert "within 0.3 seconds" in refusal(reachable.url)


def test_nobody_takes_all_connections_with_a_server_that_never_answers(
    reachable: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_CONNECTIONS", 3)
    monkeypatch.setattr(fetch, "_shares", Shares(2))
    monkeypatch.setattr(fetch, "SECONDS", 240.0)
    reachable.default = Reply(silent=True)
    reachable.replies["/a.png"] = Reply(body=b"picture")

    async def story() -> bytes:
        greedy = [asyncio.create_task(fetch.fetch(reachable.url, wallet_id=1, most=MOST)) for _ in range(9)]
        async with asyncio.timeout(120):
            while len(reachable.requests) < 2:
                await asyncio.sleep(0.01)
            with await fetch.fetch(f"{reachable.url}/a.png", wallet_id=2, most=MOST) as file:
                got = file.read()
        monkeypatch.setattr(fetch, "SECONDS", 0.1)
        with pytest.raises(NotFetched, match="other pictures of the account"):
            await fetch.fetch(reachable.url, wallet_id=1, most=MOST)
        for one in greedy:
            one.cancel()
        assert {type(one) for one in await asyncio.gather(*greedy, return_exceptions=True)} == {asyncio.CancelledError}
        monkeypatch.setattr(fetch, "SECONDS", 240.0)
        with await fetch.fetch(f"{reachable.url}/a.png", wallet_id=1, most=MOST) as file:  # all places are free again
            return got + file.read()

    assert asyncio.run(story()) == b"picture" * 2
    assert len(reachable.requests) == 2 + 2


def test_other_answers_are_told(reachable: CannedServer) -> None:
    reachable.default = Reply(403, body=b"secret words")
    assert refusal(reachable.url) == "its address answers 403"
    reachable.default = Reply(302, headers={"Location": "/again"})
    assert "on and on" in refusal(reachable.url)
    assert len(reachable.requests) == 1 + 1 + fetch.MAX_REDIRECTS
    reachable.default = Reply(body=b"x", headers={"Content-Encoding": "gzip"})
    assert "compressed" in refusal(reachable.url)
    assert refusal(f"http://127.0.0.1:{free_port()}/") == "its address cannot be reached"


def test_private_networks_are_not_reached(server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    port = server.port
    for host in ("127.0.0.1", "localhost", "[::1]", "169.254.169.254", "2130706433", "0"):
        assert "public internet" in refusal(f"https://{host}:{port}/"), host
    monkeypatch.setattr(fetch, "SCHEMES", ("http", "https"))
    assert "public internet" in refusal(f"{server.url}/")
    assert server.requests == []


def test_a_redirect_into_a_private_network_is_not_followed(
    reachable: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reachable.replies["/"] = Reply(302, headers={"Location": "http://10.0.0.1/admin"})
    monkeypatch.setattr(network, "is_public", lambda address: address == "127.0.0.1")
    assert "public internet" in refusal(f"{reachable.url}/")


@pytest.mark.parametrize(
    "url", ["http://example.com/a.png", "ftp://example.com/a", "file:///etc/passwd", "https://a:b@example.com/", "//x"]
)
def test_other_schemes_and_passwords_are_refused(url: str) -> None:
    assert "https://" in refusal(url)


def test_what_is_no_address_is_refused() -> None:
    urls: list[Any] = ["https://", "https://[::1", "https://example.invalid:999999/"]
    for url in [*urls, "https://example.com/" + "a" * 5000]:
        assert refusal(url)
