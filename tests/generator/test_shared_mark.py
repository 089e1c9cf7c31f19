"""Machines that do not share storage find that out by the marks that workers keep there."""

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.test import Client

from accounts.models import User
from generator.files import leftovers, shared_mark
from generator.files.shared_mark import Watch
from kit import pulse
from tests.installation import wait_until

On = Callable[[str], None]


@pytest.fixture
def on(tmp_path: Path, settings: Any) -> On:
    """Go on as a machine: each has folders of its own."""

    def machine(name: str) -> None:
        settings.STORAGES = {
            **settings.STORAGES,
            **{
                alias: {
                    **settings.STORAGES[alias],
                    "OPTIONS": {"location": tmp_path / name / alias, "allow_overwrite": True},
                }
                for alias in shared_mark.STORED
            },
        }

    machine("one")
    return machine


@pytest.fixture
def worker(on: On) -> Watch:
    """A worker on machine "one" that has announced its mark."""
    made = Watch("work@one", writes=True)
    made.step()
    return made


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Callable[[Watch], None]:
    """Let a watch be this process's own."""
    return lambda watch: monkeypatch.setattr(shared_mark, "_watch", watch)


def marks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*/marks/*"))


def test_whoever_shares_storage_has_nothing_to_say(worker: Watch) -> None:
    web = Watch("web@one", writes=False)
    for _ in range(3):
        web.step()
    assert web.missing == {}
    assert shared_mark.complaints(pulse.heard()) == []


def test_a_web_process_that_does_not_see_what_a_worker_stores_says_so(
    worker: Watch, on: On, watching: Callable[[Watch], None], caplog: pytest.LogCaptureFixture
) -> None:
    on("two")
    web = Watch("web@two", writes=False)
    watching(web)
    web.step()
    assert not shared_mark.unshared()  # it is given another look
    web.step()
    assert shared_mark.unshared()
    assert web.missing == {"work@one": {"default", "private"}}
    assert shared_mark.complaints(pulse.heard()) == ["web@two does not see what work@one stores"]
    with caplog.at_level(logging.WARNING):
        web._tell()
        web._tell()
    [record] = caplog.records
    assert "images and exports that work@one stores" in record.message
    assert "S3_BUCKET" in record.message


def test_it_is_over_once_they_share(worker: Watch, on: On, caplog: pytest.LogCaptureFixture) -> None:
    on("two")
    web = Watch("web@two", writes=False)
    for _ in range(2):
        web.step()
    web._tell()
    on("one")
    web.step()
    assert web.missing == {}
    caplog.clear()
    web._tell()
    assert "again" in caplog.records[0].message


def test_workers_find_it_out_from_each_other(worker: Watch, on: On) -> None:
    """Thumbnails and exports are made of images that another worker stored."""
    on("two")
    rest = Watch("rest@two", writes=True)
    for _ in range(2):
        rest.step()
    on("one")
    for _ in range(2):
        worker.step()
    assert (set(rest.missing), set(worker.missing)) == ({"work@one"}, {"rest@two"})


def test_exports_alone_may_be_apart(worker: Watch, on: On, settings: Any, tmp_path: Path) -> None:
    apart = {**settings.STORAGES["private"], "OPTIONS": {"location": tmp_path / "elsewhere"}}
    settings.STORAGES = {**settings.STORAGES, "private": apart}
    web = Watch("web@one", writes=False)
    for _ in range(2):
        web.step()
    assert web.missing == {"work@one": {"private"}}


def test_a_worker_that_has_ended_is_missed_by_nobody(worker: Watch, on: On, tmp_path: Path) -> None:
    assert len(marks(tmp_path / "one")) == 2
    worker.remove()
    assert marks(tmp_path / "one") == []
    on("two")
    web = Watch("web@two", writes=False)
    for _ in range(2):
        web.step()
    assert web.missing == {}


def test_one_that_was_killed_is_forgotten_when_it_is_silent(
    worker: Watch, on: On, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("two")
    monkeypatch.setattr(shared_mark, "HEARD_SECONDS", 0.0)
    web = Watch("web@two", writes=False)
    for _ in range(2):
        web.step()
    assert web.missing == {}


def test_a_storage_that_cannot_be_asked_proves_nothing(worker: Watch, on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    on("two")
    web = Watch("web@two", writes=False)

    def refuse(name: str) -> bool:
        raise OSError("away")

    monkeypatch.setattr(storages["default"], "exists", refuse)
    for _ in range(3):
        with pytest.raises(OSError, match="away"):
            web.step()
    assert web.missing == {}


def test_nobody_waits_for_a_storage_that_hangs(
    worker: Watch, on: On, monkeypatch: pytest.MonkeyPatch, watching: Callable[[Watch], None]
) -> None:
    hangs = Watch("web@one", writes=False)
    asked, go_on = threading.Event(), threading.Event()

    def hang(name: str) -> bool:
        asked.set()
        return not go_on.wait(200)

    monkeypatch.setattr(storages["default"], "exists", hang)
    watching(hangs)
    hangs.start()
    try:
        assert asked.wait(60)
        began = time.monotonic()
        assert not shared_mark.unshared()
        hangs.stop(0.05)
        assert time.monotonic() - began < 60
        assert hangs._thread.is_alive()
    finally:
        go_on.set()
    hangs._thread.join()


def test_marks_of_the_killed_are_tidied_and_no_mark_is_an_image(worker: Watch, tmp_path: Path, db: None) -> None:
    [old] = (tmp_path / "one" / "default" / "marks").iterdir()
    long_ago = time.time() - (shared_mark.OLD + timedelta(hours=1)).total_seconds()
    os.utime(old, (long_ago, long_ago))
    Watch("rest@one", writes=True).step()
    assert not old.exists()
    assert leftovers.compare(repair=True).files == 0
    assert len(marks(tmp_path / "one")) == 3


def test_a_mark_is_written_anew_before_it_looks_like_one_of_those(worker: Watch, tmp_path: Path) -> None:
    assert timedelta(seconds=shared_mark.REPEAT_SECONDS) * 3 < shared_mark.OLD
    [mark] = (tmp_path / "one" / "default" / "marks").iterdir()
    os.utime(mark, (1, 1))
    worker._written_at -= shared_mark.REPEAT_SECONDS + 1
    worker.step()
    assert mark.stat().st_mtime > 1


def test_a_process_watches_on_a_thread_and_ends(worker: Watch, on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_mark, "SOON_SECONDS", 0.01)
    on("two")
    shared_mark.watch("web@two")
    try:
        wait_until(shared_mark.unshared)
    finally:
        shared_mark.stop()
    assert not shared_mark.unshared()


def test_the_admins_first_page_says_what_to_do(worker: Watch, on: On, client: Client, sam: User) -> None:
    client.force_login(sam)
    assert "does not see" not in client.get("/admin/").content.decode()
    on("two")
    web = Watch("web@two", writes=False)
    for _ in range(2):
        web.step()
    html = client.get("/admin/").content.decode()
    assert "web@two does not see what work@one stores" in html
    assert "S3_BUCKET" in html
