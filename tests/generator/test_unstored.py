"""Images that storage does not take: kept on this machine, stored later, charged once, and returned at the end."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from django.core.cache import cache
from django.utils import timezone

from billing import ledger
from billing.models import CreditEntry, Wallet
from generator.files import images, marks, standing, unstored
from generator.jobs import lifecycle, sweep, worker
from generator.models import Generation
from generator.upstreams import errors
from generator.upstreams.dialect import Job
from kit import storage
from kit.storage import StorageAway
from kit.threads import in_loop, in_thread
from tests.billing.books import audit
from tests.bucket import Bucket, Trouble, running, use
from tests.generator.test_engine import ask, crash, then_crash, wait_until
from tests.generator.upstream import Upstream, drawing_with, engine_with, png

pytestmark = pytest.mark.services

Status = Generation.Status


@pytest.fixture(autouse=True)
def var(settings: Any, tmp_path: Path) -> Path:
    """Where this machine keeps what storage does not take."""
    settings.VAR_DIR = tmp_path
    return tmp_path / "unstored"


@pytest.fixture
def bucket(settings: Any) -> Iterator[Bucket]:
    """The site's storage, which has no bucket of that name until a test makes one."""
    with running() as bucket:
        use(settings, bucket)
        bucket.trouble = Trouble.NO_BUCKET
        yield bucket


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


def work(upstream: Upstream) -> None:
    """Do all that is to be done now, in a worker of its own: each time it is another process."""

    async def once() -> None:
        one = engine_with(upstream)
        await one.send_due()
        waiting = Generation.objects.filter(status=Status.DRAWING, claim="")
        await in_thread(lambda: waiting.update(due_at=timezone.now()))
        claimed = await one._look_at_some()
        await one._all_ended()
        assert claimed or not await in_thread(waiting.exists)

    in_loop(once())


def reload(generation: Generation) -> Generation:
    return Generation.objects.get(pk=generation.pk)


def marked(generation: Generation) -> bytes:
    """Return the image as it is stored."""
    return marks.stored(png(), marks.mark_of(generation))


def kept(var: Path) -> list[str]:
    return sorted(path.name for path in var.iterdir()) if var.exists() else []


