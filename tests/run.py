"""`make test`: every check there is, each named, with a summary; stops at nothing so that one run shows all.

What the checks need beside Python is installed where it is missing and that is possible. PostgreSQL and Redis are used
when they answer on their standard local ports; with `REQUIRE_SERVICES=1` it is a failure when they don't.
"""

import os
import socket
import sys
import tempfile
from pathlib import Path

from tests import machine
from tests.lanes import PYTEST, Check, run

BIN = Path(sys.executable).parent
POSTGRES = {"DATABASE_URL": "postgres://postgres@127.0.0.1:5432/postgres"}
# Each test process counts on from here, and a server has 16 databases.
REDIS, REDIS_OF_INSTALLATIONS = "redis://127.0.0.1:6379/9", "redis://127.0.0.1:6379/14"

# Long and random enough that only the settings themselves are judged.
PRODUCTION = {
    "REVE_API_KEY": "checked-only",
    "SECRET_KEY": "kQ8vZr3Tn5Yw1Xc7Bm9Lp2Hs6Jd4Fg0Aq-zEuIoKyTrWxVbNmPqRs",
    "PUBLIC_URL": "https://images.example.com",
    "EMAIL_URL": "smtp+tls://images:secret@mail.example.com",
    "SSL_REDIRECT": "1",
    "ENV_FILE": "",
}
ON_POSTGRES = "make t ON=postgres"
CORES = os.cpu_count() or 2
BROWSER = "tests/browser"  # Playwright keeps an event loop in the thread, where the ORM refuses to work
PLAIN = [f"--ignore={BROWSER}", "-p", "no:playwright"]


def main() -> int:
    """Run every check and return the process's exit status."""
    if not machine.provide(["chromium", "node", "curl", "exiftool"]):
        return 1
    with tempfile.TemporaryDirectory(prefix="reveweb-branches-") as folder:
        return run([static_checks(), _computing(folder), _waiting()])


def _computing(folder: str) -> list[Check]:
    """The passes that keep their processes busy. `folder` is for what the first of them sees of branches."""
    one = [*PYTEST, *spread(CORES), *PLAIN, "-m", "not stack"]
    checks = [
        Check("tests on SQLite and the embedded Valkey", one, {"TEST_BRANCHES": folder}),
        Check("branches taken", [sys.executable, "-m", "tests.branches", folder]),
    ]
    if not _answers(5672):
        print("RabbitMQ does not answer on port 5672: the tests of it as the broker are skipped.", flush=True)
    if away := _away():
        print(f"On its standard local port does not answer: {', '.join(away)}. No second pass.", flush=True)
        if os.environ.get("REQUIRE_SERVICES") == "1":
            checks.append(Check(f"{' and '.join(away)} within reach", ["false"]))
    else:
        two = [*PYTEST, *spread(min(CORES, 5)), *PLAIN, "-m", "services and not stack"]
        checks.append(Check("tests on PostgreSQL and Redis", two, POSTGRES | {"REDIS_URL": REDIS}, ON_POSTGRES))
    return checks


def _waiting() -> list[Check]:
    """The passes that mostly wait for servers and a browser."""
    three = [*PYTEST, *spread(1), *PLAIN, "-m", "services and stack"]
    servers = POSTGRES | {"REDIS_URL": REDIS_OF_INSTALLATIONS}
    on_servers = Check("tests of an installation on PostgreSQL and Redis", three, servers, ON_POSTGRES)
    return [
        *([] if _away() else [on_servers]),
        Check("tests of whole installations", [*PYTEST, *spread(CORES // 2, "loadfile"), *PLAIN, "-m", "stack"]),
        Check("tests in Chromium", [*PYTEST, *spread(CORES // 2, "loadfile"), BROWSER]),
    ]


def static_checks() -> list[Check]:
    """What needs no test: it yields to whoever waits for a browser or a server."""
    manage = [sys.executable, "manage.py"]
    checks = [
        Check("format", [str(BIN / "ruff"), "format", "--check", "."]),
        Check("lint", [str(BIN / "ruff"), "check", "."]),
        Check("templates", [str(BIN / "djlint"), "--lint", "--quiet", "templates", "sandbox"]),
        Check("scripts and styles", ["tools/biome/node_modules/.bin/biome", "check", "--error-on-warnings"]),
        Check("types", [str(BIN / "mypy")]),
        Check("import rules", [str(BIN / "lint-imports")]),
        Check("migrations in step", [*manage, "makemigrations", "--check", "--dry-run"], {"ENV_FILE": ""}),
        Check("production settings", [*manage, "check", "--deploy", "--fail-level", "WARNING"], PRODUCTION),
    ]
    for check in checks:
        check.nice = 10
    return checks


def spread(processes: int, how: str = "worksteal") -> list[str]:
    """The options that share tests out: by file where a file's tests share something that takes long to start."""
    return ["-n", str(max(1, processes)), "--dist", how]


def _away() -> list[str]:
    return [name for name, port in (("PostgreSQL", 5432), ("Redis", 6379)) if not _answers(port)]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
