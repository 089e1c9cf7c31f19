"""The web process by itself: many calls that wait, two of them behind a balancer, and how one ends."""

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from reveweb.run import embedded
from tests import ROOT
from tests.environment import free_port, wait_for_port
from tests.installation import Stack, wait_until

pytestmark = pytest.mark.stack

GENERATE = "/v1/reve-image/generate"
LOG_IN = """
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from accounts.models import User
user = User.objects.get(email="{email}")
session = SessionStore()
session["_auth_user_id"], session["_auth_user_hash"] = str(user.pk), user.get_session_auth_hash()
session["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[0]
session.create()
print(session.session_key)
"""


class Web:
    """One more web process of an installation, started by the documented command."""

    def __init__(self, stack: Stack, **environment: str) -> None:
        self.files = environment.pop("OPEN_FILES", "")
        self.log = environment.pop("LOG", os.devnull)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**stack.environment, "PORT": str(self.port), **environment}

    def start(self) -> None:
        command = [sys.executable, "manage.py", "serve"]
        if self.files:
            command = ["sh", "-c", f'ulimit -n {self.files}; exec "$@"', "sh", *command]
        with Path(self.log).open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        wait_for_port(self.port, 60)
        [self.worker] = wait_until(self.children)

    def children(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self) -> float:
        """Ask it to end, and return how many seconds that took."""
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(120)
        return time.monotonic() - began

    def discard(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def serve(stack: Stack) -> Iterator[Callable[..., Web]]:
    """Start web processes beside the installation's own."""
    running: list[Web] = []

    def start(**environment: str) -> Web:
        web = Web(stack, **environment)
        running.append(web)
        web.start()
        return web

    yield start
    for web in running:
        web.discard()


def session_of(stack: Stack, email: str) -> dict[str, str]:
    """Log somebody in, and return the cookie."""
    return {"sessionid": stack.manage("shell", "--no-imports", "-c", LOG_IN.format(email=email))}


# --- Calls that wait


@pytest.mark.parametrize("waiting", [3, 12])
def test_calls_that_wait_hold_up_nobody_else(stack: Stack, waiting: int) -> None:
    email = f"waits-{waiting}@example.com"
    with stack.developer(email, credits=waiting) as api, ThreadPoolExecutor(waiting) as pool:
        calls_began = time.monotonic()
        calls = [
            pool.submit(api.post, GENERATE, json={"prompt": f"{number} [sandbox:busy]"})  # some seconds each
            for number in range(waiting)
        ]
        found = "/v1/reve-image/status/img_nothing"
        slowest = 0.0
        wait_until(lambda: stack.balance(email) == 3)
        for path, status in [("/healthz", 200), (found, 404), ("/images/nothing.png", 404), ("/v1/nothing", 404)] * 3:
            began = time.monotonic()
            assert api.get(path).status_code == status
            slowest = max(slowest, time.monotonic() - began)
        assert pool._work_queue.qsize() == 0
        assert {call.result().status_code for call in calls} == {200}
        # On a busy machine a part of what the calls take, for which whoever is held up by them waits.
        assert slowest < max(1.0, (time.monotonic() - calls_began) / 3)


# --- How one ends


def test_a_process_that_ends_says_so_at_once_and_goes_on_for_a_moment(serve: Callable[..., Web]) -> None:
    web = serve(DRAIN_SECONDS="60")  # more than whoever asks needs; how it ends then, others see below
    with httpx.Client(base_url=web.url, timeout=20) as api:
        assert api.get("/readyz").status_code == 200
        web.process.terminate()
        ready = wait_until(lambda: answer if (answer := api.get("/readyz")).status_code != 200 else None, 30)
        assert (ready.status_code, ready.json()["checks"]) == (503, {"draining": "failed"})
        answer = api.get("/healthz")
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        assert web.process.poll() is None


def test_whoever_is_there_when_a_process_ends_is_answered(stack: Stack, serve: Callable[..., Web]) -> None:
    email = "there@example.com"
    web = serve(DRAIN_SECONDS="0.5")
    with (
        stack.developer(email) as api,
        httpx.Client(base_url=web.url, headers=api.headers, timeout=60) as held,
        ThreadPoolExecutor() as pool,
        httpx.stream("GET", f"{web.url}/events/", cookies=session_of(stack, email), timeout=60) as stream,
    ):
        never = pool.submit(held.post, GENERATE, json={"prompt": "never [sandbox:never]"})
        soon = pool.submit(held.post, GENERATE, json={"prompt": "soon [sandbox:busy]"})
        wait_until(lambda: stack.balance(email) == 1)
        lines = stream.iter_lines()
        assert next(lines).startswith("retry: ")
        seconds = web.stop()
        assert "retry: " in "".join(lines)  # to its end
        assert soon.result().json()["status"] == "completed"
        answer = never.result()
        assert (answer.status_code, answer.json()["status"]) == (202, "pending")
        assert seconds < 60  # a call that is not told so waits for a minute and a half


def test_fifty_open_streams_end_with_their_process_and_say_when_to_come_back(
    stack: Stack, serve: Callable[..., Web], tmp_path: Path
) -> None:
    web = serve(DRAIN_SECONDS="1.5", LOG=str(tmp_path / "web.log"))
    assert httpx.get(f"{web.url}/readyz", timeout=60).status_code == 200  # as a balancer, for which it goes on then
    with contextlib.ExitStack() as open_ones:
        pages = []
        jobs = []
        for number in range(7):
            email = f"listens-{number}@example.com"
            api = open_ones.enter_context(stack.developer(email))
            cookies = session_of(stack, email)
            for _ in range(6 + (number == 0)):
                asked = httpx.stream("GET", f"{web.url}/events/", cookies=cookies, timeout=60)
                pages.append(open_ones.enter_context(asked).iter_lines())
            job = api.post(GENERATE, json={"prompt": "never [sandbox:never]", "async": True}).json()["id"]
            asked = httpx.stream(
                "GET",
                f"{web.url}/v1/reve-image/{job}/events",
                headers={"Authorization": api.headers["Authorization"]},
                timeout=60,
            )
            answer = open_ones.enter_context(asked)
            assert answer.status_code == 200
            jobs.append(answer.iter_lines())
        assert len(pages) + len(jobs) == 50
        assert all(next(lines).startswith("retry: ") for lines in pages)
        for lines in jobs:
            next(lines)
        seconds = web.stop()
        assert all("retry: " in "".join(lines) for lines in pages)  # to its end
        for lines in jobs:
            list(lines)  # it ends, and not in the middle of a chunk
    assert 1.5 <= seconds < 60
    assert (tmp_path / "web.log").read_text() == ""


def test_two_processes_are_restarted_under_load_and_no_request_fails(stack: Stack, serve: Callable[..., Web]) -> None:
    webs = [serve(DRAIN_SECONDS="0.7") for _ in range(2)]
    with stack.developer("balanced@example.com", credits=5000, rate_limit=100_000) as api:
        headers = dict(api.headers)
    failures, served = asyncio.run(restart_under_load(webs, headers))
    assert failures == []
    assert served["calls"] > 20
    assert served["looks"] > 20


async def restart_under_load(webs: list[Web], headers: dict[str, str]) -> tuple[list[str], dict[str, int]]:
    failures: list[str] = []
    served = {"calls": 0, "looks": 0}
    over = asyncio.Event()

    async def customer(client: httpx.AsyncClient, number: int) -> None:
        while not over.is_set():
            wanted = "calls" if number % 2 else "looks"
            try:
                if wanted == "calls":
                    answer = await client.post(GENERATE, json={"prompt": "balanced"}, headers=headers)
                else:
                    answer = await client.get("/healthz")
                if answer.status_code not in (200, 202):
                    failures.append(f"{wanted}: {answer.status_code} {answer.text}")
                served[wanted] += 1
                await asyncio.sleep(0.05)
            except httpx.HTTPError as error:
                failures.append(f"{wanted}: {error!r}")

    async with balancer([web.port for web in webs]) as (url, ready):
        async with asyncio.timeout(100):
            while len(ready) < 2:
                await asyncio.sleep(0.05)
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            customers = [asyncio.create_task(customer(client, number)) for number in range(12)]
            await asyncio.sleep(0.5)
            for web in webs:
                await asyncio.to_thread(web.stop)
                await asyncio.to_thread(web.start)
                async with asyncio.timeout(100):
                    while len(ready) < 2:
                        await asyncio.sleep(0.05)
            over.set()
            await asyncio.gather(*customers)
    return failures, served


@contextlib.asynccontextmanager
async def balancer(ports: list[int]) -> AsyncIterator[tuple[str, set[int]]]:
    """Pass requests on to those of `ports` that say they are ready, in turns; try none again."""
    ready: set[int] = set()
    turn = 0

    async def watch(port: int) -> None:
        async with httpx.AsyncClient(timeout=60) as client:
            while True:
                try:
                    is_ready = (await client.get(f"http://127.0.0.1:{port}/readyz")).status_code == 200
                except httpx.HTTPError:
                    is_ready = False
                (ready.add if is_ready else ready.discard)(port)
                await asyncio.sleep(0.05)  # a small part of the time for which one drains

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal turn
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        body = await reader.readexactly(length)
        turn += 1
        port = sorted(ready)[turn % len(ready)]
        with contextlib.suppress(OSError):
            answers, asks = await asyncio.open_connection("127.0.0.1", port)
            asks.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) + body)
            writer.write(await answers.read())
            asks.close()
        writer.close()

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0)
    watchers = [asyncio.create_task(watch(port)) for port in ports]
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", ready
    for task in watchers:
        task.cancel()
    await asyncio.gather(*watchers, return_exceptions=True)


