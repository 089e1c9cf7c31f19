"""The installation that a storm hits: `manage.py run`, the evil upstream, and with PostgreSQL a Redis of its own.

Between it and what it leans on lie proxies that can be cut. Every process is known by its role, and by its id and the
moment it started, so that nothing else is ever ended.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from reveweb.run.embedded import valkey_server
from tests import ROOT
from tests.chaos.proxy import Proxy
from tests.environment import free_port, stop, wait_for_port
from tests.installation import Stack

DEADLINE = 30  # seconds within which an image ends
QUICK = {  # what makes waits and deadlines short enough for a storm of a minute
    "CLAIM_SECONDS": "5",
    "DRAIN_SECONDS": "1",
    "GENERATION_DEADLINE_SECONDS": str(DEADLINE),
    "IMAGE_MAX_BYTES": str(2 * 1024 * 1024),
    "RATE_LIMIT_PER_MINUTE": "100000",
    "STATUS_RATE_LIMIT_PER_MINUTE": "100000",
    "SYNC_WAIT_SECONDS": "8",
    "UPSTREAM_TIMEOUT_SECONDS": "4",
    "UPSTREAM_TYPICAL_SECONDS": "0.5",
}


ROLES = {  # by what their command line has, the first that fits
    "valkey": "valkey-server",
    "sandbox": "-m sandbox",
    "rest": "manage.py work --rest",
    "worker": "manage.py work",
    "scheduler": "manage.py schedule",
    "web": "-m granian",
}


@dataclass(frozen=True)
class Process:
    """A process of this run: `started` tells it from a later one with the same id."""

    pid: int
    parent: int
    started: str
    command: str

    @property
    def lives(self) -> bool:
        """Whether it still runs; one that has ended and waits for its parent does not."""
        return any((one.pid, one.started) == (self.pid, self.started) for one in table())

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still the same process."""
        if self.lives:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def table() -> list[Process]:
    """Return the machine's processes, without those that have ended."""
    ps = ["ps", "-eww", "-o", "pid=,ppid=,stat=,lstart=,args="]
    listing = subprocess.run(ps, capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 8) for line in listing.splitlines()]
    return [
        Process(int(row[0]), int(row[1]), " ".join(row[3:8]), row[8])
        for row in rows
        if len(row) == 9 and not row[2].startswith("Z")
    ]


def role_of(process: Process, parent: str) -> str:
    """Name what a process of an installation does; `parent` is its parent's role."""
    if parent == "web":
        return "" if "resource_tracker" in process.command else "web-child"
    return next((role for role, needle in ROLES.items() if needle in process.command), "")


