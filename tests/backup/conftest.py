"""What backups are made of here: Alice's images, drawn on the spot, and a folder to put the archive in."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.conf import settings as site
from django.core.management import call_command
from django.db import connection
from PIL import Image

from billing.models import Wallet
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.files import images
from generator.jobs import lifecycle
from generator.models import Generation
from reveweb.management.commands import backup as command
from tests import ROOT


@pytest.fixture(autouse=True)
def _nice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not slow down what other tests do in this process, and leave its signals alone."""
    monkeypatch.setattr(command, "os", SimpleNamespace(nice=lambda more: 0))
    monkeypatch.setattr(command, "signal", SimpleNamespace(signal=lambda *_: None, SIGTERM=15))


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the backup goes, in a folder with nothing else."""
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder / "site.tar"


@pytest.fixture
def pictures(tmp_path: Path, settings: Any) -> Path:
    """The folder of this test's images."""
    folder = tmp_path / "images"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": {"location": folder, "allow_overwrite": True}},
    }
    return folder


@pytest.fixture
def draw(wallet: Wallet, give: Callable[[int], None], pictures: Path) -> Callable[[], Generation]:
    """Make a whole image of Alice's: the file, then its row."""
    give(100)
    Wallet.objects.filter(pk=wallet.pk).update(rate_limit=100_000)
    wallet.refresh_from_db()
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(buffer, "PNG")
    data = buffer.getvalue()

    def drawn() -> Generation:
        made = admission.admit(wallet=wallet, request=ImageRequest(prompt="a lighthouse")).generation
        claimed = lifecycle.claim_submission(made.pk)
        assert claimed
        lifecycle.accepted(claimed, upstream_id=f"up-{made.pk}", poll_after=1)
        image = images.store(data, made.file_token)
        images.keep_thumbnails(made.file_token, {480: b"small"})
        lifecycle.complete(made, image=image, model="test")
        made.refresh_from_db()
        return made

    return drawn


def backup(*arguments: object) -> str:
    out = io.StringIO()
    call_command("backup", *map(str, arguments), stdout=out)
    return out.getvalue()


@dataclass
class Elsewhere:
    """An empty installation of the same kind, with the same SECRET_KEY."""

    folder: Path
    url: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "VAR_DIR": str(self.folder),
            "DATABASE_URL": self.url,
            "SECRET_KEY": site.SECRET_KEY,
        }

    def manage(self, *arguments: object, **environment: str) -> tuple[int, str]:
        """Run a command there; its exit status and all that it said."""
        typed = [sys.executable, "manage.py", *map(str, arguments)]
        done = subprocess.run(
            typed, cwd=ROOT, env={**self.environment, **environment}, capture_output=True, text=True, timeout=300
        )
        return done.returncode, done.stdout + done.stderr

    def restore(self, *arguments: object, **environment: str) -> str:
        status, said = self.manage("restore", *arguments, **environment)
        assert status == 0, said
        return said

    def refuses(self, *arguments: object, **environment: str) -> str:
        """Return the one line in which it says why not, having changed nothing."""
        status, said = self.manage("restore", *arguments, **environment)
        assert status == 1, said
        assert said.count("\n") == 1, said
        assert not list(self.folder.glob(".restore-*"))
        return said

    def ask(self, words: str) -> Any:
        """Return what an expression is there, as JSON has it."""
        known = "from billing.models import *; from generator.models import *; import json; "
        status, said = self.manage("shell", "-v", "0", "-c", f"{known}print(json.dumps({words}, default=str))")
        assert status == 0, said
        return json.loads(said)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    if connection.vendor == "sqlite":
        yield Elsewhere(folder, f"sqlite:///{folder}/reveweb.sqlite3")
        return
    known = connection.settings_dict
    server = {"host": known["HOST"] or "127.0.0.1", "port": known["PORT"] or "5432", "user": known["USER"]}
    name = f"test_restored_{os.getpid()}"
    with psycopg.connect(**server, dbname="postgres", autocommit=True) as operator:
        operator.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        operator.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield Elsewhere(folder, f"postgres://{server['user']}@{server['host']}:{server['port']}/{name}")
        finally:
            operator.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@pytest.fixture
def whole(target: Path, draw: Callable[[], Generation]) -> Path:
    """A whole backup."""
    draw()
    backup(target)
    return target
