"""Single processes of an installation, started by the documented commands, on the databases of a test's own."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from django.db import connection

from tests import ROOT, prepared
from tests.environment import free_port, stop, wait_for_port


def database_url() -> str:
    """The address of the database that this test process uses."""
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{known['NAME']}"
    return f"postgres://{known['USER']}@{known['HOST']}:{known['PORT'] or 5432}/{known['NAME']}"


@contextlib.contextmanager
def running(*command: str, folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `manage.py COMMAND` for as long as the block takes; what it says is in `folder`, by the command's name."""
    own = {**os.environ, "DATABASE_URL": database_url(), "PYTHONUNBUFFERED": "1", **environment}
    with (folder / f"{'-'.join(command)}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=own, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        yield process
    finally:
        stop(process)


@contextlib.contextmanager
def web(folder: Path, **environment: str) -> Iterator[str]:
    """Serve the site for as long as the block takes; its address."""
    prepared.collect_static()
    port = free_port()
    with running("serve", folder=folder, PORT=str(port), DRAIN_SECONDS="0", **environment):
        wait_for_port(port, 60)
        yield f"http://127.0.0.1:{port}"
