"""Upstreams whose answer is the picture: there is no job to ask for, so what is lost is lost, and never sent twice."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from billing.models import Wallet
from generator.ask import admission
from generator.files import images as stored_images
from generator.files import unstored
from generator.jobs import lifecycle, sending, sweep
from generator.jobs.engine import Engine
from generator.models import Attempt, Generation, Operation
from generator.upstreams import errors
from generator.upstreams.dialect import Capabilities, Cost, Dialect, Job, Order
from generator.upstreams.registry import Dialects
from kit.storage import StorageAway
from kit.threads import in_loop, in_thread
from tests.billing.books import audit
from tests.generator.upstream import png

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]

Status = Generation.Status


class AtOnce(Dialect):
    """Answers with the picture."""

    can = Capabilities(operations=frozenset(Operation), is_synchronous=True, honours_keys=True)

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.answers: list[Job | errors.UpstreamError] = []
        self.polled = 0

    async def submit(self, order: Order) -> Job:
        self.orders.append(order)
        answer = self.answers.pop(0) if self.answers else Job("", "completed", data=png(), cost=Cost(40_000, "USD"))
        if isinstance(answer, errors.UpstreamError):
            raise answer
        return answer

    async def poll(self, job_id: str) -> Job:
        self.polled += 1
        raise errors.Gone("it knows no jobs")

    async def aclose(self) -> None:
        pass


@pytest.fixture
def upstream(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> AtOnce:
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(sending, "RESEND_SECONDS", 0.0)
    return AtOnce()


def ask(wallet: Wallet) -> Generation:
    return admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="a lighthouse")).generation


def work(upstream: Dialect) -> None:
    async def once() -> None:
        one = Engine(Dialects(lambda row: upstream))
        await one.send_due()
        waiting = Generation.objects.filter(status=Status.DRAWING)
        await in_thread(lambda: waiting.update(due_at=timezone.now()))
        await one._look_at_some()
        await one._all_ended()

    in_loop(once())


def reload(generation: Generation) -> Generation:
    return Generation.objects.get(pk=generation.pk)


def test_its_picture_is_kept_and_nothing_is_asked_again(wallet: Wallet, upstream: AtOnce) -> None:
    generation = ask(wallet)
    work(upstream)
    assert (reload(generation).status, upstream.polled) == (Status.COMPLETED, 0)
    attempt = Attempt.objects.get()
    assert (attempt.state, attempt.upstream_job) == ("drawn", "")
    assert (attempt.cost_micros, attempt.cost_currency) == (40_000, "USD")
    assert audit(wallet) == 2
    assert not unstored.size()


def test_many_jobs_without_a_name_are_many_jobs(wallet: Wallet, upstream: AtOnce) -> None:
    for _ in range(3):
        ask(wallet)
    work(upstream)
    assert set(Generation.objects.values_list("status", flat=True)) == {Status.COMPLETED}


def test_what_storage_does_not_take_is_kept_here_and_stored_later(
    wallet: Wallet, upstream: AtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise StorageAway("the disk is full: make room")

    generation = ask(wallet)
    with monkeypatch.context() as patch:
        patch.setattr(stored_images, "keep", full)
        work(upstream)
    assert reload(generation).unstored_since is not None
    work(upstream)
    assert (reload(generation).status, len(upstream.orders), upstream.polled) == (Status.COMPLETED, 1, 0)
    assert audit(wallet) == 2


def test_what_this_machine_lost_of_it_waits_and_is_asked_for_in_vain_of_nobody(
    wallet: Wallet, upstream: AtOnce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine may have it."""

    def full(*_: Any) -> None:
        raise StorageAway("the disk is full: make room")

    generation = ask(wallet)
    with monkeypatch.context() as patch:
        patch.setattr(stored_images, "keep", full)
        work(upstream)
    unstored.drop(generation.file_token)
    work(upstream)
    assert (reload(generation).status, upstream.polled) == (Status.DRAWING, 0)
    Generation.objects.update(deadline_at=timezone.now())
    sweep.fail_stuck()
    assert Attempt.objects.get().state == "drawn"
    assert audit(wallet) == 3


class Crash(Exception):
    """The worker is gone: nothing after this is done."""


def crash(*_: Any, **__: Any) -> Any:
    raise Crash


def then_crash(step: Callable[..., Any]) -> Callable[..., Any]:
    def done(*arguments: Any, **options: Any) -> Any:
        step(*arguments, **options)
        raise Crash

    return done


