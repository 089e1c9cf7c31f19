"""An upgrade from the previous release, process by process, while people go on: not one request fails.

The order is that of docs/operating.md: the new version's migrations and static files, then web servers one by one, then
workers, and the scheduler.
"""

import asyncio
import contextlib
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from django.db import connection

from reveweb.run.embedded import valkey_server
from tests import ROOT
from tests.environment import SANDBOX, SANDBOX_PORT, free_port, stop, wait_for_port
from tests.installation import KEPT, PREPARE, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.services, pytest.mark.timeout(600)]

# What came before the newest release where none is tagged yet: the last commit before these migrations.
BEFORE_TAGS = "c584027a6a5f55dc3e539a261dd6bc5265bcbbbd"
PINS = ("requirements.txt", "requirements-run.txt", "requirements-sandbox.txt")
PEOPLE = """
import json
from django.test import Client
from accounts import keys
from accounts.models import User
from billing import ledger
from billing.models import CreditGrant, Plan, Wallet
user = User.objects.create_user(email="olga@example.com", password="correct horse battery")
wallet = ledger.wallet_of(user.pk)
with ledger.books(wallet) as books:
    books.grant(credits=5000, source=CreditGrant.Source.STAFF, reference="test:1", cause="test")
Wallet.objects.filter(pk=wallet.pk).update(plan=Plan.objects.get(slug="basic"), rate_limit=100_000)
browser = Client()
browser.force_login(user, backend="reveweb.login.backends.AuthenticationBackend")
secret = keys.mint(user=user, name="load", rate_limit=100_000)[1]
print(json.dumps([secret, {name: morsel.value for name, morsel in browser.cookies.items()}]))
"""
BOOKS = """
import json
from billing.staff import audit
from generator.files import leftovers
from generator.models import Attempt, Generation
failed = Generation.objects.filter(status="failed")
causes = list(failed.values_list("error_code", "error_message"))
causes += list(Attempt.objects.filter(generation__in=failed).values_list("state", "error_kind"))
states = list(Generation.objects.values_list("status", flat=True))
report = leftovers.compare(repair=False)
tokens = list(Generation.objects.filter(status="completed").values_list("file_token", "file_extension"))
keys = list(Generation.objects.exclude(idempotency_key=None).values_list("idempotency_key", flat=True))
unfinished = [state for state in states if state in ("queued", "submitting", "drawing")]
print(json.dumps([list(audit.drifts()), states, len(unfinished), report.unnamed, tokens, keys, causes]))
"""


def previous() -> bytes:
    """Return the code of the release before, as a tar archive."""

    def git(*arguments: str) -> bytes:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True)
        return done.stdout if done.returncode == 0 else b""

    tag = git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD^").decode().strip()
    archive = git("archive", tag or BEFORE_TAGS)
    if not archive:
        pytest.skip("this clone does not have the release before")
    return archive


def python_of(code: Path) -> str:
    """Return a Python that has what the code of a release asks for, which may be what no other one needs any more."""
    if all((code / pins).read_bytes() == (ROOT / pins).read_bytes() for pins in PINS):
        return sys.executable
    python, uv = code / ".venv/bin/python", Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, code / ".venv"], check=True)
    asked = [part for pins in PINS for part in ("-r", str(code / pins))]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--require-hashes", *asked], check=True)
    return str(python)


class Balancer:
    """Gives each connection to a server whose `/readyz` says that it may have it, as any balancer does."""

    def __init__(self) -> None:
        self.port = free_port()
        self.servers: dict[int, bool] = {}
        self._turns = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "Balancer":
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", self.port))
        self._watching = asyncio.run_coroutine_threadsafe(self._watch(), self._loop)
        return self

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.05)  # what was closed goes

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(100)

    async def _watch(self) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            while True:
                for port in list(self.servers):
                    try:
                        answer = await client.get(
                            f"http://127.0.0.1:{port}/readyz?only=process", headers={"Connection": "close"}
                        )
                        self.servers[port] = answer.status_code == 200
                    except httpx.HTTPError:
                        self.servers[port] = False
                await asyncio.sleep(0.05)  # a small part of the time for which a server drains

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ready = [port for port, is_ready in self.servers.items() if is_ready]
        with contextlib.closing(writer), contextlib.suppress(OSError, ZeroDivisionError):
            port = ready[next(self._turns) % len(ready)]
            from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(to_server):
                asked = asyncio.create_task(_pump(reader, to_server))
                await _pump(from_server, writer)
                asked.cancel()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            target.write(data)
            await target.drain()
    with contextlib.suppress(OSError):
        target.write_eof()