TROUBLES = [
    Trouble.NO_BUCKET,
    Trouble.READ_ONLY,
    Trouble.UNKNOWN_KEY,
    Trouble.HANGS,
    Trouble.BREAKS_OFF,
    Trouble.BUSY,
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_image_that_cannot_be_stored_is_stored_later_and_charged_once(
    wallet: Wallet, upstream: Upstream, bucket: Bucket, var: Path, trouble: Trouble
) -> None:
    generation = ask(wallet)
    bucket.trouble = trouble
    work(upstream)
    waiting = reload(generation)
    assert (waiting.status, waiting.failed_polls) == (Status.DRAWING, 0)
    assert waiting.unstored_since is not None
    assert waiting.deadline_at > timezone.now() + timedelta(hours=23)
    assert kept(var) == [generation.file_token]
    bucket.trouble = None
    storage.breaker.reset()
    work(upstream)
    done = reload(generation)
    assert done.status == Status.COMPLETED
    assert bucket.objects[f"images/{images.path_of(done.file_name)}"] == marked(done)
    assert (len(upstream.sent), upstream.fetched, kept(var)) == (1, 1, [])
    assert audit(wallet) == 2


def test_it_outlives_the_deadline_of_others(wallet: Wallet, upstream: Upstream, bucket: Bucket) -> None:
    generation = ask(wallet)
    work(upstream)
    Generation.objects.update(created_at=timezone.now() - timedelta(hours=2))
    sweep.fail_stuck()
    assert reload(generation).status == Status.DRAWING


def test_at_the_end_of_patience_its_credit_returns_and_its_bytes_go(
    wallet: Wallet, upstream: Upstream, bucket: Bucket, var: Path
) -> None:
    generation = ask(wallet)
    work(upstream)
    first = reload(generation).deadline_at
    work(upstream)
    assert reload(generation).deadline_at == first  # counted from the first time
    Generation.objects.update(deadline_at=timezone.now())
    sweep.fail_stuck()
    ended = reload(generation)
    assert (ended.status, ended.error_code) == (Status.FAILED, "timed_out")
    assert audit(wallet) == 3
    assert unstored.sweep() == []
    assert kept(var) == []


@pytest.mark.parametrize("gone", [errors.Gone("gone"), errors.Unclear("500"), Job("up_1", "failed")])
def test_an_upstream_that_has_forgotten_it_takes_nothing_away(
    wallet: Wallet, upstream: Upstream, bucket: Bucket, var: Path, monkeypatch: pytest.MonkeyPatch, gone: Any
) -> None:
    async def forgotten(upstream_id: str) -> Job:
        if isinstance(gone, Exception):
            raise gone
        return gone  # type: ignore[no-any-return]

    generation = ask(wallet)
    work(upstream)
    monkeypatch.setattr(upstream, "poll", forgotten)
    data = (var / generation.file_token).read_bytes()
    (var / generation.file_token).unlink()  # this is another machine
    for _ in range(worker.MAX_FAILED_POLLS + 1):
        work(upstream)
        assert reload(generation).status == Status.DRAWING
    (var / generation.file_token).write_bytes(data)  # the one that has it comes back
    bucket.trouble = None
    work(upstream)
    assert reload(generation).status == Status.COMPLETED
    assert audit(wallet) == 2


def test_where_its_machine_is_gone_it_is_fetched_again(
    wallet: Wallet, upstream: Upstream, bucket: Bucket, var: Path
) -> None:
    generation = ask(wallet)
    work(upstream)
    (var / generation.file_token).unlink()
    bucket.trouble = None
    work(upstream)
    assert (reload(generation).status, upstream.fetched, len(upstream.sent)) == (Status.COMPLETED, 2, 1)


def test_bytes_that_a_disk_has_spoilt_are_fetched_again(
    wallet: Wallet, upstream: Upstream, bucket: Bucket, var: Path
) -> None:
    generation = ask(wallet)
    work(upstream)
    (var / generation.file_token).write_bytes(b"spoilt")
    bucket.trouble = None
    work(upstream)
    work(upstream)
    assert (reload(generation).status, upstream.fetched) == (Status.COMPLETED, 2)


def test_without_room_here_it_waits_all_the_same_and_nothing_more_is_sent(
    wallet: Wallet, upstream: Upstream, bucket: Bucket, var: Path, settings: Any
) -> None:
    settings.UNSTORED_MAX_BYTES = len(png()) + 1000  # for one, as it is marked
    first, second = ask(wallet), ask(wallet)
    work(upstream)
    assert len(kept(var)) == 1
    assert {reload(one).status for one in (first, second)} == {Status.DRAWING}

    async def refused() -> int:
        one = engine_with(upstream)
        one.worker._full_until = float("inf")
        await in_thread(lambda: ask(wallet))
        return await one._send_some()

    assert in_loop(refused()) == 0
    Generation.objects.filter(status=Status.QUEUED).delete()
    bucket.trouble = None
    work(upstream)
    assert {reload(one).status for one in (first, second)} == {Status.COMPLETED}
    assert upstream.fetched == 3


def test_a_disk_that_is_full_or_read_only_loses_nothing(
    wallet: Wallet, upstream: Upstream, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation = ask(wallet)
    with monkeypatch.context() as patch:
        patch.setattr("generator.files.unstored.os.fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "full")))
        work(upstream)
    assert reload(generation).unstored_since is not None
    bucket.trouble = None
    work(upstream)
    assert reload(generation).status == Status.COMPLETED


def test_storage_on_this_machine_that_is_full_is_no_other_case(
    wallet: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch, images: None
) -> None:
    def full(*_: Any) -> None:
        raise StorageAway("the disk is full: make room")

    generation = ask(wallet)
    with monkeypatch.context() as patch:
        patch.setattr("generator.files.images.keep", full)
        work(upstream)
    assert reload(generation).unstored_since is not None
    work(upstream)
    assert reload(generation).status == Status.COMPLETED


# --- A worker that dies between any two steps -------------------------------------------------------------------

WHILE_IT_IS_KEPT = {
    "not stored and not kept": (unstored, "put", lambda step: crash),
    "kept and not written down": (unstored, "put", then_crash),
    "about to be written down": (lifecycle, "wait_for_storage", lambda step: crash),
    "written down": (lifecycle, "wait_for_storage", then_crash),
}
WHILE_IT_IS_STORED = {
    "claimed again": (unstored, "has", lambda step: crash),
    "read again": (unstored, "get", then_crash),
    "stored and not completed": (images, "keep", then_crash),
    "about to be completed": (lifecycle, "complete_all", lambda step: crash),
    "completed without its credit": (ledger, "settle", lambda step: crash),
    "completed and not told": (lifecycle, "complete_all", then_crash),
    "completed and not removed here": (unstored, "drop", lambda step: crash),
}


def run_into(upstream: Upstream, where: Any, name: str, crashing: Callable[..., Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, crashing(getattr(where, name)))
        work_anyway(upstream)
    Generation.objects.filter(status__in=Generation.UNFINISHED).update(due_at=timezone.now(), claim="")


def work_anyway(upstream: Upstream) -> None:
    async def once() -> None:
        one = engine_with(upstream)
        await one.send_due()
        waiting = Generation.objects.filter(status=Status.DRAWING)
        await in_thread(lambda: waiting.update(due_at=timezone.now()))
        await one._look_at_some()
        await one._all_ended()

    in_loop(once())


@pytest.mark.parametrize("step", [*WHILE_IT_IS_KEPT, *WHILE_IT_IS_STORED])
def test_a_crash_anywhere_loses_nothing_and_charges_once(
    wallet: Wallet, upstream: Upstream, bucket: Bucket, var: Path, step: str, unlogged: None
) -> None:
    generation = ask(wallet)
    if step in WHILE_IT_IS_STORED:
        work(upstream)
        bucket.trouble = None
        run_into(upstream, *WHILE_IT_IS_STORED[step])
    else:
        run_into(upstream, *WHILE_IT_IS_KEPT[step])
        bucket.trouble = None
    sweep.fail_stuck()
    work_anyway(upstream)
    done = reload(generation)
    assert done.status == Status.COMPLETED
    assert len(upstream.sent) == 1
    assert list(bucket.objects) == [f"images/{images.path_of(done.file_name)}"]
    assert CreditEntry.objects.filter(kind=CreditEntry.Kind.HOLD).count() == 1
    assert audit(wallet) == 2
    unstored.sweep()
    assert kept(var) == []


# --- What a running worker does by itself ------------------------------------------------------------------------


def test_a_worker_stores_what_waits_as_soon_as_storage_is_back(
    wallet: Wallet, upstream: Upstream, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "STORE_AGAIN_SECONDS", (600.0, 600.0))  # only the look at the storage brings it forward
    monkeypatch.setattr(standing, "TROUBLED_PAUSE_SECONDS", 0.1)
    generation = ask(wallet)
    with drawing_with(upstream):
        wait_until(lambda: reload(generation).unstored_since is not None)
        wait_until(lambda: bool(cache.get("storage-trouble")))
        bucket.trouble = None
        wait_until(lambda: reload(generation).status == Status.COMPLETED)
    assert cache.get("storage-trouble") is None
    assert audit(wallet) == 2


def test_while_trouble_is_known_only_one_of_all_is_offered(
    wallet: Wallet, upstream: Upstream, bucket: Bucket, give: Callable[[int], None]
) -> None:
    give(10)
    for _ in range(6):
        ask(wallet)
    work(upstream)
    standing.examine()
    asked = len(bucket.asked)
    work(upstream)
    assert len(bucket.asked) == asked + 1
    bucket.trouble = None
    standing.examine()
    work(upstream)
    assert not Generation.objects.exclude(status=Status.COMPLETED).exists()


def test_a_key_that_may_not_delete_leaves_one_mark(bucket: Bucket) -> None:
    bucket.trouble = Trouble.NO_DELETE
    assert {standing.examine() for _ in range(3)} == {storage.words_of(Refused())}
    assert len(bucket.objects) == 1


class Refused(Exception):
    response: ClassVar = {"Error": {"Code": "AccessDenied"}}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_look_finds_each_trouble_and_tells_other_processes(
    bucket: Bucket, trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.trouble = trouble
    for _ in range(3):
        words = standing.examine()
    assert words
    told = [record for record in caplog.records if record.name == "generator.files.standing"]
    assert len(told) == 1  # once, and not with each look
    assert images.storage_trouble() == words
    standing.forget()  # another process
    storage.breaker.reset()
    wait_until(lambda: images.storage_trouble() == words)
    bucket.trouble = None
    assert standing.examine() is None
    assert images.storage_trouble() is None
    assert bucket.objects == {}  # no mark is left


def test_what_another_worker_still_sees_stays_told(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(standing, "_name", lambda: "another")
        words = standing.examine()
    bucket.trouble = None
    standing.examine()
    assert images.storage_trouble() == words


def test_asking_for_trouble_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def stalls(*_: Any) -> None:
        asked.set()
        go_on.wait(200)

    monkeypatch.setattr(standing, "cache", SimpleNamespace(get=stalls))
    began = time.monotonic()
    assert [images.storage_trouble() for _ in range(100)] == [None] * 100
    assert time.monotonic() - began < 60
    assert asked.wait(60)
    go_on.set()
