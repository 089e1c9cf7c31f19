"""The environment that tests run in, set before Django reads its settings (loaded by `-p` in pyproject.toml).

Nothing of the developer's own configuration or of their `var/` is touched. The embedded Valkey and the sandbox run as
real processes on free ports for as long as the session lasts; `DATABASE_URL` and `REDIS_URL` may name other servers.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OWN = {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"}  # what a test run may take from outside

_processes: list[subprocess.Popen[bytes]] = []


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 15) -> None:
    """Return once something listens on loopback `port`. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


def stop(process: subprocess.Popen[bytes], seconds: float = 15) -> None:
    """End a process that the tests started."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


VAR_DIR = Path(tempfile.mkdtemp(prefix="reveweb-test-"))
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
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
)
for name in NEUTRAL:
    os.environ.pop(name, None)
os.environ |= {
    "ENV_FILE": "",
    "VAR_DIR": str(VAR_DIR),
    "REVE_API_URL": f"http://127.0.0.1:{SANDBOX_PORT}",
    "SANDBOX_PICTURES": "plain",
    "SANDBOX_SECONDS": "0",
    "STRIPE_API_BASE": f"http://127.0.0.1:{SANDBOX_PORT}",
}


def pytest_configure(config: pytest.Config) -> None:
    from reveweb.run.embedded import valkey_server

    if config.getoption("numprocesses", None) and not WORKER:
        return  # the controller runs no test
    if EMBEDDED_VALKEY_PORT:
        options = ["--port", str(EMBEDDED_VALKEY_PORT), "--bind", "127.0.0.1", "--save", "", "--dir", str(VAR_DIR)]
        _start([str(valkey_server()), *options], {})
        wait_for_port(EMBEDDED_VALKEY_PORT)
    sandbox = {"SANDBOX_PORT": str(SANDBOX_PORT), "SANDBOX_DIR": str(VAR_DIR / "sandbox")}
    _start([sys.executable, "-m", "sandbox"], sandbox)


def pytest_unconfigure(config: pytest.Config) -> None:
    for process in _processes:
        stop(process)
    shutil.rmtree(VAR_DIR, ignore_errors=True)


def pytest_report_header(config: pytest.Config) -> list[str]:
    database = os.environ.get("DATABASE_URL", "SQLite")
    broker = "the embedded Valkey" if EMBEDDED_VALKEY_PORT else os.environ["REDIS_URL"]
    return [f"database: {database}", f"broker, limits, wake-ups: {broker}"]


def _start(command: list[str], environment: dict[str, str]) -> None:
    log = (VAR_DIR / f"{Path(command[-1]).name}.log").open("wb")
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log)
    log.close()
    _processes.append(process)