class Load:
    """People who make images, look, read pages and keep them open, each request on a connection of its own."""

    def __init__(self, url: str, secret: str, cookies: dict[str, str]) -> None:
        self.url = url
        self.failures: list[str] = []
        self.done: Counter[str] = Counter()
        self.accepted: dict[str, str] = {}
        self._numbers = itertools.count()
        self._ended = threading.Event()
        self._api = {"Authorization": f"Bearer {secret}", "Connection": "close"}
        self._cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        # So much that it is under way at every moment of the upgrade, and no more than a busy machine draws.
        acts = {self._create: 0.5, self._wait: 0.5, self._look: 0.2, self._read: 0.2, self._stream: 0.2}
        self._pool = ThreadPoolExecutor(len(acts))
        for act, pause in acts.items():
            self._pool.submit(self._go_on, act, pause)

    def __enter__(self) -> "Load":
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._pool.shutdown()

    def more(self, count: int) -> None:
        """Wait until so many more requests were answered well."""
        until = self.done.total() + count
        wait_until(lambda: self.done.total() > until or self.failures, 120)

    def _go_on(self, act: Callable[[], None], pause: float) -> None:
        while not self._ended.wait(pause):
            try:
                act()
            except (httpx.HTTPError, AssertionError) as error:
                self.failures.append(f"{time.strftime('%X')} {act.__name__}: {error!r}"[:500])

    def _ask(self, method: str, path: str, good: tuple[int, ...], **options: Any) -> httpx.Response:
        answer = httpx.request(method, self.url + path, timeout=100, trust_env=False, **options)
        assert answer.status_code in good, (path, answer.status_code, answer.text[:200])
        self.done[f"{method} {path.partition('?')[0][:20]}"] += 1
        return answer

    def _generate(self, *, is_awaited: bool) -> None:
        key = f"key-{next(self._numbers)}"
        body = {"prompt": f"a lighthouse {key}", "async": not is_awaited}
        headers = {**self._api, "Idempotency-Key": key}
        answer = self._ask("POST", "/v1/reve-image/generate", (200, 202), json=body, headers=headers)
        self.accepted[key] = answer.json()["id"]

    def _create(self) -> None:
        self._generate(is_awaited=False)

    def _wait(self) -> None:
        self._generate(is_awaited=True)

    def _look(self) -> None:
        for image in list(self.accepted.values())[-3:]:
            self._ask("GET", f"/v1/reve-image/status/{image}", (200,), headers=self._api)

    def _read(self) -> None:
        for path in ("/", "/gallery/", "/create/", "/dashboard/"):
            self._ask("GET", path, (200,), headers={**self._cookies, "Connection": "close"})

    def _stream(self) -> None:
        """Keep a page's events open for a second, or until the server drains: a browser comes back then, as this.

        So does one whose stream breaks off, as where its process is not given the time to end well; at once, and once.
        """
        try:
            self._stream_once()
        except (httpx.ReadError, httpx.RemoteProtocolError):
            self._stream_once()
        self.done["stream"] += 1

    def _stream_once(self) -> None:
        headers = {**self._cookies, "Connection": "close", "Accept": "text/event-stream"}
        with httpx.stream("GET", f"{self.url}/events/", headers=headers, timeout=100, trust_env=False) as answer:
            assert answer.status_code == 200, answer.status_code
            until = time.monotonic() + 1
            for _ in answer.iter_raw():
                if time.monotonic() > until or self._ended.is_set():
                    break


