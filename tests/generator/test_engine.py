"""The engine under load and in trouble: what hangs holds up nothing else, and everything ends."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.ask import admission
from generator.errors import ImageUnreachable
from generator.files import images as stored_images
from generator.jobs import engine, lifecycle, rows, tasks
from generator.jobs.attempts import State
from generator.models import Generation, UpstreamTrouble
from generator.upstreams import errors, transport, trouble
from generator.upstreams.dialect import Job
from kit.threads import in_loop, in_thread
from tests import ROOT
from tests.billing.books import audit
from tests.generator.upstream import Upstream, drawing_with, engine_with

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]

Status = Generation.Status


@pytest.fixture
def upstream(settings: Any) -> Upstream:
    settings.UPSTREAM_TYPICAL_SECONDS = 0.15
    return Upstream()


@pytest.fixture
def other(bob: User) -> Wallet:
    return ledger.wallet_of(bob.pk)


def ask(wallet: Wallet, prompt: str = "a lighthouse") -> Generation:
    return admission.admit(wallet=wallet, request=admission.ImageRequest(prompt=prompt)).generation


def queue(wallet: Wallet, count: int, **fields: Any) -> list[Generation]:
    """Put rows there of which none will end, so they need no credits."""
    deadline = timezone.now() + timedelta(minutes=10)
    made = [Generation(wallet=wallet, prompt=f"slow {n}", deadline_at=deadline, **fields) for n in range(count)]
    return Generation.objects.bulk_create(made)


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "it never came"
        time.sleep(0.01)


def has_ended(generation: Generation) -> Callable[[], bool]:
    return lambda: Generation.objects.get(pk=generation.pk).is_final


def reload(generation: Generation) -> Generation:
    return Generation.objects.get(pk=generation.pk)


# --- Many at once ----------------------------------------------------------------------------------------------


def test_submits_that_hang_hold_up_nobody_else(
    wallet: Wallet, other: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand of one account; another's image is sent, looked at, fetched and done meanwhile."""
    monkeypatch.setattr(engine, "ending_seconds", lambda: 0.0)
    upstream.submit_seconds = lambda prompt: 250 if prompt.startswith("slow") else 0
    queue(wallet, 1000)
    with drawing_with(upstream):
        wait_until(lambda: upstream.asked_at_once >= engine.SUBMITS_AT_ONCE // 2)
        late = ask(other)
        wait_until(has_ended(late))  # long before those have
        assert reload(late).status == Status.COMPLETED
        assert upstream.asked_at_once == engine.SUBMITS_AT_ONCE // 2


def test_looks_without_an_answer_hold_up_no_submit(
    wallet: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ending_seconds", lambda: 0.0)
    upstream.look_seconds = 250
    queue(wallet, 300, status=Status.DRAWING)
    with drawing_with(upstream):
        wait_until(lambda: upstream.asked_at_once == engine.LOOKS_AT_ONCE)
        ask(wallet)
        wait_until(lambda: bool(upstream.sent))  # long before those have ended


def test_of_very_many_looks_due_at_once_each_is_made_once(
    wallet: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slower than a lease lasts. With more in hand than there are connections they were due again before an answer."""
    monkeypatch.setattr(lifecycle, "LEASE", timedelta(seconds=1.9))
    monkeypatch.setattr(Upstream, "answer", lambda self, name, _: Job(id=name, state="pending"))
    monkeypatch.setattr("generator.jobs.rhythm.Rhythm.after", lambda *_: 60.0)
    upstream.look_seconds = 0.4
    for number, generation in enumerate(queue(wallet, 700, status=Status.DRAWING)):
        Generation.objects.filter(pk=generation.pk).update(upstream_id=f"up_{number}")
    with drawing_with(upstream):
        wait_until(lambda: len(upstream.looks) == 700)
        wait_until(lambda: not Generation.objects.filter(due_at__lte=timezone.now()).exists())
    assert set(upstream.looks.values()) == {1}
    assert upstream.most_at_once <= engine.LOOKS_AT_ONCE


def test_there_are_connections_for_all_that_is_in_hand() -> None:
    assert engine.SUBMITS_AT_ONCE + engine.LOOKS_AT_ONCE <= transport.CONNECTIONS


def test_an_image_of_an_idle_account_is_not_behind_a_backlog(
    wallet: Wallet, other: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ending_seconds", lambda: 0.0)
    upstream.submit_seconds = lambda prompt: 0.2
    queue(wallet, 1000)
    late = ask(other, "late")
    with drawing_with(upstream):
        wait_until(lambda: "late" in upstream.sent)
        assert upstream.sent.index("late") <= engine.CLAIMS_AT_ONCE
        wait_until(has_ended(late))


BURST = """
import sys, threading, time
import django
django.setup()
from django.db import connections
from generator.jobs import tasks
from generator.models import Generation
from django.conf import settings
from tests.generator.upstream import Upstream, drawing_with

def others():  # what Celery's threads do meanwhile
    while not ended.wait(0.2):
        tasks.sweep()
        tasks.purge_trash()
        connections.close_all()

ended = threading.Event()
threads = [threading.Thread(target=others) for _ in range(settings.TASK_THREADS + 1)]
for thread in threads: thread.start()
upstream = Upstream()
upstream.look_seconds = 0.05
with drawing_with(upstream):
    until = time.monotonic() + 200
    while Generation.objects.filter(status__in=Generation.UNFINISHED).exists() and time.monotonic() < until:
        connections.close_all()
        time.sleep(0.1)
ended.set()
for thread in threads: thread.join()
print(settings.DATABASE_CONNECTIONS, len(upstream.sent), len(upstream.looks))
"""


def test_with_two_connections_a_burst_of_500_ends(wallet: Wallet, give: Callable[[int], None], tmp_path: Path) -> None:
    """No thread waits for the upstream, or for another thread, with a connection in its hand."""
    if connection.vendor == "sqlite":
        pytest.skip("it has no pool")
    give(500)
    Wallet.objects.filter(pk=wallet.pk).update(rate_limit=1000)
    wallet.refresh_from_db()
    admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="x", count=500))
    name = connection.settings_dict["NAME"]
    at = f"{connection.settings_dict['HOST']}:{connection.settings_dict['PORT'] or 5432}"
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgres://postgres@{at}/{name}",
        "DATABASE_POOL_SIZE": "2",
        "UPSTREAM_TYPICAL_SECONDS": "0.2",
        "VAR_DIR": str(tmp_path),
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": "reveweb.settings",
    }
    done = subprocess.run([sys.executable, "-c", BURST], env=environment, cwd=ROOT, capture_output=True, timeout=250)
    assert done.stdout.split() == [b"2", b"500", b"500"], done.stderr.decode()[-2000:]
    assert set(Generation.objects.values_list("status", flat=True)) == {Status.COMPLETED}
    assert audit(wallet) == 3


# --- Leases, and ends ------------------------------------------------------------------------------------------


def test_what_is_in_hand_stays_so_for_as_long_as_it_takes(
    wallet: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "LEASE", timedelta(seconds=2.3))
    upstream.submit_seconds = lambda prompt: 2.5
    generation = ask(wallet)

    def looked_at() -> bool:
        tasks.sweep()
        return bool(upstream.looks)

    with drawing_with(upstream):
        wait_until(looked_at)
        wait_until(has_ended(generation))
    assert reload(generation).status == Status.COMPLETED
    assert upstream.sent == [generation.prompt]


def test_a_worker_that_is_told_to_end_waits_for_what_it_sends(wallet: Wallet, upstream: Upstream) -> None:
    """Its id would be lost, and the image with it."""
    upstream.submit_seconds = lambda prompt: 0.5
    generation = ask(wallet)
    with drawing_with(upstream):
        wait_until(lambda: bool(upstream.sent))
    assert reload(generation).status == Status.DRAWING


def test_what_a_worker_that_ends_has_not_begun_to_send_is_anothers_at_once(wallet: Wallet, upstream: Upstream) -> None:
    """Claimed, and on its way to a connection: nobody waits until the claim lapses, and nothing is tried in vain."""
    generation = ask(wallet)
    with drawing_with(upstream) as running:
        upstream.submit_seconds = lambda prompt: 0.5
        upstream.on_submit = lambda prompt: transport.before_sending.get()()
        wait_until(lambda: bool(upstream.sent))
        running.close()
        running.join()
    found = reload(generation)
    assert (found.status, found.claim, found.error_code) == (Status.QUEUED, "", "")
    assert found.due_at <= timezone.now()
    assert list(found.attempts.values_list("state", flat=True)) == [State.NOT_TAKEN]
    upstream.submit_seconds, upstream.on_submit = lambda prompt: 0.0, lambda prompt: None
    with drawing_with(upstream):
        wait_until(has_ended(generation))
    assert reload(generation).status == Status.COMPLETED


def test_a_worker_that_is_hastened_waits_for_nothing(wallet: Wallet, upstream: Upstream) -> None:
    upstream.submit_seconds = lambda prompt: 30.0
    ask(wallet)
    with drawing_with(upstream) as running:
        wait_until(lambda: bool(upstream.sent))
        running.close()
        began = time.monotonic()
        running.hasten()
        running.join()
        assert time.monotonic() - began < 5


def test_a_worker_that_ends_lets_go_of_what_it_looks_at(
    wallet: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ending_seconds", lambda: 0.1)
    upstream.look_seconds = 25
    generation = ask(wallet)
    with drawing_with(upstream):
        wait_until(lambda: bool(upstream.looks))
    found = reload(generation)
    assert (found.status, found.claim) == (Status.DRAWING, "")
    assert found.due_at <= timezone.now()


# --- A crash between any two steps -----------------------------------------------------------------------------


class Crash(Exception):
    """The worker is gone: nothing after this is done."""


def crash(*_: Any, **__: Any) -> Any:
    raise Crash


async def crash_soon(*_: Any, **__: Any) -> Any:
    raise Crash


def then_crash(step: Callable[..., Any]) -> Callable[..., Any]:
    def done(*arguments: Any, **options: Any) -> Any:
        step(*arguments, **options)
        raise Crash

    return done


BEFORE_IT_IS_ACCEPTED = {
    "claimed and not sent": (Upstream, "submit", lambda step: crash_soon),
    "sent and not written down": (lifecycle, "accept", lambda step: crash),
}
AFTERWARDS = {
    "accepted": (lifecycle, "accept", then_crash),
    "claimed for a look": (Upstream, "poll", lambda step: crash_soon),
    "drawn and not fetched": (Upstream, "download", lambda step: crash_soon),
    "fetched and not verified": (stored_images, "verify", lambda step: crash),
    "verified and not stored": (stored_images, "keep", lambda step: crash),
    "stored and not completed": (stored_images, "keep", then_crash),
    "about to be completed": (lifecycle, "complete_all", lambda step: crash),
    "completed without its credit": (ledger, "settle", lambda step: crash),
    "completed and not told": (lifecycle, "complete_all", then_crash),
}


def run_into(upstream: Upstream, where: Any, name: str, crashing: Any, unlogged: None = None) -> None:
    """Have a worker do what it can before it crashes there; then its claims lapse."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, crashing(getattr(where, name)))
        work(upstream)
    Generation.objects.filter(status__in=Generation.UNFINISHED).update(due_at=timezone.now())


def work(upstream: Upstream) -> None:
    """Send and look at what is due, in a worker of its own."""

    async def once() -> None:
        worker = engine_with(upstream)
        await worker.send_due()
        waiting = Generation.objects.filter(status=Status.DRAWING, claim="")
        await in_thread(lambda: waiting.update(due_at=timezone.now()))
        await worker.look_at_due()

    in_loop(once())


@pytest.mark.parametrize("step", BEFORE_IT_IS_ACCEPTED)
def test_a_crash_while_it_is_sent_fails_it_and_never_sends_it_again(
    wallet: Wallet, upstream: Upstream, step: str, unlogged: None
) -> None:
    generation = ask(wallet)
    run_into(upstream, *BEFORE_IT_IS_ACCEPTED[step])
    tasks.sweep()
    work(upstream)
    assert len(upstream.sent) <= 1
    assert (reload(generation).status, reload(generation).error_code) == (Status.FAILED, "upstream_failed")
    assert audit(wallet) == 3


@pytest.mark.parametrize("step", AFTERWARDS)
def test_a_crash_later_on_is_taken_up_by_the_next_worker(
    wallet: Wallet, upstream: Upstream, tmp_path: Path, step: str, unlogged: None
) -> None:
    generation = ask(wallet)
    run_into(upstream, *AFTERWARDS[step])
    tasks.sweep()
    work(upstream)
    assert len(upstream.sent) == 1
    assert reload(generation).status == Status.COMPLETED
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [reload(generation).file_name]
    assert audit(wallet) == 2


# --- Others are away -------------------------------------------------------------------------------------------


def test_an_answer_is_kept_until_the_database_takes_it(
    wallet: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id that is lost is an image that is lost."""
    failures = [OperationalError("the server is restarting")] * 2
    change = rows.change_each

    def away(*arguments: Any, **options: Any) -> set[int]:
        if failures:
            raise failures.pop()
        return change(*arguments, **options)

    generation = ask(wallet)
    monkeypatch.setattr(lifecycle, "change_each", away)
    work(upstream)
    assert not failures
    assert reload(generation).status == Status.COMPLETED


def test_without_redis_images_are_drawn_all_the_same(
    wallet: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise redis.ConnectionError

    monkeypatch.setattr("kit.pulse.beat", away)
    monkeypatch.setattr("kit.wakeups._publisher", away)
    monkeypatch.setattr("generator.live._Hub.dispatch", away)
    with drawing_with(upstream):
        generation = ask(wallet)
        wait_until(has_ended(generation))


def test_a_worker_says_that_it_lives_and_when_it_gets_something_done(
    wallet: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr("kit.pulse.beat", heard.append)
    monkeypatch.setattr(engine, "PULSE_SECONDS", 0.05)
    with drawing_with(upstream):
        wait_until(lambda: heard.count("worker") >= 3)
        assert "progress" not in heard
        ask(wallet)
        wait_until(lambda: "progress" in heard)


def test_an_image_whose_host_is_busy_is_tried_for_as_long_as_it_may_take(
    wallet: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many more times than a useless answer is taken, and when the host says."""

    def busy() -> None:
        if upstream.fetched <= 12:
            raise ImageUnreachable("429", retry_after=70.0)

    upstream.on_download = busy
    generation = ask(wallet)
    work(upstream)
    for _ in range(11):
        found = reload(generation)
        assert (found.status, found.failed_polls) == (Status.DRAWING, 0)
        assert 50 < (found.due_at - timezone.now()).total_seconds() <= 70
        work(upstream)
    work(upstream)
    assert reload(generation).status == Status.COMPLETED


# --- Our own trouble -------------------------------------------------------------------------------------------


def test_our_own_trouble_fails_nobodys_image(
    wallet: Wallet, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(prompt: str) -> None:
        raise errors.OperatorTrouble("401: bad key")

    def later() -> None:
        UpstreamTrouble.objects.update(next_try_at=timezone.now())
        Generation.objects.update(due_at=timezone.now())

    monkeypatch.setattr(trouble, "CACHE_SECONDS", -1.0)
    upstream.on_submit = refuse
    made = [ask(wallet, f"image {number}") for number in range(3)]
    work(upstream)
    assert {reload(generation).status for generation in made} == {Status.QUEUED}
    assert UpstreamTrouble.objects.count() == 1
    sent = len(upstream.sent)
    Generation.objects.update(due_at=timezone.now())
    work(upstream)
    assert len(upstream.sent) == sent  # nothing is, until a trial may be made
    later()
    work(upstream)
    assert len(upstream.sent) == sent + 1
    upstream.on_submit = lambda prompt: None
    later()
    work(upstream)
    assert not UpstreamTrouble.objects.exists()
    assert {reload(generation).status for generation in made} == {Status.COMPLETED}
    assert audit(wallet) == 0


def test_an_image_that_is_there_at_once_takes_no_look(wallet: Wallet, upstream: Upstream) -> None:
    upstream.is_instant = True
    generation = ask(wallet)
    work(upstream)
    found = reload(generation)
    assert (found.status, found.polls, found.claim) == (Status.COMPLETED, 0, "")
    assert json.dumps(dict(upstream.looks)) == "{}"
