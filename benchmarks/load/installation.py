"""An installation of reveweb for a bench: `manage.py run` on PostgreSQL and Redis, and what one must know of it.

All that is asked of its insides: the programs' names, two columns of two tables (when an image and an event were done),
and how to make accounts (`furnish`).
"""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.load import processes
from benchmarks.load.client import Load
from benchmarks.load.contestants import KEPT, PROMPT, Contestant, Upstream
from tests import ROOT
from tests.environment import free_port

POSTGRES = "postgres://postgres@127.0.0.1:5432"
REDIS = "redis://127.0.0.1:6379"
WEBHOOK_SECRET = "whsec_bench"
FURNISH = Path(__file__).with_name("furnish.py")


class Visitor(NamedTuple):
    """Somebody with an account."""

    key: str
    session: str


class Reveweb(Contestant):
    """`manage.py run` with a `var/`, a database and a Redis database of its own, as in production."""

    name = "reveweb"

    def __init__(self, folder: Path, upstream: Upstream, database: str, redis: int, root: Path = ROOT) -> None:
        self.port, self.database, self.root = free_port(), database, root
        psql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        psql(f"CREATE DATABASE {database}")
        subprocess.run(["redis-cli", "-n", str(redis), "flushdb"], check=True, capture_output=True)
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            "PORT": str(self.port),
            "VAR_DIR": str(folder / "var"),
            "ENV_FILE": "",
            "DATABASE_URL": f"{POSTGRES}/{database}",
            "REDIS_URL": f"{REDIS}/{redis}",
            "REVE_API_URL": upstream.url,
            "UPSTREAM_TYPICAL_SECONDS": "8",  # the default with a real upstream
            "STATUS_RATE_LIMIT_PER_MINUTE": "1000000",
            "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        }
        python = root / ".venv" / "bin" / "python"
        super().__init__(folder, [str(python), "manage.py", "run"], self.environment, root)
        began = time.monotonic()
        self.ready(f"{self.url}/readyz", 170)
        self.start_seconds = time.monotonic() - began
        self.key = ""

    def open_account(self) -> None:
        """Make the account that asks for everything: with credits that never end, and no limit."""
        self.key = self.account("bench@example.com", credits=1_000_000)

    def manage(self, *arguments: str) -> str:
        """Run an operator's command and return what it prints."""
        inherited = {name: os.environ[name] for name in KEPT if name in os.environ}
        python = self.root / ".venv" / "bin" / "python"
        command = [str(python), "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=self.root, env=inherited | self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout.strip()

    def account(self, email: str, credits: int) -> str:
        """Return the API key of a new account."""
        self.manage("create_user", email, "--password", "correct horse battery")
        self.manage("grant_credits", email, str(credits), "--reason", "bench")
        psql("UPDATE billing_wallet SET plan_id = (SELECT id FROM billing_plan WHERE slug = 'basic')", self.database)
        return self.manage("create_api_key", email, "--rate-limit", "1000000")

    def crowd(self, count: int) -> list[Visitor]:
        """Return new accounts, each with credits, a key and a log-in."""
        told = self.manage("shell", "-v", "0", "-c", f"{FURNISH.read_text()}\nfurnish({count})")
        return [Visitor(*one) for one in json.loads(told.splitlines()[-1])]

    def finished(self) -> dict[str, float]:
        """Return when each image was completed (seconds since 1970), by its public id."""
        columns = "public_id || ' ' || extract(epoch from finished_at)"
        rows = psql(f"SELECT {columns} FROM generator_generation WHERE status = 'completed'", self.database)
        return {name: float(at) for name, at in (row.split(" ") for row in rows.splitlines())}

    def unfinished(self) -> int:
        """Return how many images are neither completed nor failed."""
        states = "status NOT IN ('completed', 'failed')"
        return int(psql(f"SELECT count(*) FROM generator_generation WHERE {states}", self.database))

    def handled(self) -> dict[str, float]:
        """Return after how many seconds each event of Stripe's was handled."""
        columns = "id || ' ' || extract(epoch from handled_at - received_at)"
        rows = psql(f"SELECT {columns} FROM billing_stripeevent WHERE handled_at IS NOT NULL", self.database)
        return {name: float(seconds) for name, seconds in (row.split(" ") for row in rows.splitlines())}

    def generate(self, *, wait: bool, clients: int = 1) -> Load:
        """Return the load of POSTs to the API."""
        body = json.dumps({"prompt": PROMPT, "async": not wait})
        headers = {"Authorization": f"Bearer {self.key}"}
        return Load(self.port, "/v1/reve-image/generate", clients, headers=headers, body=body)

    def parts(self) -> dict[str, list[int]]:
        """Return its processes by what they are for, and PostgreSQL's that serve it."""
        found: dict[str, list[int]] = {part: [] for part in [*(part for _, part in PARTS), "other"]}
        for pid in processes.tree(self.process.pid):
            found[part_of(processes.command(pid))].append(pid)
        return {
            **found,
            "PostgreSQL": processes.backends(self.database),
            "Redis": processes.named("redis-server", "valkey-server"),
        }

    def pause_worker(self) -> list[int]:
        """Stop what works beside the web process, between two of its transactions; return it for `processes.resume`."""
        found = self.parts()
        pids = found["worker"] + found["rest"] + found["scheduler"]
        for _ in range(50):
            processes.pause(pids)
            time.sleep(0.3)
            busy = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()"
            if psql(f"{busy} AND datname = '{self.database}'") == "0":
                return pids
            processes.resume(pids)
            time.sleep(0.11)
        raise TimeoutError("the worker is never between two transactions")

    def stop(self) -> None:
        super().stop()
        psql(f"DROP DATABASE IF EXISTS {self.database} WITH (FORCE)")


def psql(statement: str, database: str = "postgres") -> str:
    """Return what PostgreSQL answers."""
    command = ["psql", "-qAt", "-h", "127.0.0.1", "-U", "postgres", "-d", database, "-c", statement]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"PostgreSQL: {done.stderr.strip()}")
    return done.stdout.strip()


# By what a command line holds; the first that fits. What came before these commands ran in one worker, as `celery`.
PARTS = (
    ("manage.py serve", "web"),
    ("granian", "web"),
    ("manage.py work --rest", "rest"),
    ("manage.py work", "worker"),
    ("manage.py schedule", "scheduler"),
    ("celery", "worker"),
)


def part_of(command: str) -> str:
    """Tell what a process of reveweb's is for; "other" is the supervisor, and the sandbox that stands in for Stripe."""
    return next((part for words, part in PARTS if words in command), "other")