class Release:
    """The processes of one version of the code."""

    def __init__(self, code: Path, python: str, environment: dict[str, str], logs: Path) -> None:
        self.code, self.interpreter, self.environment, self.logs = code, python, environment, logs
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def python(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.interpreter, *arguments], cwd=self.code, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def start(self, name: str, *command: str, **environment: str) -> None:
        with (self.logs / f"{self.code.name}-{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [self.interpreter, "manage.py", *command],
                cwd=self.code,
                env={**self.environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def serve(self, balancer: Balancer) -> None:
        """Start a web server, and have it in rotation."""
        port = free_port()
        self.start("web", "serve", PORT=str(port))
        balancer.servers[port] = False
        wait_until(lambda: balancer.servers[port], 120)

    def work(self) -> None:
        self.start("worker", "work")
        self.start("rest", "work", "--rest")
        self.start("schedule", "schedule")

    def end(self, name: str) -> None:
        """End one as an operator does, and wait until it is gone."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(100)

    def kill(self) -> None:
        for process in self.running.values():
            stop(process)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A new database, a Valkey of its own, and the stand-ins of this test process."""
    if connection.vendor != "postgresql":
        pytest.skip("one upgrades process by process where several share a PostgreSQL")
    SANDBOX.ensure()
    known = connection.settings_dict
    user, host, port = known["USER"], known["HOST"] or "127.0.0.1", known["PORT"] or 5432
    name, redis = f"test_upgrade_{os.getpid()}", free_port()
    command = [str(valkey_server()), "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with psycopg.connect(user=user, host=host, port=port, dbname="postgres", autocommit=True) as operator:
        operator.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        operator.execute(f"CREATE DATABASE {name}".encode())
        operator.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
        try:
            wait_for_port(redis)
            yield {
                **{kept: os.environ[kept] for kept in KEPT if kept in os.environ},
                "DATABASE_POOL_SIZE": "8",
                "DATABASE_URL": f"postgres://{user}@{host}:{port}/{name}",
                "DRAIN_SECONDS": "1",
                "ENV_FILE": "",
                "RATE_LIMIT_PER_MINUTE": "100000",
                "REDIS_URL": f"redis://127.0.0.1:{redis}/0",
                "REVE_API_URL": f"http://127.0.0.1:{SANDBOX_PORT}",
                "SANDBOX_SECONDS": "0",
                "STATUS_RATE_LIMIT_PER_MINUTE": "100000",
                "STRIPE_API_BASE": f"http://127.0.0.1:{SANDBOX_PORT}",
                "VAR_DIR": str(tmp_path / "var"),
                "PYTHONUNBUFFERED": "1",
                "DJANGO_SETTINGS_MODULE": "reveweb.settings",
            }
        finally:
            stop(server)
            operator.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def test_nobody_notices_an_upgrade(environment: dict[str, str], tmp_path: Path) -> None:
    code = tmp_path / "previous"
    with tarfile.open(fileobj=io.BytesIO(previous())) as tar:
        tar.extractall(code, filter="data")
    old = Release(code, python_of(code), environment, tmp_path)
    new = Release(ROOT, sys.executable, environment, tmp_path)
    try:
        old.python("-c", PREPARE)
        secret, cookies = json.loads(old.python("manage.py", "shell", "-v", "0", "-c", PEOPLE))
        with Balancer() as balancer:
            old.work()
            old.serve(balancer)
            with Load(f"http://127.0.0.1:{balancer.port}", secret, cookies) as load:
                load.more(30)
                new.python("-c", PREPARE)
                load.more(30)  # by the old code, at the new schema
                new.serve(balancer)
                old.end("web")
                for name, command in (("worker", ["work"]), ("rest", ["work", "--rest"]), ("schedule", ["schedule"])):
                    new.start(name, *command)
                    load.more(10)  # both work for a while
                    old.end(name)
                load.more(30)
        assert load.failures == []
        wait_until(lambda: json.loads(new.python("manage.py", "shell", "-v", "0", "-c", BOOKS))[2] == 0, 120)
        drifts, states, _, unnamed, images, keys, causes = json.loads(
            new.python("manage.py", "shell", "-v", "0", "-c", BOOKS)
        )
        assert causes == []
        assert drifts == []
        assert Counter(states) == {"completed": len(load.accepted)}
        assert sorted(keys) == sorted(load.accepted)
        assert unnamed == 0
        kept = {path.name for path in (tmp_path / "var" / "images").rglob("*") if path.is_file()}
        assert {f"{token}.{extension}" for token, extension in images} <= kept
    except BaseException:
        for path in tmp_path.glob("*.log"):
            print(f"--- {path.name}\n{path.read_text(errors='replace')[-8000:]}")
        raise
    finally:
        new.kill()
        old.kill()
