"""Where images may be fetched from: public addresses, and the very host and port of the upstream."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from generator.errors import BadImage, ImageUnreachable
from generator.upstreams import transport
from generator.upstreams.reve_art import ReveArt
from generator.upstreams.transport import Access
from kit.http import network
from kit.http.addresses import is_public
from kit.http.network import ForbiddenAddress, GuardedTransport
from tests.environment import free_port
from tests.generator.conftest import CannedServer, Reply

LIMITS = httpx.Limits(max_connections=5)
IMAGE = Reply(body=b"image", headers={"Content-Type": "image/png"})


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "2606:4700:4700::1111",
        "2a00:1450:4001:82a::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::1",
    ],
)
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",  # carrier-grade NAT
        "169.254.169.254",  # the metadata service of most clouds
        "169.254.0.1",
        "192.0.2.1",  # documentation
        "198.18.0.1",  # benchmarks
        "224.0.0.1",  # multicast
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",  # site-local, of old
        "fc00::1",
        "fd00:ec2::254",  # AWS's metadata service over IPv6
        "ff02::1",
        "ff0e::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",  # IPv4-mapped
        "::ffff:169.254.169.254",
        "::ffff:7f00:1",
        "::127.0.0.1",  # IPv4-compatible, of old
        "::ffff:0:127.0.0.1",  # IPv4-translated
        "64:ff9b::127.0.0.1",  # NAT64
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",  # NAT64 with a local prefix
        "2002:7f00:1::",  # 6to4
        "2002:a9fe:a9fe::1",
        "2002:c0a8:101::1",
        "2001:0:4136:e378:8000:63bf:f5ff:fffe",  # Teredo around 10.0.0.1
        "4000::1",  # not allocated
    ],
)
def test_every_other_address_is_not(address: str) -> None:
    assert not is_public(address)


# --- The transport ---------------------------------------------------------------------------------------------


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Answer name look-ups with given addresses; return the names that were looked up."""

    def resolve_as(*addresses: str) -> list[str]:
        asked: list[str] = []
        real = socket.getaddrinfo

        def getaddrinfo(host: Any, port: Any, *more: Any, **options: Any) -> Any:
            if host in addresses:  # what the connection itself asks for, once the name is pinned
                return real(host, port, *more, **options)
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return resolve_as


