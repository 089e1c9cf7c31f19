"""`manage.py backup`: one moment of the database and every image that it names, whole or not at all."""

import csv
import hashlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.core.files.storage import storages
from django.core.management import CommandError
from django.db import connection, connections
from django.utils import timezone

from generator.files import images
from generator.models import Generation
from reveweb.backup import archive, making, programs
from tests import ROOT
from tests.backup.conftest import backup
from tests.installation import wait_until

COPY = "operator_backup_copy"
pytestmark = pytest.mark.services


def unpacked(target: Path) -> Path:
    """Unpack a backup and compare each file with its digest."""
    folder = target.parent / "unpacked"
    with tarfile.open(target) as tar:
        tar.extractall(folder, filter="data")
    lines = (folder / archive.SUMS).read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files - set(sums) == {archive.SUMS}
    return folder


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Callable[[str], list[tuple[Any, ...]]], str]]:
    """Put the copy of the database back beside the site's; give a way to ask it, and its address."""
    if connection.vendor == "sqlite":
        path = folder / "database.sqlite3"
        with closing(sqlite3.connect(path)) as copy:
            yield lambda query: copy.execute(query).fetchall(), f"sqlite:///{path}"
        return
    server = server_of_tests()
    with psycopg.connect(**server, dbname="postgres", autocommit=True) as operator:
        operator.execute(f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")
        operator.execute(f"CREATE DATABASE {COPY}")
        try:
            address = f"postgresql://{server['user']}@{server['host']}:{server['port']}/{COPY}"
            restore = ["pg_restore", "--exit-on-error", "--no-owner", "--dbname", address]
            subprocess.run([*restore, str(folder / "database.dump")], check=True)
            with psycopg.connect(address) as postgres:
                yield (
                    lambda query: postgres.execute(query.encode()).fetchall(),
                    address.replace("postgresql", "postgres"),
                )
        finally:
            operator.execute(f"DROP DATABASE IF EXISTS {COPY} WITH (FORCE)")


def server_of_tests() -> dict[str, Any]:
    known = connection.settings_dict
    return {"host": known["HOST"] or "127.0.0.1", "port": known["PORT"] or "5432", "user": known["USER"]}


def test_twelve_images_made_meanwhile_are_there_with_their_rows(target: Path, draw: Callable[[], Generation]) -> None:
    """The copy has what was made before, whole; and of what is made meanwhile only rows whose files it has too."""
    before = [draw() for _ in range(12)]
    done, made = threading.Event(), list[int]()

    def go_on() -> None:
        while not done.is_set() and len(made) < 80:
            made.append(draw().pk)
        connection.close()

    painter = threading.Thread(target=go_on)
    painter.start()
    try:
        wait_until(lambda: len(made) > 1)
        said = backup(target)
    finally:
        done.set()
        painter.join()
    assert "readable by you alone" in said
    folder = unpacked(target)
    manifest = json.loads((folder / "manifest.json").read_text())
    with opened(folder) as (ask, address):
        rows = dict(ask("SELECT id, file_token FROM generator_generation WHERE status = 'completed'"))
        assert {image.pk for image in before} < set(rows) <= {image.pk for image in before} | set(made)
        assert {path.stem for path in folder.glob("images/*/*.png")} == set(rows.values())
        assert len(list(folder.glob("images/*/*_480.webp"))) == len(rows) == manifest["images"]["files"]
        assert manifest["images"]["missing"] == 0
        for table, count in manifest["database"]["rows"].items():
            assert ask(f"SELECT count(*) FROM {table}") == [(count,)], table
        proof = [sys.executable, "manage.py", "audit_ledger"]
        environment = {**os.environ, "DATABASE_URL": address, "VAR_DIR": str(target.parent)}
        subprocess.run(proof, cwd=ROOT, env=environment, check=True, capture_output=True)


def test_only_its_owner_reads_it_and_nothing_else_is_left(target: Path, draw: Callable[[], Generation]) -> None:
    draw()
    backup(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(target.parent.iterdir()) == [target]


def test_no_secret_of_the_environment_is_in_it(target: Path, alice: Any, settings: Any, pictures: Path) -> None:
    backup(target)
    everything = b"".join(path.read_bytes() for path in unpacked(target).rglob("*") if path.is_file())
    assert settings.SECRET_KEY.encode() not in everything


def test_what_was_deleted_for_good_is_not_looked_for(target: Path, draw: Callable[[], Generation]) -> None:
    kept, purged, lost = draw(), draw(), draw()
    Generation.objects.filter(pk=purged.pk).update(deleted_at=timezone.now(), purged_at=timezone.now())
    for image in (purged, lost):
        images.delete(image.file_token)
    said = backup(target)
    folder = unpacked(target)
    assert [path.stem for path in folder.glob("images/*/*.png")] == [kept.file_token]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["images"]["first_missing"] == [images.path_of(lost.file_name)]
    assert "1 have no file" in said


def test_what_else_is_nowhere_else_is_kept_and_images_are_left_out_on_request(
    target: Path, draw: Callable[[], Generation], tmp_path: Path, settings: Any
) -> None:
    draw()
    settings.VAR_DIR = tmp_path
    (tmp_path / "own" / "img").mkdir(parents=True)
    (tmp_path / "own" / "img" / "logo.svg").write_text("<svg/>")
    (tmp_path / "private" / "uploads" / "ab").mkdir(parents=True)
    (tmp_path / "private" / "uploads" / "ab" / "abc.png").write_bytes(b"brought")
    (tmp_path / "private" / "export.zip").write_bytes(b"can be asked for again")
    (tmp_path / "unstored").mkdir()
    (tmp_path / "unstored" / "abc").write_bytes(b"drawn, and paid for")
    backup(target, "--without-images")
    folder = unpacked(target)
    assert (folder / "own" / "img" / "logo.svg").read_text() == "<svg/>"
    assert (folder / "unstored" / "abc").read_bytes() == b"drawn, and paid for"
    assert (folder / "private" / "uploads" / "ab" / "abc.png").read_bytes() == b"brought"
    assert not (folder / "private" / "export.zip").exists()
    assert not (folder / "images").exists()


def test_what_storage_takes_while_images_are_read_is_kept(
    target: Path, draw: Callable[[], Generation], tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw()
    settings.VAR_DIR = tmp_path
    (tmp_path / "unstored").mkdir()
    waits = tmp_path / "unstored" / "abc"
    waits.write_bytes(b"drawn, and paid for")
    real = making._keep_images

    def taken(*given: Any) -> making.Images:
        waits.unlink()
        return real(*given)

    monkeypatch.setattr(making, "_keep_images", taken)
    backup(target)
    assert (unpacked(target) / "unstored" / "abc").read_bytes() == b"drawn, and paid for"


@pytest.mark.parametrize("name", ["site.tar.gz", "site.tgz"])
def test_it_is_compressed_where_the_name_says_so(target: Path, alice: Any, pictures: Path, name: str) -> None:
    target = target.with_name(name)
    backup(target)
    assert target.read_bytes()[:2] == b"\x1f\x8b"
    assert unpacked(target)


def test_of_a_bucket_it_keeps_the_list(target: Path, alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def objects(Prefix: str) -> list[SimpleNamespace]:  # noqa: N803 (boto3's word)
        asked.append(Prefix)
        found = {"size": 7, "e_tag": '"abc"', "last_modified": timezone.now()}
        return [SimpleNamespace(key=f"{Prefix}ab/abc.png", **found)]

    bucket = SimpleNamespace(location="images", bucket=SimpleNamespace(objects=SimpleNamespace(filter=objects)))
    monkeypatch.setitem(vars(storages)["_storages"], "default", bucket)
    assert "have the bucket keep versions" in backup(target)
    [head, row] = csv.reader((unpacked(target) / "bucket.csv").read_text().splitlines())
    assert (head[:3], row[:3]) == (["key", "bytes", "etag"], ["images/ab/abc.png", "7", "abc"])
    assert asked == ["images/"]


def test_what_was_killed_long_ago_goes(target: Path, alice: Any, tmp_path: Path, pictures: Path, settings: Any) -> None:
    """Whatever still writes into its draft, or began less than a day ago, is left alone; and what is not ours."""
    settings.VAR_DIR = tmp_path / "var"
    names = [".backup-dead", ".restore-dead", ".backup-alive", ".restore-new", ".another"]
    long_ago = time.time() - 90_000
    for name in names:
        (settings.VAR_DIR / name).mkdir(parents=True)
        for path in (settings.VAR_DIR / name / "database.dump", settings.VAR_DIR / name):
            path.touch()
            if name != ".restore-new":
                os.utime(path, (long_ago, long_ago))
    os.utime(settings.VAR_DIR / ".backup-alive" / "database.dump")
    backup(target)
    assert {path.name for path in settings.VAR_DIR.glob(".*")} == {*names[2:]}


# --- What is refused


@pytest.mark.parametrize("name", ["site.zip", "site", ".tar"])
def test_another_kind_of_file_is_refused(target: Path, alice: Any, name: str) -> None:
    refused(target.with_name(name), "must end in .tar")


def test_no_backup_overwrites_another(target: Path, alice: Any) -> None:
    target.write_text("last night's")
    refused(target, "is there already")
    assert target.read_text() == "last night's"


def test_one_that_came_to_be_meanwhile_is_kept_too(
    target: Path, alice: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_keep_tree", lambda *_: target.write_text("another's"))
    refused(target, "came to be meanwhile")
    assert target.read_text() == "another's"
    assert list(target.parent.iterdir()) == [target]


def test_a_folder_that_is_missing_is_named(target: Path, alice: Any) -> None:
    refused(target.parent / "nowhere" / "site.tar", "nowhere is no folder")


@pytest.mark.parametrize("trouble", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_half_written_one_is_never_found(
    target: Path, draw: Callable[[], Generation], monkeypatch: pytest.MonkeyPatch, trouble: BaseException
) -> None:
    draw()

    def full(*_: Any) -> None:
        raise trouble

    monkeypatch.setattr(making, "_keep_tree", full)
    if isinstance(trouble, OSError):
        refused(target, "No space left on device")
    else:
        with pytest.raises(KeyboardInterrupt):
            backup(target)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(("there", "said"), [(None, "not on PATH"), ("pg_dump (PostgreSQL) 9.6.24", "too old")])
def test_a_pg_dump_that_cannot_is_named(
    target: Path, alice: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: str | None, said: str
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL needs it")
    folder = tmp_path / "bin"
    folder.mkdir()
    if there:
        (folder / "pg_dump").write_text(f"#!/bin/sh\necho '{there}'\n")
        (folder / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder) if there is None else f"{folder}:{os.environ['PATH']}")
    refused(target, said)


def test_pg_dump_gets_the_password_and_how_to_connect_where_nobody_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever DATABASE_URL says goes along, and a command line is for everybody on the machine."""
    given = {"host": "db", "port": 5433, "user": "u", "password": "p w", "dbname": "d", "sslmode": "verify-full"}
    params = {**given, "options": "-c search_path=x", "keepalives_idle": 30, "cursor_factory": object, "context": None}
    monkeypatch.setattr(connections["default"], "get_connection_params", lambda: params)
    environment, named = programs.as_libpq()
    assert environment == {
        "PGHOST": "db",
        "PGPORT": "5433",
        "PGUSER": "u",
        "PGPASSWORD": "p w",
        "PGDATABASE": "d",
        "PGSSLMODE": "verify-full",
        "PGOPTIONS": "-c search_path=x",
    }
    assert named == "keepalives_idle=30"


def test_a_backup_of_no_site_says_so(target: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "VAR_DIR": str(tmp_path / "elsewhere"), "DATABASE_URL": ""}
    typed = [sys.executable, "manage.py", "backup", str(target)]
    done = subprocess.run(typed, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert not target.exists()


def refused(target: Path, words: str) -> None:
    with pytest.raises(CommandError) as error:
        backup(target)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