def test_no_orphan_serves_on_when_the_main_process_is_killed(serve: Callable[..., Web]) -> None:
    web = serve()
    os.kill(web.process.pid, signal.SIGKILL)
    web.process.wait()
    wait_until(partial(is_gone, web.worker), 60)
    wait_until(partial(embedded.is_free, web.port), 60)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, also where nobody has collected it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_more_connections_than_the_usual_limit_of_files_are_served(serve: Callable[..., Web]) -> None:
    web = serve()
    with contextlib.ExitStack() as open_ones:
        for _ in range(1100):
            open_ones.enter_context(socket.create_connection(("127.0.0.1", web.port)))
        assert httpx.get(f"{web.url}/healthz", timeout=60).status_code == 200


# --- Requests that do not end


BEGUN = [
    b"POST /v1/reve-image/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n{",
    b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n" + 20_000 * b"x",
    b"POST /stripe/webhook/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
]


def test_more_bodies_that_do_not_end_than_there_are_connections_hold_up_nobody(serve: Callable[..., Web]) -> None:
    web = serve(OPEN_FILES="1000", REQUEST_SECONDS="60")  # of which files 256 are for other things
    with contextlib.ExitStack() as open_ones:
        for number in range(1500):
            beginning = open_ones.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=60))
            beginning.sendall(BEGUN[number % len(BEGUN)])
            if number % 100 == 0:
                time.sleep(0.5)  # the oldest are to give way, which they need not for being many at once
        for path, status in (("/healthz", 200), ("/v1/nothing", 404), ("/pricing/", 200)):
            assert httpx.get(web.url + path, timeout=40).status_code == status


