"""A site on HTTPS: what comes in the clear is refused or sent there, and a wrong `Host` is one line in the log."""

import asyncio
import json
import logging
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from accounts.models import ApiKey
from generator.models import Generation
from tests import ROOT
from tests.conftest import Api
from tests.environment import free_port

GENERATE = "/v1/reve-image/generate"
API = [("POST", GENERATE), ("GET", "/v1/reve-image/status/img_x"), ("GET", "/v1/nothing"), ("GET", "/v1")]
REDIRECTED = ["/images/x.png?size=1", "/shared/x/image.webp", "/events/?x=1"]
YEAR = "max-age=31536000"


@pytest.fixture
def on_https(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.TRUSTED_PROXIES = 1
    settings.ALLOWED_HOSTS = ["images.example.com"]


def ask(method: str, path: str, *, proto: str | None, **options: Any) -> httpx.Response:
    """Ask the whole ASGI application as the proxy would."""
    from reveweb.asgi import application  # only now: it wants the static files to be there

    headers = {"X-Forwarded-Proto": proto} if proto else {}
    headers |= options.pop("headers", {})
    host = options.pop("host", "images.example.com")

    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # Django insists on a dict
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path, headers=headers, **options)

    return asyncio.run(sent())


@pytest.mark.usefixtures("on_https")
@pytest.mark.parametrize(("method", "path"), API)
@pytest.mark.parametrize("proto", [None, "http", "https, http"])
def test_the_api_takes_nothing_in_the_clear(method: str, path: str, proto: str | None) -> None:
    answer = ask(method, path, proto=proto)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "https_required"
    assert "Strict-Transport-Security" not in answer.headers
    assert "Location" not in answer.headers


@pytest.mark.usefixtures("on_https")
def test_a_key_that_came_in_the_clear_is_not_used(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.secret}"}
    before = ApiKey.objects.get()
    assert ask("POST", GENERATE, proto="http", headers=headers, json={"prompt": "x"}).status_code == 403
    assert not Generation.objects.exists()
    assert ApiKey.objects.get().last_used_at == before.last_used_at
    accepted = ask("POST", GENERATE, proto="https", headers=headers, json={"prompt": "x", "async": True})
    assert accepted.status_code == 202
    assert accepted.headers["Strict-Transport-Security"] == YEAR  # of the lean handler, which passes no middleware


@pytest.mark.usefixtures("on_https")
def test_a_browser_on_another_site_can_read_the_refusal() -> None:
    answer = ask("POST", GENERATE, proto="http", headers={"Origin": "https://elsewhere.example"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (403, "*")


@pytest.mark.usefixtures("on_https")
@pytest.mark.parametrize("path", REDIRECTED)
def test_the_other_lanes_redirect_as_pages_do(path: str) -> None:
    answer = ask("GET", path, proto="http")
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://images.example.com{path}")


@pytest.mark.usefixtures("on_https")
@pytest.mark.parametrize("path", ["/v1/nothing", "/healthz"])
def test_whoever_comes_over_https_is_to_come_back_so(settings: Any, path: str) -> None:
    assert ask("GET", path, proto="https").headers["Strict-Transport-Security"] == YEAR
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    assert ask("GET", path, proto="https").headers["Strict-Transport-Security"] == f"{YEAR}; includeSubDomains; preload"


@pytest.mark.usefixtures("on_https")
def test_a_balancer_asks_in_the_clear() -> None:
    assert ask("GET", "/healthz", proto=None, host="10.0.0.7").status_code == 200
    assert ask("GET", "/metrics", proto=None, host="127.0.0.1").status_code in (200, 403, 404)  # and nobody is sent on


def test_without_the_setting_the_api_answers_in_the_clear() -> None:
    assert ask("POST", GENERATE, proto=None, host="localhost").json()["error"]["code"] == "missing_api_key"


# --- A wrong Host


@pytest.mark.parametrize(
    ("method", "path"), [("POST", GENERATE), ("GET", "/v1/nothing"), ("GET", "/"), ("GET", "/events/")]
)
@pytest.mark.usefixtures("on_https")
def test_a_wrong_host_is_one_warning(settings: Any, caplog: pytest.LogCaptureFixture, method: str, path: str) -> None:
    proto = "http" if path == "/events/" else "https"  # where it is to be redirected to the host
    logger = logging.getLogger("django.security")
    logger.addHandler(caplog.handler)  # it passes nothing on
    try:
        caplog.handler.addFilter(logger.handlers[0].filters[-1])
        answer = ask(method, path, proto=proto, host="evil.example", **({"json": {}} if method == "POST" else {}))
    finally:
        logger.removeHandler(caplog.handler)
        caplog.handler.filters.clear()
    assert answer.status_code == 400
    [record] = caplog.records
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert "evil.example" in record.getMessage()
    assert "\n" not in record.getMessage()


# --- The same with a real server, behind what a proxy writes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Give the address of a web process in production and its log."""
    folder = tmp_path_factory.mktemp("production")
    (folder / "static").mkdir()
    port = free_port()
    environment = {
        **os.environ,
        "VAR_DIR": str(folder),
        "PORT": str(port),
        "REVE_API_KEY": "live",
        "SECRET_KEY": "kQ8vZr3Tn5Yw1Xc7Bm9Lp2Hs6Jd4Fg0Aq",
        "PUBLIC_URL": "https://images.example.com",
        "EMAIL_URL": "folder://",
        "SSL_REDIRECT": "1",
        "TRUSTED_PROXIES": "127.0.0.0/8, 10.0.0.0/8",
        "STRIPE_API_BASE": "",
    }
    log = folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, stdout=file, stderr=file
        )
    try:
        end = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end, log.read_text()
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", log
    finally:
        process.terminate()
        process.wait(60)


def through(server: str, path: str, *, forwarded: str, proto: str, host: str = "images.example.com") -> tuple[int, Any]:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any, **named: Any) -> None:
            return None

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Stay)
    headers = {"Host": host, "X-Forwarded-For": forwarded, "X-Forwarded-Proto": proto}
    try:
        with opener.open(urllib.request.Request(f"{server}{path}", headers=headers), timeout=60) as answer:
            return answer.status, answer
    except urllib.error.HTTPError as error:
        return error.code, error


def test_a_real_server_believes_its_proxies(server: tuple[str, Path]) -> None:
    url, log = server
    path = "/v1/reve-image/status/img_x"
    status, refused = through(url, path, forwarded="203.0.113.7, 10.0.0.2", proto="http")
    assert (status, json.load(refused)["error"]["code"]) == (403, "https_required")
    status, answer = through(url, path, forwarded="203.0.113.7, 10.0.0.2", proto="https")
    assert (status, answer.headers["Strict-Transport-Security"]) == (401, YEAR)
    status, answer = through(url, "/images/x.png", forwarded="203.0.113.7", proto="http")
    assert (status, answer.headers["Location"]) == (301, "https://images.example.com/images/x.png")
    status, answer = through(url, "/images/x.png", forwarded="203.0.113.7", proto="http", host="evil.example")
    assert (status, answer.headers["Content-Type"]) == (400, "text/plain; charset=utf-8")
    assert log.read_text().count("evil.example") == 2  # in one line
    assert len(log.read_text().splitlines()) == 1