class Site:
    """Everything that one storm starts."""

    def __init__(self, folder: Path, seed: int, *, postgres: str = "", template: Path | str = "") -> None:
        """`postgres` is the server's URL with a database to connect to first; empty: SQLite and embedded Valkey.

        `template` is a prepared `var/`, or the name of a migrated database.
        """
        self.folder, self.seed, self.postgres, self.template = folder, seed, postgres, template
        self.database = f"chaos_{os.getpid()}_{seed}" if postgres else ""
        self.upstream_port, self.redis_port = free_port(), free_port()
        self.proxies = {"upstream": Proxy(free_port(), self.upstream_port)}
        environment = {
            **QUICK,
            "REVE_API_URL": f"http://127.0.0.1:{self.proxies['upstream'].port}",
        }
        if postgres:
            self.proxies["redis"] = Proxy(free_port(), self.redis_port)
            self.proxies["database"] = Proxy(free_port(), _port_of(postgres))
            environment |= self._urls(self.proxies["database"].port, self.proxies["redis"].port)
        self.stack = Stack(folder / "var", **environment)
        self.own: dict[str, subprocess.Popen[bytes]] = {}
        self.known: dict[tuple[int, str], Process] = {}
        self.whole: set[str] = set()

    def _urls(self, database: int, redis: int) -> dict[str, str]:
        parts = psycopg.conninfo.conninfo_to_dict(self.postgres)
        return {
            "DATABASE_URL": f"postgres://{parts['user']}@127.0.0.1:{database}/{self.database}",
            "REDIS_URL": f"redis://127.0.0.1:{redis}/0",
        }

    @property
    def direct(self) -> dict[str, str]:
        """The installation's environment past the proxies: for an operator, and for the audit."""
        if not self.postgres:
            return self.stack.environment
        port = _port_of(self.postgres)
        return {**self.stack.environment, **self._urls(port, self.redis_port)}

    async def start(self) -> None:
        """Start everything and wait until it is ready."""
        (self.folder / "upstream").mkdir(parents=True)
        for proxy in self.proxies.values():
            await proxy.start()
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        self.raise_up("upstream")
        if self.postgres:
            self.raise_up("redis")
            with psycopg.connect(self.postgres, autocommit=True) as server:
                server.execute(
                    f'CREATE DATABASE "{self.database}"' + (f' TEMPLATE "{self.template}"' if self.template else "")
                )
                server.execute(f'ALTER DATABASE "{self.database}" SET synchronous_commit = off')
        elif self.template:
            self.stack.folder.mkdir(parents=True)
            shutil.copy(Path(self.template) / "reveweb.sqlite3", self.stack.folder)
            shutil.copytree(Path(self.template) / "static", self.stack.folder / "static", copy_function=os.link)
        self.stack.start()
        self.stack.environment = self.direct  # for the operator's commands
        self.whole = set(self.roles())
        missing = {*ROLES, "web-child"} - self.whole - ({"valkey"} if self.postgres else set())
        assert not missing, f"nothing runs as {missing}"

    def raise_up(self, name: str) -> None:
        """Start the upstream or the Redis, on the port it always has."""
        if name == "upstream":
            port = self.upstream_port
            command = [
                sys.executable,
                "-m",
                "tests.chaos.upstream",
                str(port),
                str(self.folder / "upstream"),
                str(self.seed),
            ]
        else:
            port = self.redis_port
            command = [
                str(valkey_server()),
                "--port",
                str(port),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--dir",
                str(self.folder),
            ]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.own[name] = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for_port(port)

    def roles(self) -> dict[str, list[Process]]:
        """Return the installation's processes by role, and remember them."""
        everything = table()
        roles = {self.stack.process.pid: "supervisor"}
        found: dict[str, list[Process]] = {}
        for _ in range(4):  # generations of processes
            for process in everything:
                if process.parent in roles and process.pid not in roles:
                    role = roles[process.pid] = role_of(process, roles[process.parent])
                    self.known[process.pid, process.started] = process
                    if role:
                        found.setdefault(role, []).append(process)
        return found

    async def stop(self) -> list[str]:
        """Stop it as an operator does, end the rest, and say what had to be ended by force or was left."""
        self.roles()
        for process in self.known.values():
            process.signal(signal.SIGCONT)
        troubles = await asyncio.to_thread(self._stop)
        for proxy in self.proxies.values():
            await proxy.stop()
        return troubles

    def _stop(self) -> list[str]:
        self.stack.stop()
        troubles = []
        for process in self._left(seconds=15):
            troubles.append(f"left running after the stop: {process.pid} {process.command}")
            process.signal(signal.SIGKILL)
        for own in self.own.values():
            stop(own)
        if self.postgres:
            with psycopg.connect(self.postgres, autocommit=True) as server:
                server.execute(f'DROP DATABASE IF EXISTS "{self.database}" WITH (FORCE)')
        return troubles

    def _left(self, seconds: float) -> list[Process]:
        """Return what still runs of all that was ever seen, or names this run's folder, after `seconds` at most."""
        end = time.monotonic() + seconds
        while True:
            now = table()
            left = [one for one in now if (one.pid, one.started) in self.known or str(self.stack.folder) in one.command]
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.2)


def _port_of(url: str) -> int:
    return int(psycopg.conninfo.conninfo_to_dict(url).get("port") or 5432)