@pytest.fixture
def loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 127.0.0.1 stand for a public address: the only one on which a test can have a server."""
    monkeypatch.setattr(network, "is_public", lambda address: address == "127.0.0.1" or is_public(address))


def fetch(url: str, *, trusted: str, redirects: int = 3) -> httpx.Response:
    async def get() -> httpx.Response:
        transport = GuardedTransport(trusted=httpx.URL(trusted), limits=LIMITS)
        async with httpx.AsyncClient(
            transport=transport, follow_redirects=True, max_redirects=redirects, trust_env=False, timeout=5
        ) as client:
            return await client.get(url)

    return asyncio.run(get())


def download(url: str, *, base: str) -> bytes:
    async def get() -> bytes:
        client = ReveArt(Access(base, "key"))
        try:
            return await client.download(url)
        finally:
            await client.aclose()

    return asyncio.run(get())


def test_the_upstreams_own_host_and_port_are_trusted_though_private(server: CannedServer) -> None:
    server.replies["/a.png"] = IMAGE
    assert fetch(f"{server.url}/a.png", trusted=server.url).content == b"image"


def test_another_port_of_the_upstreams_host_is_not_trusted(server: CannedServer) -> None:
    with pytest.raises(ForbiddenAddress):
        fetch(f"{server.url}/a.png", trusted=f"http://127.0.0.1:{free_port()}")
    assert server.requests == []


def test_another_name_for_the_upstreams_host_is_not_trusted(server: CannedServer) -> None:
    with pytest.raises(ForbiddenAddress):
        fetch(f"http://localhost:{server.port}/a.png", trusted=server.url)
    assert server.requests == []


def test_another_scheme_of_the_upstreams_host_is_not_trusted(server: CannedServer) -> None:
    with pytest.raises(ForbiddenAddress):
        fetch(f"https://127.0.0.1:{server.port}/a.png", trusted=server.url)
    assert server.requests == []


@pytest.mark.parametrize("port", ["", ":80"])
def test_a_standard_port_is_the_same_written_or_not(port: str) -> None:
    assert network._origin(httpx.URL("http://upstream.example")) == network._origin(
        httpx.URL(f"HTTP://Upstream.example{port}/x")
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://0:{port}/",
        "http://2130706433:{port}/",  # 127.0.0.1 as one number
        "http://0x7f000001:{port}/",
        "http://127.1:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://user:password@127.0.0.1:{port}/",
    ],
)
def test_nothing_private_is_fetched_however_it_is_written(server: CannedServer, url: str) -> None:
    server.default = IMAGE
    with pytest.raises(ForbiddenAddress):
        fetch(url.format(port=server.port), trusted="http://upstream.example")
    assert server.requests == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "data:image/png,x"])
def test_no_other_scheme_is_fetched(url: str) -> None:
    with pytest.raises((ForbiddenAddress, httpx.UnsupportedProtocol)):
        fetch(url, trusted="http://upstream.example")


def test_a_redirect_into_the_private_network_is_not_followed(server: CannedServer) -> None:
    inside = f"http://localhost:{server.port}/secret"
    server.replies["/a.png"] = Reply(302, headers={"Location": inside})
    server.replies["/secret"] = IMAGE
    with pytest.raises(ForbiddenAddress):
        fetch(f"{server.url}/a.png", trusted=server.url)
    assert [path for _, path, _, _ in server.requests] == ["/a.png"]


def test_a_redirect_within_the_upstream_is_followed(server: CannedServer) -> None:
    server.replies["/a.png"] = Reply(302, headers={"Location": "/b.png"})
    server.replies["/b.png"] = IMAGE
    assert fetch(f"{server.url}/a.png", trusted=server.url).content == b"image"


def test_a_name_that_resolves_to_a_private_address_is_refused(
    server: CannedServer, resolve: Callable[..., list[str]]
) -> None:
    resolve("127.0.0.1")
    with pytest.raises(ForbiddenAddress):
        fetch(f"http://pictures.example:{server.port}/a.png", trusted="http://upstream.example")
    assert server.requests == []


def test_a_name_with_one_private_address_among_public_ones_is_refused(resolve: Callable[..., list[str]]) -> None:
    resolve("8.8.8.8", "10.0.0.1")
    with pytest.raises(ForbiddenAddress):
        fetch("http://pictures.example/a.png", trusted="http://upstream.example")


def test_the_connection_goes_to_the_very_address_that_was_checked(
    server: CannedServer, resolve: Callable[..., list[str]], loopback_is_public: None
) -> None:
    """A second look-up could answer otherwise (DNS rebinding)."""
    asked = resolve("127.0.0.1")
    server.replies["/a.png"] = IMAGE
    response = fetch(f"http://pictures.example:{server.port}/a.png", trusted="http://upstream.example")
    assert response.content == b"image"
    assert asked == ["pictures.example"]
    [(_, _, headers, _)] = server.requests
    assert headers["host"] == f"pictures.example:{server.port}"


@pytest.mark.parametrize(
    ("domains", "well"),
    [
        (["dead.example"], "well.example"),
        (["dead.co.uk"], "well.co.uk"),
        ([f"dead{number}.example" for number in range(50)], "well.example"),
    ],
    ids=["one", "below a shared ending", "many"],
)
def test_names_that_nobody_answers_for_hold_up_no_others(
    server: CannedServer,
    loopback_is_public: None,
    monkeypatch: pytest.MonkeyPatch,
    domains: list[str],
    well: str,
) -> None:
    """Whoever owns a domain whose servers are dead has any number of names there."""
    real, patient = socket.getaddrinfo, threading.Event()

    def getaddrinfo(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if "dead" in host:
            patient.wait(200)
            raise socket.gaierror("nobody answered")
        return real("127.0.0.1" if "well" in host else host, port, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    port = httpx.URL(server.url).port

    async def get(host: str) -> httpx.Response:
        transport = GuardedTransport(trusted=None, limits=LIMITS)
        async with httpx.AsyncClient(transport=transport, trust_env=False, timeout=150) as client:
            return await client.get(f"http://{host}:{port}/")

    async def beside() -> None:
        monkeypatch.setattr(network, "LOOK_UP_SECONDS", 150.0)
        dead = [asyncio.create_task(get(f"a{number}.{domains[number % len(domains)]}")) for number in range(300)]
        await asyncio.sleep(0.1)
        await asyncio.wait_for(get(well), 60)
        assert not any(one.done() for one in dead)
        monkeypatch.setattr(network, "LOOK_UP_SECONDS", 0.5)
        with pytest.raises(httpx.ConnectTimeout):  # in its time, and not when those before it have had theirs
            await asyncio.wait_for(get(f"late.{domains[0]}"), 60)
        patient.set()
        assert {type(one) for one in await asyncio.gather(*dead, return_exceptions=True)} == {httpx.ConnectError}

    try:
        asyncio.run(beside())
    finally:
        patient.set()


def test_a_relative_redirect_keeps_the_name_that_was_asked_for(
    server: CannedServer, resolve: Callable[..., list[str]], loopback_is_public: None
) -> None:
    """TLS must go on naming and verifying the host, not the address that it was pinned to."""
    asked = resolve("127.0.0.1")
    server.replies["/a.png"] = Reply(302, headers={"Location": "/b.png"})
    server.replies["/b.png"] = IMAGE
    response = fetch(f"http://pictures.example:{server.port}/a.png", trusted="http://upstream.example")
    assert response.url == f"http://pictures.example:{server.port}/b.png"
    assert asked == ["pictures.example", "pictures.example"]
    assert {headers["host"] for _, _, headers, _ in server.requests} == {f"pictures.example:{server.port}"}


def test_tls_verifies_the_host_and_not_the_address() -> None:
    request = httpx.Request("GET", "https://one.one.one.one/a.png")

    async def address(host: str, port: int) -> str:
        assert (host, port) == ("one.one.one.one", 443)
        return "2606:4700:4700::1111"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "_public_address", address)
        pinned = asyncio.run(network._pinned(request))
    assert pinned.url == "https://[2606:4700:4700::1111]/a.png"
    assert pinned.headers["Host"] == "one.one.one.one"
    assert pinned.extensions["sni_hostname"] == "one.one.one.one"


def test_the_environments_proxy_is_not_used(server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{free_port()}")
    server.replies["/a.png"] = IMAGE
    assert download("/a.png", base=server.url) == b"image"


# --- What a download makes of it -------------------------------------------------------------------------------


def test_a_download_takes_an_address_relative_to_the_upstream(server: CannedServer) -> None:
    server.replies["/cdn/a.png"] = IMAGE
    assert download("/cdn/a.png", base=server.url) == b"image"
    assert download(f"{server.url}/cdn/a.png", base=server.url) == b"image"


def test_a_download_never_carries_our_key(server: CannedServer) -> None:
    server.replies["/a.png"] = IMAGE
    download("/a.png", base=server.url)
    [(_, _, headers, _)] = server.requests
    assert "authorization" not in headers


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/",
        "http://localhost:1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "javascript:alert(1)",
        "http://",
        "http://[::1",
        "http://" + "a" * 70 + ".example/",
        "http://exa\x00mple/",
        "http://\ud800/",
        "x" * 100_000,
    ],
)
def test_an_address_that_is_of_no_use_is_a_bad_image(server: CannedServer, url: str) -> None:
    with pytest.raises(BadImage) as error:
        download(url, base=server.url)
    assert not isinstance(error.value, ImageUnreachable)


def test_too_many_redirects_are_a_bad_image(server: CannedServer) -> None:
    server.default = Reply(302, headers={"Location": "/again"})
    with pytest.raises(BadImage):
        download("/a.png", base=server.url)
    assert len(server.requests) == transport.MAX_REDIRECTS + 1


def test_a_redirect_into_the_private_network_is_a_bad_image(server: CannedServer) -> None:
    server.default = Reply(302, headers={"Location": "http://169.254.169.254/latest/"})
    with pytest.raises(BadImage):
        download("/a.png", base=server.url)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_unreachable_just_now(server: CannedServer, status: int) -> None:
    server.default = Reply(status)
    with pytest.raises(ImageUnreachable):
        download("/a.png", base=server.url)


@pytest.mark.parametrize("status", [204 + 200, 403, 410, 304, 400])
def test_a_server_that_says_no_has_no_image(server: CannedServer, status: int) -> None:
    server.default = Reply(status)
    with pytest.raises(BadImage) as error:
        download("/a.png", base=server.url)
    assert not isinstance(error.value, ImageUnreachable)


def test_a_server_that_is_not_there_is_unreachable_just_now(server: CannedServer) -> None:
    with pytest.raises(ImageUnreachable):
        download("/a.png", base=f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "application/json", "TEXT/HTML"])
def test_what_says_that_it_is_no_image_is_none(server: CannedServer, kind: str) -> None:
    server.default = Reply(body=b"image", headers={"Content-Type": kind})
    with pytest.raises(BadImage):
        download("/a.png", base=server.url)


@pytest.mark.parametrize("kind", ["image/png", "IMAGE/PNG", "application/octet-stream", "binary/octet-stream", ""])
def test_what_may_be_an_image_is_fetched(server: CannedServer, kind: str) -> None:
    server.default = Reply(body=b"image", headers={"Content-Type": kind} if kind else {})
    assert download("/a.png", base=server.url) == b"image"


def test_an_image_may_be_as_large_as_the_limit_and_not_a_byte_larger(server: CannedServer, settings: Any) -> None:
    settings.IMAGE_MAX_BYTES = 1000
    for chunked in (False, True):
        server.replies["/fits"] = Reply(body=b"x" * 1000, headers={"Content-Type": "image/png"}, chunked=chunked)
        server.replies["/not"] = Reply(body=b"x" * 1001, headers={"Content-Type": "image/png"}, chunked=chunked)
        assert len(download("/fits", base=server.url)) == 1000
        with pytest.raises(BadImage):
            download("/not", base=server.url)


def test_an_image_that_ends_early_is_unreachable_just_now(server: CannedServer) -> None:
    server.default = Reply(
        body=b"x" * 10, headers={"Content-Type": "image/png", "Content-Length": "1000", "Connection": "close"}
    )
    with pytest.raises(ImageUnreachable):
        download("/a.png", base=server.url)