def test_what_does_not_end_is_given_up(serve: Callable[..., Web]) -> None:
    web = serve(REQUEST_SECONDS="1")
    beginnings = [*BEGUN, b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: ", b"PRI * HTTP/2.0\r\n", b""]

    def answer_to(beginning: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", web.port), timeout=60) as connection:
            connection.sendall(beginning)
            return b"".join(iter(lambda: connection.recv(65_536), b""))[9:12]

    with ThreadPoolExecutor(len(beginnings)) as pool:
        assert list(pool.map(answer_to, beginnings)) == [b"408", b"408", b"408", b"", b"400", b""]


def test_headers_have_an_end_too(serve: Callable[..., Web]) -> None:
    web = serve()
    answers = [
        httpx.get(f"{web.url}/healthz", headers={"X-Long": "x" * size}, timeout=60) for size in (20_000, 200_000)
    ]
    assert [answer.status_code for answer in answers] == [200, 431]


# --- Bytes that no client's library would send

HOST = b"Host: localhost\r\n"
CHUNKED = HOST + b"Transfer-Encoding: chunked\r\n"
RAW = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET /%ff%00%ed%a0%80?a=%ff%00&next=http://[ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /\xc3\xa9/\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /docs/search/?q=\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET http://[ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET http://localhost/pricing/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET //evil.example/%2e%2e HTTP/1.1\r\n" + HOST + b"\r\n",
    b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"F\xc3\xa9 / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"foo_bar /pricing/ HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/9.9\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"Cookie: sessionid=\xff\xfe; messages=\xe9\r\nUser-Agent: \xff\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"X : a\r\n y: folded\r\n\r\n",
    b"GET /events/ HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc",
    b"POST /accounts/login/ HTTP/1.1\r\n" + HOST + b"Content-Length: -3\r\n\r\nabc",
    b"POST /accounts/login/ HTTP/1.1\r\n" + HOST + b"Content-Length: \xc2\xb2\r\n\r\nabc",
    b"POST /accounts/login/ HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
    b"POST /accounts/login/ HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    b"POST /accounts/login/ HTTP/1.1\r\n" + CHUNKED + b"Content-Length: 3\r\n\r\n0\r\n\r\n",
    b"POST /accounts/login/ HTTP/1.1\r\n" + CHUNKED + b"\r\nzz\r\nabc\r\n",
    b"POST /accounts/login/ HTTP/1.1\r\n" + CHUNKED + b"\r\nffffffffffffffffff\r\nabc\r\n",
    b"POST /v1/reve-image/generate HTTP/1.1\r\n" + CHUNKED + b"\r\n2\r\n{}\r\n0\r\nTrailer: x\r\n\r\n",
    b"POST /v1/reve-image/generate HTTP/1.1\r\n" + HOST + b"Authorization: Bearer \xff\r\nContent-Length: 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Type: a; charset=undefined\r\nContent-Length: 3\r\n\r\na=b",
    b"POST /stripe/webhook/ HTTP/1.1\r\n" + HOST + b"Stripe-Signature: t=1,v1=\xff\r\nContent-Length: 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\n" + HOST + b"Expect: nonsense\r\nContent-Length: 3\r\n\r\na=b",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\r\n\r\n\x00",
]


def test_bytes_that_no_library_would_send_are_refused_and_break_nothing(serve: Callable[..., Web]) -> None:
    web = serve(REQUEST_SECONDS="2")
    for raw in RAW:
        with socket.create_connection(("127.0.0.1", web.port), timeout=60) as connection:
            connection.sendall(raw)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                answer = connection.recv(1000)
            assert not answer or 200 <= int(answer[9:12]) < 500, (raw, answer)
    assert httpx.get(f"{web.url}/healthz", timeout=60).status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"zz\r\nabc\r\n", b"-1\r\n{}\r\n", b"f" * 18 + b"\r\n{}\r\n", b"2\r\n{}\r\nzz\r\n", b"2\r\n{}XX0\r\n\r\n"],
)
def test_chunks_that_are_none_are_answered_as_an_error_of_the_api(stack: Stack, body: bytes) -> None:
    for path in (b"/v1/reve-image/generate", b"/v1/nothing"):
        with socket.create_connection(("127.0.0.1", stack.port), timeout=60) as connection:
            connection.sendall(b"POST %s HTTP/1.1\r\n%s\r\n%s" % (path, CHUNKED, body))
            head, _, text = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert re.search(rb"(?mi)^x-request-id: req_[0-9a-f]{24}\r?$", head)
        assert json.loads(text)["error"]["code"] == "broken_body"


def test_requests_in_one_go_are_answered_one_after_the_other(serve: Callable[..., Web]) -> None:
    web = serve()
    with socket.create_connection(("127.0.0.1", web.port), timeout=60) as connection:
        asked = [b"GET /healthz", b"POST /v1/nothing", b"GET /pricing/", b"GET /nowhere/"]
        connection.sendall(b"".join(b"%s HTTP/1.1\r\n%s\r\n" % (line, HOST) for line in asked[:-1]))
        connection.sendall(b"%s HTTP/1.1\r\n%sConnection: close\r\n\r\n" % (asked[-1], HOST))
        answers = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert re.findall(rb"HTTP/1.1 (\d+) ", answers) == [b"200", b"404", b"200", b"404"]
