"""`make test`: every check there is, each named, with a summary; stops at nothing so that one run shows all.

The tests that are bound to the database or the queue run a second time against PostgreSQL and Redis when those answer
on their standard local ports. What the checks need beside Python is installed where it is missing and that is possible.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests import machine
from tests.environment import OWN, ROOT

BIN = Path(sys.executable).parent
POSTGRES = "postgres://postgres@127.0.0.1:5432/postgres"
REDIS = "redis://127.0.0.1:6379/9"

# Long and random enough that only the settings themselves are judged.
PRODUCTION = {
    "REVE_API_KEY": "checked-only",
    "SECRET_KEY": "kQ8vZr3Tn5Yw1Xc7Bm9Lp2Hs6Jd4Fg0Aq-zEuIoKyTrWxVbNmPqRs",
    "PUBLIC_URL": "https://images.example.com",
    "SSL_REDIRECT": "1",
    "ENV_FILE": "",
}
PYTEST = [sys.executable, "-m", "pytest", "-q", "--dist", "loadfile", "--no-loadscope-reorder"]
BROWSER = (
    "tests/browser"  # a pass of its own: Playwright keeps an event loop in the thread, where the ORM refuses to work
)
PLAIN = ["-n", "3", f"--ignore={BROWSER}", "-p", "no:playwright"]  # a quarter of the time they wait for servers


def main() -> int:
    """Run every check and return the process's exit status."""
    if not machine.provide(["chromium", "node", "curl"]):
        return 1
    manage = [sys.executable, "manage.py"]
    checks: list[tuple[str, list[str], dict[str, str]]] = [
        ("format", [str(BIN / "ruff"), "format", "--check", "."], {}),
        ("lint", [str(BIN / "ruff"), "check", "."], {}),
        ("templates", [str(BIN / "djlint"), "--lint", "--quiet", "templates", "sandbox"], {}),
        ("scripts and styles", ["tools/biome/node_modules/.bin/biome", "check", "--error-on-warnings"], {}),
        ("types", [str(BIN / "mypy")], {}),
        ("import rules", [str(BIN / "lint-imports")], {}),
        ("migrations in step", [*manage, "makemigrations", "--check", "--dry-run"], {"ENV_FILE": ""}),
        ("production settings", [*manage, "check", "--deploy", "--fail-level", "WARNING"], PRODUCTION),
        ("tests on SQLite and the embedded Valkey", [*PYTEST, *PLAIN], {}),
    ]
    if _answers(5432) and _answers(6379):
        servers = {"DATABASE_URL": POSTGRES, "REDIS_URL": REDIS}
        checks.append(("tests on PostgreSQL and Redis", [*PYTEST, "-m", "services", *PLAIN], servers))
    else:
        print("PostgreSQL or Redis does not answer on its standard local port: no second pass.", flush=True)
    # On a busy machine a browser may miss a moment: what fails is tried again, twice at most, and named in the summary.
    checks.append(("tests in Chromium", [*PYTEST, "-n", "2", "--reruns", "2", BROWSER], {}))
    results = [(name, *_run(name, command, environment)) for name, command, environment in checks]
    print("\n" + "=" * 60)
    for name, passed, seconds in results:
        print(f"{'passed' if passed else 'FAILED':<8}{seconds:7.1f} s  {name}")
    failed = sum(not passed for _, passed, _ in results)
    print(f"checks: {len(results) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def _run(name: str, command: list[str], environment: dict[str, str]) -> tuple[bool, float]:
    print(f"\n--- {name}", flush=True)
    start = time.monotonic()
    inherited = {key: value for key, value in os.environ.items() if key not in OWN}
    result = subprocess.run(command, cwd=ROOT, env={**inherited, **environment}, stdin=subprocess.DEVNULL)
    return result.returncode == 0, time.monotonic() - start


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    sys.exit(main())