STEPS: dict[str, tuple[Any, str, Any, str]] = {
    "drawn and not written down": (lifecycle, "accept", lambda step: crash, "failed"),
    "written down and not on the disk": (unstored, "put", lambda step: crash, "failed"),
    "on the disk and not read": (unstored, "get", lambda step: crash, "completed"),
    "read and not stored": (stored_images, "keep", lambda step: crash, "completed"),
    "stored and not completed": (lifecycle, "complete_all", lambda step: crash, "completed"),
    "completed and not told": (lifecycle, "complete_all", then_crash, "completed"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_dies_with_the_picture_has_it_sent_no_second_time(
    wallet: Wallet, upstream: AtOnce, step: str, unlogged: None
) -> None:
    where, name, crashing, status = STEPS[step]
    generation = ask(wallet)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, crashing(getattr(where, name)))
        work(upstream)
    Generation.objects.filter(status__in=Generation.UNFINISHED).update(due_at=timezone.now(), claim="")
    sweep.fail_stuck()
    work(upstream)
    assert (reload(generation).status, len(upstream.orders)) == (status, 1)
    assert Attempt.objects.get().state == ("drawn" if status == "completed" else "unclear")
    assert audit(wallet) == (2 if status == "completed" else 3)
    unstored.sweep()
    assert not unstored.size()


def test_where_the_disk_has_no_room_its_picture_stays_in_memory(
    wallet: Wallet, upstream: AtOnce, settings: Any
) -> None:
    settings.UNSTORED_MAX_BYTES = 0
    generation = ask(wallet)
    work(upstream)
    assert reload(generation).status == Status.COMPLETED


def test_a_worker_of_another_machine_cannot_go_on_with_it(wallet: Wallet, upstream: AtOnce, unlogged: None) -> None:
    generation = ask(wallet)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_images, "keep", crash)
        work(upstream)
    unstored.drop(generation.file_token)
    Generation.objects.filter(status__in=Generation.UNFINISHED).update(due_at=timezone.now(), claim="")
    work(upstream)
    assert (reload(generation).status, len(upstream.orders), upstream.polled) == (Status.FAILED, 1, 0)
    assert Attempt.objects.get().state == "unclear"
    assert audit(wallet) == 3


# --- The same order again --------------------------------------------------------------------------------------


def test_an_upstream_that_honours_keys_is_sent_the_same_order_again(wallet: Wallet, upstream: AtOnce) -> None:
    upstream.answers = [errors.Unclear("no answer"), errors.Unclear("no answer")]
    generation = ask(wallet)
    work(upstream)
    assert reload(generation).status == Status.COMPLETED
    assert {order.key for order in upstream.orders} == {f"{generation.public_id}-1"}
    assert (len(upstream.orders), Attempt.objects.count()) == (3, 1)
    assert audit(wallet) == 2


def test_not_for_ever(wallet: Wallet, upstream: AtOnce) -> None:
    upstream.answers = [errors.Unclear("no answer")] * 5
    generation = ask(wallet)
    work(upstream)
    assert (reload(generation).status, len(upstream.orders)) == (Status.FAILED, 1 + sending.RESENDS)
    assert Attempt.objects.get().state == "unclear"
    assert audit(wallet) == 3


def test_one_that_does_not_is_sent_it_once(wallet: Wallet, upstream: AtOnce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AtOnce, "can", Capabilities(operations=frozenset(Operation)))
    upstream.answers = [errors.Unclear("no answer")]
    generation = ask(wallet)
    work(upstream)
    assert (reload(generation).status, len(upstream.orders)) == (Status.FAILED, 1)


def test_a_job_that_is_refused_at_once_has_no_name_and_needs_none(wallet: Wallet, upstream: AtOnce) -> None:
    upstream.answers = [Job("", "failed", message="No.", is_refused=True)]
    generation = ask(wallet)
    work(upstream)
    assert (reload(generation).error_code, Attempt.objects.get().state) == ("prompt_refused", "refused")


def test_a_claim_outlives_a_long_submission(wallet: Wallet, upstream: AtOnce, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "LEASE", timedelta(seconds=1.4))
    submit = AtOnce.submit

    async def slow(self: AtOnce, order: Order) -> Job:
        await asyncio.sleep(1.5)
        await in_thread(sweep.fail_stuck)
        return await submit(self, order)

    monkeypatch.setattr(AtOnce, "submit", slow)
    generation = ask(wallet)

    async def once() -> None:
        one = Engine(Dialects(lambda row: upstream))
        renewing = asyncio.create_task(one._renew())
        await one.send_due()
        renewing.cancel()

    in_loop(once())
    assert reload(generation).status == Status.COMPLETED
