"""The whole product as a process tree of its own, started the way `make run` starts it.

Only what is about a first start begins with an empty `var/`; the others begin as a second start does, with the database
and the static files that were made once for all test processes.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from tests import ROOT
from tests.environment import free_port, stop

T = TypeVar("T")

KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


class Stack:
    """A running installation with its own `var/`."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {name: os.environ[name] for name in KEPT if name in os.environ}
        own = {"PORT": str(self.port), "VAR_DIR": str(folder), "ENV_FILE": ""}
        self.environment = {**inherited, **own, **environment}
        self.output = ""
        self._operator: subprocess.Popen[str] | None = None

    def start(self, seconds: float = 300) -> float:
        """Start everything, wait for the greeting, and return how many seconds that took."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run"],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        os.set_blocking(self.process.stdout.fileno(), False)
        while "Ctrl-C stops everything" not in self.output:
            self.output += (self.process.stdout.read() or b"").decode()
            assert self.process.poll() is None, self.output
            assert time.monotonic() - began < seconds, self.output + self.logs()
            time.sleep(0.05)
        return time.monotonic() - began

    def stop(self) -> None:
        if self._operator is not None:
            self._operator.communicate(timeout=120)  # it ends with its input
            self._operator = None
        stop(self.process, 120)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def discard(self) -> None:
        """End every process at once, where how they end is not the point."""
        if self.process.poll() is not None:
            return
        everything = [self.process.pid, *(pid for pid, _ in self._tree())]
        for pid in everything:  # the supervisor first, so that it starts nothing again
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.stop()

    def manage(self, *arguments: str) -> str:
        """Run an operator's command and return what it prints."""
        if self._operator is None:
            command = [sys.executable, "-m", "tests.stack.operator"]
            environment = {**self.environment, "DJANGO_SETTINGS_MODULE": "reveweb.settings"}
            pipe = subprocess.PIPE
            self._operator = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True, bufsize=1
            )
        assert self._operator.stdin is not None
        assert self._operator.stdout is not None
        try:
            self._operator.stdin.write(json.dumps(arguments) + "\n")
            answer = json.loads(self._operator.stdout.readline())
        except BaseException:  # a test's time is up: the answer that comes later must not be taken for the next one's
            self._operator.kill()
            self._operator.communicate()
            self._operator = None
            raise
        assert answer["status"] == 0, answer["error"]
        return str(answer["output"]).strip()

    def developer(self, email: str, credits: int = 0, rate_limit: int = 10_000) -> httpx.Client:
        """Return an API client of a new user who has their 3 welcome credits and `credits` more."""
        self.manage("create_user", email, "--password", "correct horse battery")
        if credits:
            self.manage("grant_credits", email, str(credits), "--reason", "test")
            self.lift_limits(email)
        secret = self.manage("create_api_key", email, "--rate-limit", str(rate_limit))
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {secret}"}, timeout=120)

    def lift_limits(self, email: str) -> None:
        """Let somebody have as many images in flight as they have credits, as on a plan that is paid for."""
        words = "Wallet.objects.filter(user__email=%r).update(plan=Plan.objects.get(slug='basic'))"
        self.manage("shell", "-v", "0", "-c", f"from billing.models import Plan, Wallet; {words % email}")

    def balance(self, email: str) -> int:
        return int(self.manage("credits", email).splitlines()[0])

    @property
    def sandbox(self) -> str:
        """The address of the stand-ins for the upstream and for Stripe."""
        return f"http://127.0.0.1:{json.loads((self.folder / 'ports.json').read_text())['sandbox']}"

    def upstream(self) -> dict[str, Any]:
        """Return what the sandbox upstream was asked for: its counts and the jobs that it took."""
        report: dict[str, Any] = httpx.get(f"{self.sandbox}/sandbox/jobs", timeout=60).json()
        return report

    def jobs(self) -> list[dict[str, Any]]:
        """Return what the sandbox upstream was asked to draw."""
        jobs: list[dict[str, Any]] = self.upstream()["jobs"]
        return jobs

    def pids(self, needle: str) -> list[int]:
        """Return the processes of this installation whose command line holds `needle`."""
        return [pid for pid, command in self._tree() if needle in command]

    def kill(self, needle: str) -> None:
        """SIGKILL the processes of this installation whose command line holds `needle`."""
        pids = self.pids(needle)
        assert pids, f"nothing runs as {needle}"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in (self.folder / "log").glob("*.log"))

    def _tree(self) -> list[tuple[int, str]]:
        ps = ["ps", "-eww", "-o", "pid=,ppid=,args="]
        listing = subprocess.run(ps, capture_output=True, text=True, check=True).stdout
        rows = [line.split(None, 2) for line in listing.splitlines()]
        family = {self.process.pid}
        found: list[tuple[int, str]] = []
        for _ in range(4):  # generations of processes
            for pid, parent, command in rows:
                if int(parent) in family and int(pid) not in family:
                    family.add(int(pid))
                    found.append((int(pid), command))
        return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give whole installations time: several processes start at once, and the machine may be a busy one."""
    for item in items:
        if item.get_closest_marker("stack") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


PREPARE = "import django; django.setup(); from reveweb.management.commands.run import prepare; prepare()"


@pytest.fixture(scope="session")
def prepared_var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `var/` with a migrated database and collected static files, made by whichever test process needs it first."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "prepared-var"
    with (shared / "prepared-var.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = shared / "prepared-var.half"
            environment = {**Stack(half).environment, "DJANGO_SETTINGS_MODULE": "reveweb.settings"}
            subprocess.run([sys.executable, "-c", PREPARE], cwd=ROOT, env=environment, check=True)
            half.rename(folder)
    return folder


@pytest.fixture(scope="session")
def start_stack(tmp_path_factory: pytest.TempPathFactory, prepared_var: Path) -> Iterator[Callable[..., Stack]]:
    """Start installations that end with the session."""
    running: list[Stack] = []

    def start(**environment: str) -> Stack:
        stack = Stack(tmp_path_factory.mktemp("stack"), **environment)
        shutil.copy(prepared_var / "reveweb.sqlite3", stack.folder)
        shutil.copytree(prepared_var / "static", stack.folder / "static", copy_function=os.link)
        running.append(stack)
        stack.start()
        return stack

    yield start
    for stack in running:
        stack.discard()


@pytest.fixture(scope="session")
def stack(start_stack: Callable[..., Stack]) -> Stack:
    """One installation that the tests of a process share, each with people of its own."""
    return start_stack(SANDBOX_SECONDS="0.2", SANDBOX_PICTURES="plain")


def wait_until(check: Callable[[], T | None], seconds: float = 90) -> T:
    """Return the first truthy answer of `check`. Fails the test after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := check():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} seconds: {check}")
