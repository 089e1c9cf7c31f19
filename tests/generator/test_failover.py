"""Several upstreams: which is asked, and what goes elsewhere when one does not draw it. Over real sockets."""

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import User
from billing.models import Wallet
from billing.staff import audit as auditing
from generator.ask import admission
from generator.errors import UpstreamPaused
from generator.files import uploads
from generator.jobs import sweep
from generator.jobs.engine import Engine
from generator.jobs.receipt import receipt_of
from generator.jobs.sending import Sender
from generator.models import Attempt, Generation, Group, ImageModel, Input, Operation, Route, Upstream, UpstreamTrouble
from generator.upstreams import errors, health, registry, routing, secret, trouble
from generator.upstreams.dialect import Balance, Capabilities, Job, Order
from generator.upstreams.reve_art import ReveArt
from kit.threads import in_loop, in_thread
from tests.billing.books import audit
from tests.generator.painters import Painter, drawing, engine
from tests.generator.upstream import png

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]

Status, State = Generation.Status, Attempt.State


@pytest.fixture(autouse=True)
def _fresh(wallet: Wallet, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet.rate_limit = 100_000
    wallet.save()
    settings.UPSTREAM_TYPICAL_SECONDS = 0.15
    monkeypatch.setattr(trouble, "CACHE_SECONDS", -1.0)
    monkeypatch.setattr(routing, "CACHE_SECONDS", -1.0)


@pytest.fixture
def first(settings: Any) -> Iterator[Painter]:
    painter = Painter("first")
    Upstream.objects.update(base_url=painter.url, priority=1)
    yield painter
    painter.off()


@pytest.fixture
def second() -> Iterator[Painter]:
    painter = Painter("second")
    row = Upstream.objects.create(
        slug="second", name="Second", dialect="reve_art", base_url=painter.url, priority=2, secret=""
    )
    Route.objects.create(model=ImageModel.objects.get(), upstream=row)
    yield painter
    painter.off()


def ask(wallet: Wallet, prompt: str = "a lighthouse") -> Generation:
    return admission.admit(wallet=wallet, request=admission.ImageRequest(prompt=prompt)).generation


def work(times: int = 1) -> None:
    """Do all that is due now, in a worker of its own."""

    async def once() -> None:
        one = engine()
        await one.send_due()
        waiting = Generation.objects.filter(status=Status.DRAWING, claim="")
        await in_thread(lambda: waiting.update(due_at=timezone.now()))
        await one.look_at_due()
        await one.dialects.aclose()

    for _ in range(times):
        Generation.objects.filter(status=Status.QUEUED).update(due_at=timezone.now())
        in_loop(once())


def reload(generation: Generation) -> Generation:
    return Generation.objects.get(pk=generation.pk)


def story(generation: Generation) -> list[tuple[str, str, str]]:
    """Return where it was tried, and how that ended."""
    return list(generation.attempts.order_by("number").values_list("upstream__slug", "state", "error_kind"))


def wait_until(holds: Callable[[], bool], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def all_ended() -> bool:
    return not Generation.objects.filter(status__in=Generation.UNFINISHED).exists()


def bring_forward() -> None:
    UpstreamTrouble.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))


# --- One after the other ---------------------------------------------------------------------------------------


def test_the_lowest_priority_is_asked_first(wallet: Wallet, first: Painter, second: Painter) -> None:
    made = [ask(wallet, str(number)) for number in range(3)]
    work()
    assert (len(first.taken), len(second.taken)) == (3, 0)
    assert [story(one) for one in made] == [[("reve", "drawn", "")]] * 3
    Upstream.objects.filter(slug="reve").update(priority=3)


def test_those_of_one_priority_share_by_weight(first: Painter, second: Painter) -> None:
    Upstream.objects.update(priority=1)
    Upstream.objects.filter(slug="second").update(weight=3)
    with routing.choosing() as choice:
        drawn = Counter(choice.route_for((None, "create")).upstream.slug for _ in range(400))  # type: ignore[union-attr]
    assert 230 < drawn["second"] < 370  # 300 of 400, ±6 standard deviations


@pytest.mark.parametrize(
    ("status", "words", "kind"),
    [
        (429, {"retry_after": "7"}, "Busy"),
        (503, {}, "Busy"),
        (401, {}, "OperatorTrouble"),
        (402, {}, "OperatorTrouble"),
        (403, {}, "OperatorTrouble"),
        (404, {}, "OperatorTrouble"),
    ],
)
def test_what_one_certainly_did_not_take_goes_to_the_next_at_once(
    wallet: Wallet, first: Painter, second: Painter, status: int, words: dict[str, str], kind: str
) -> None:
    first.refuses = status, words
    generation = ask(wallet)
    work()
    assert story(generation) == [("reve", "not_taken", kind), ("second", "drawn", "")]
    found = reload(generation)
    assert (found.status, found.submits) == (Status.COMPLETED, 2)
    assert audit(wallet) == 2


def test_one_that_is_switched_off_did_not_take_it(wallet: Wallet, first: Painter, second: Painter) -> None:
    first.off()
    generation = ask(wallet)
    work()
    assert story(generation) == [("reve", "not_taken", "NotAccepted"), ("second", "drawn", "")]


def test_what_one_may_have_taken_goes_nowhere_else(wallet: Wallet, first: Painter, second: Painter) -> None:
    first.hangs_up = True
    generation = ask(wallet)
    work(2)
    assert story(generation) == [("reve", "unclear", "Unclear")]
    assert (reload(generation).status, second.asked) == (Status.FAILED, 0)
    assert audit(wallet) == 3


def test_unless_the_operator_allows_that(wallet: Wallet, first: Painter, second: Painter) -> None:
    first.hangs_up = True
    Upstream.objects.filter(slug="reve").update(may_resend=True)
    generation = ask(wallet)
    work(2)
    assert story(generation) == [("reve", "unclear", "Unclear"), ("second", "drawn", "")]
    assert (len(first.taken), reload(generation).status) == (1, Status.COMPLETED)
    assert audit(wallet) == 2


def test_what_one_may_have_taken_never_returns_there(wallet: Wallet, first: Painter, second: Painter) -> None:
    first.hangs_up = True
    second.off()
    Upstream.objects.update(may_resend=True)
    generation = ask(wallet)
    work(3)
    assert len(first.taken) == 1
    assert reload(generation).status == Status.QUEUED  # for the other one, while there is time
    second.on()
    health.forget()
    Generation.objects.update(due_at=timezone.now())
    work()
    assert reload(generation).status == Status.COMPLETED


def test_a_prompt_that_one_refuses_is_not_shopped_around(wallet: Wallet, first: Painter, second: Painter) -> None:
    first.refuses = 400, {"message": "This prompt violates our content policy."}
    generation = ask(wallet)
    work()
    assert story(generation) == [("reve", "refused", "PromptRefused")]
    assert (reload(generation).error_code, second.asked) == ("prompt_refused", 0)


def test_a_drawing_refused_for_its_prompt_is_not_shopped_around(
    wallet: Wallet, first: Painter, second: Painter
) -> None:
    first.fails_jobs = "content policy violation"
    generation = ask(wallet)
    work()
    assert story(generation) == [("reve", "refused", "PromptRefused")]
    assert second.asked == 0


def test_a_job_that_failed_there_for_its_own_reasons_goes_on(wallet: Wallet, first: Painter, second: Painter) -> None:
    first.fails_jobs = "The brush broke."
    generation = ask(wallet)
    work(2)
    assert story(generation) == [("reve", "failed", "JobFailed"), ("second", "drawn", "")]
    assert audit(wallet) == 2


def test_a_job_that_all_failed_at_fails(wallet: Wallet, first: Painter, second: Painter) -> None:
    first.fails_jobs = second.fails_jobs = "The brush broke."
    generation = ask(wallet)
    work(3)
    assert story(generation) == [("reve", "failed", "JobFailed"), ("second", "failed", "JobFailed")]
    assert reload(generation).error_message == "The brush broke."
    assert audit(wallet) == 3


def test_a_job_that_failed_does_not_wait_for_the_operator_to_mend_another_upstream(
    wallet: Wallet, first: Painter, second: Painter
) -> None:
    UpstreamTrouble.objects.create(upstream="second", kind="out_of_funds")
    trouble.forget()
    first.fails_jobs = "The brush broke."
    generation = ask(wallet)
    work()
    assert (reload(generation).status, second.asked) == (Status.FAILED, 0)
    assert audit(wallet) == 3


def test_a_job_that_is_gone_goes_on(
    wallet: Wallet, first: Painter, second: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generator.jobs.worker.MAX_FAILED_POLLS", 1)
    first.seconds, first.forgets = 60, True
    generation = ask(wallet)
    work(2)
    assert story(generation) == [("reve", "failed", "Gone"), ("second", "drawn", "")]


def test_nothing_goes_on_after_its_deadline(wallet: Wallet, first: Painter, second: Painter) -> None:
    first.fails_jobs = "The brush broke."
    generation = ask(wallet)
    Generation.objects.update(deadline_at=timezone.now())
    work(2)
    assert (reload(generation).status, second.asked) == (Status.FAILED, 0)


def test_two_upstreams_may_call_a_job_the_same(wallet: Wallet, first: Painter, second: Painter) -> None:
    one = ask(wallet, "one")
    work()
    first.off()
    other = ask(wallet, "other")
    work()
    assert {attempt.upstream_job for attempt in Attempt.objects.exclude(upstream_job="")} == {"1"}
    assert [reload(each).status for each in (one, other)] == [Status.COMPLETED] * 2


def test_an_upstream_that_is_taken_out_is_asked_for_what_it_has(
    wallet: Wallet, first: Painter, second: Painter
) -> None:
    first.seconds = 0.3
    generation = ask(wallet)
    in_loop(engine().send_due())
    Upstream.objects.filter(slug="reve").update(is_active=False)
    time.sleep(0.3)
    later = ask(wallet, "later")
    work()
    assert (story(generation), story(later)) == ([("reve", "drawn", "")], [("second", "drawn", "")])


def test_a_key_of_its_own_is_sent_to_each(wallet: Wallet, first: Painter, second: Painter, settings: Any) -> None:
    settings.UPSTREAM_API_KEY = "key-of-the-environment"
    Upstream.objects.filter(slug="second").update(secret=secret.seal("key-of-the-second"))
    ask(wallet)
    work()
    first.refuses = 503, {}
    ask(wallet)
    work()
    assert (first.keys, second.keys) == (["Bearer key-of-the-environment"], ["Bearer key-of-the-second"])


# --- Limits ----------------------------------------------------------------------------------------------------


def test_a_full_upstream_leaves_its_place_to_the_next(wallet: Wallet, first: Painter, second: Painter) -> None:
    first.seconds = 60
    Upstream.objects.filter(slug="reve").update(max_in_flight=2)
    for number in range(3):
        ask(wallet, str(number))
    work()
    assert (len(first.taken), len(second.taken)) == (2, 1)


@pytest.mark.parametrize("limit", [{"max_in_flight": 2}, {"per_minute": 2}])
def test_what_has_no_room_waits_and_holds_up_no_other_model(
    wallet: Wallet, give: Callable[[int], None], first: Painter, second: Painter, limit: dict[str, int]
) -> None:
    give(300)
    first.seconds = 60
    other = ImageModel.objects.create(slug="other", name="Other", order=1)
    Route.objects.filter(upstream__slug="second").update(model=other)
    Upstream.objects.filter(slug="reve").update(**limit)
    deadline = timezone.now() + timedelta(minutes=10)
    mine = [ask(wallet, f"{number}") for number in range(4)]
    rows = [Generation(wallet=wallet, prompt="x", deadline_at=deadline) for _ in range(200)]
    Generation.objects.bulk_create(rows)
    [late] = Generation.objects.bulk_create(
        [Generation(wallet=wallet, prompt="late", deadline_at=deadline, image_model=other)]
    )
    in_loop(engine().send_due())
    assert len(first.taken) == 2
    assert second.taken == ["late"]
    waiting = Generation.objects.filter(status=Status.QUEUED)
    assert waiting.count() == len(mine) + 200 - 2
    assert not waiting.filter(submits__gt=0).exists()  # nobody claimed them for nothing
    assert story(late)[0][0] == "second"


def test_what_waits_for_storage_takes_no_place_at_its_upstream(wallet: Wallet, first: Painter) -> None:
    first.seconds = 60
    Upstream.objects.update(max_in_flight=1)
    ask(wallet, "one")
    in_loop(engine().send_due())
    Generation.objects.update(unstored_since=timezone.now())
    ask(wallet, "two")
    in_loop(engine().send_due())
    assert first.taken == ["one", "two"]


def test_workers_at_once_share_what_room_there_is(wallet: Wallet, give: Callable[[int], None], first: Painter) -> None:
    give(30)
    first.seconds = 60
    Upstream.objects.update(max_in_flight=5)
    for number in range(20):
        ask(wallet, str(number))

    def run(_: int) -> None:
        try:
            with drawing():
                wait_until(lambda: len(first.taken) >= 5)
                time.sleep(0.7)  # and no more come
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, range(2)))
    assert len(first.taken) == len(set(first.taken)) == 5
    assert Attempt.objects.count() == 5


# --- Switched off in mid-load ----------------------------------------------------------------------------------


def load(wallet: Wallet, count: int, pause: float = 0.03) -> None:
    for number in range(count):
        ask(wallet, f"image {number}")
        time.sleep(pause)


def p95() -> float:
    rows = Generation.objects.filter(status=Status.COMPLETED)
    seconds = [(row.finished_at - row.created_at).total_seconds() for row in rows if row.finished_at]
    return statistics.quantiles(seconds, n=20)[-1]


def test_the_first_of_two_switched_off_in_mid_load_loses_and_doubles_nothing(
    wallet: Wallet, give: Callable[[int], None], first: Painter, second: Painter
) -> None:
    give(100)
    with drawing():
        load(wallet, 50)
        wait_until(all_ended)
        usual = p95()
        assert len(second.taken) == 0
        Attempt.objects.all().delete()
        Generation.objects.all().delete()
        first.taken.clear()
        first.off_after = 20
        load(wallet, 50)
        wait_until(all_ended)
    assert set(Generation.objects.values_list("status", flat=True)) == {Status.COMPLETED}
    assert len(first.taken) >= 20
    assert len(first.taken) + len(second.taken) == 50
    assert len({*first.taken, *second.taken}) == 50
    assert audit(wallet) == 3
    assert p95() < 5 * usual + 5.0, usual


def test_the_only_one_switched_off_in_mid_load_has_all_wait_until_it_is_back(
    wallet: Wallet, give: Callable[[int], None], first: Painter
) -> None:
    give(50)
    first.seconds = 0.4
    first.off_after = 10
    with drawing():
        load(wallet, 30)
        wait_until(lambda: len(first.taken) >= 10)
        time.sleep(1.5)
        assert Generation.objects.filter(status=Status.FAILED).count() == 0
        assert 10 <= len(first.taken) < 30  # more than ten may be at its door by then
        assert not all_ended()
        assert routing.is_open(None, Operation.CREATE)  # it may come back any moment
        first.off_after = None
        first.on()
        wait_until(all_ended)
    assert set(Generation.objects.values_list("status", flat=True)) == {Status.COMPLETED}
    assert sorted(first.taken) == sorted({*first.taken})
    assert len(first.taken) == 30
    assert audit(wallet) == 23


def test_two_engines_at_once_send_each_image_once(
    wallet: Wallet, give: Callable[[int], None], first: Painter, second: Painter
) -> None:
    give(60)
    Upstream.objects.update(priority=1)
    first.off_after = 15
    with drawing(), drawing():
        load(wallet, 60, pause=0.005)
        wait_until(all_ended)
    assert set(Generation.objects.values_list("status", flat=True)) == {Status.COMPLETED}
    assert len(first.taken) + len(second.taken) == len({*first.taken, *second.taken}) == 60
    assert audit(wallet) == 3


# --- Out of funds ----------------------------------------------------------------------------------------------


def test_the_story_of_funds_that_are_gone(
    wallet: Wallet, give: Callable[[int], None], sam: User, first: Painter, second: Painter, mailoutbox: list[Any]
) -> None:
    give(20)
    gone = 402, {"message": "No credits left."}
    first.refuses = gone
    made = [ask(wallet, "one"), ask(wallet, "two")]
    work()
    assert [reload(one).status for one in made] == [Status.COMPLETED] * 2
    assert [message.subject for message in mailoutbox] == ["reve draws nothing: your funds there are gone"]

    asked = first.asked
    bring_forward()
    first.refuses = None
    ask(wallet, "three")
    work()
    assert first.asked == asked  # it is out until the operator says so, for there is another
    assert routing.is_open(None, Operation.CREATE)

    first.refuses = second.refuses = gone
    waits = ask(wallet, "four")
    work()
    assert reload(waits).status == Status.QUEUED
    assert not routing.is_open(None, Operation.CREATE)
    held = Wallet.objects.get(pk=wallet.pk).balance
    with pytest.raises(UpstreamPaused):
        ask(wallet, "five")
    assert Wallet.objects.get(pk=wallet.pk).balance == held

    first.refuses = None
    assert trouble.put_back("reve")
    assert not trouble.put_back("reve")
    work()
    assert (reload(waits).status, first.taken) == (Status.COMPLETED, ["four"])
    assert routing.is_open(None, Operation.CREATE)
    assert list(auditing.drifts()) == []
    assert audit(wallet) == 3 + 20 - 4


def test_the_only_one_left_is_tried_with_one_image_at_a_time(wallet: Wallet, first: Painter) -> None:
    first.refuses = 402, {}
    made = [ask(wallet, str(number)) for number in range(3)]
    work()
    asked = first.asked
    bring_forward()
    work()
    assert first.asked == asked + 1
    work()
    assert first.asked == asked + 1
    first.refuses = None
    bring_forward()
    work(2)
    assert [reload(one).status for one in made] == [Status.COMPLETED] * 3
    assert not UpstreamTrouble.objects.exists()
    assert audit(wallet) == 0


# --- A worker that dies ----------------------------------------------------------------------------------------


class Crash(Exception):
    """The worker is gone: nothing after this is done."""


def crash(*_: Any, **__: Any) -> Any:
    raise Crash


def then_crash(step: Callable[..., Any]) -> Callable[..., Any]:
    def done(*arguments: Any, **options: Any) -> Any:
        step(*arguments, **options)
        raise Crash

    return done


STEPS = {
    "refused and not written down": ("generator.jobs.lifecycle.go_on", lambda step: crash),
    "the next attempt written down and not sent": ("generator.jobs.lifecycle.go_on", then_crash),
    "the old attempt ended without the next": ("generator.jobs.attempts.begin", None),
    "failed there and not written down": ("generator.jobs.lifecycle.give_up", lambda step: crash),
    "failed there and queued for the next": ("generator.jobs.lifecycle.give_up", then_crash),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_in_the_middle_of_a_failover_loses_and_doubles_nothing(
    wallet: Wallet, first: Painter, second: Painter, step: str, unlogged: None
) -> None:
    if step.startswith("failed"):
        first.fails_jobs = "The brush broke."
    else:
        first.refuses = 503, {}
    generation = ask(wallet)
    where, crashing = STEPS[step]
    with pytest.MonkeyPatch.context() as patch:
        module, _, name = where.rpartition(".")
        if crashing is None:
            calls = iter(range(10))
            begin = getattr(__import__(module, fromlist=[name]), name)

            def second_crashes(*arguments: Any) -> Any:
                return begin(*arguments) if next(calls) == 0 else crash()

            patch.setattr(where, second_crashes)
        else:
            patch.setattr(where, crashing(getattr(__import__(module, fromlist=[name]), name)))
        work()
    Generation.objects.filter(status__in=Generation.UNFINISHED).update(due_at=timezone.now())
    sweep.fail_stuck()
    work(2)
    found = reload(generation)
    assert found.is_final
    assert len(second.taken) <= 1
    assert not Attempt.objects.filter(state__in=Attempt.ALIVE).exists()
    assert audit(wallet) == (2 if found.status == Status.COMPLETED else 3)
    if step.startswith("failed"):
        assert found.status == Status.COMPLETED


def test_an_attempt_is_there_before_a_byte_leaves(
    wallet: Wallet, first: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    submit = Sender.submit

    async def look(self: Any, generation: Generation, attempt: Attempt) -> Any:
        seen.append((await in_thread(lambda: Attempt.objects.get())).state)
        return await submit(self, generation, attempt)

    monkeypatch.setattr(Sender, "submit", look)
    ask(wallet)
    work()
    assert seen == ["sending"]


def test_a_worker_that_waits_for_an_upstream_does_not_stall(
    wallet: Wallet, first: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    monkeypatch.setattr("kit.pulse.beat", heard.append)
    monkeypatch.setattr("generator.jobs.engine.PULSE_SECONDS", 0.05)
    first.seconds = 60
    Upstream.objects.update(max_in_flight=1)
    ask(wallet, "one")
    in_loop(engine().send_due())
    ask(wallet, "two")
    with drawing():
        wait_until(lambda: "progress" in heard)
    assert first.taken == ["one"]


def test_a_key_that_is_not_to_be_had_takes_its_upstream_out(
    wallet: Wallet, first: Painter, second: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    Upstream.objects.filter(slug="reve").update(secret="env:NO_SUCH_KEY")
    generation = ask(wallet)
    work()
    assert story(generation)[1] == ("second", "drawn", "")
    assert UpstreamTrouble.objects.get().upstream == "reve"
    monkeypatch.setenv("NO_SUCH_KEY", "there-it-is-again")
    again = ask(wallet, "again")
    work()
    assert story(again) == [("reve", "drawn", "")]
    assert first.keys == ["Bearer there-it-is-again"]


def test_the_receipt_tells_how_often_it_was_sent(wallet: Wallet, first: Painter, second: Painter) -> None:
    first.fails_jobs = "The brush broke."
    generation = ask(wallet)
    work(2)
    words = [step.words for step in receipt_of(reload(generation)).steps]
    assert words == [
        "Credit set aside",
        "Sent to be drawn",
        "Came to nothing there",
        "Sent again, elsewhere",
        "Image completed",
        "Credit spent",
    ]
    first.refuses = 503, {}
    second.refuses = 503, {}
    other = ask(wallet, "other")
    work()
    second.refuses = None
    work()
    steps = [step.words for step in receipt_of(reload(other)).steps]
    assert steps[:3] == ["Credit set aside", "Not taken, 3 times", "Sent to be drawn"]


def test_what_an_image_is_made_from_goes_along_under_the_routes_name(
    wallet: Wallet, first: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[Order] = []

    async def submit(self: Any, order: Order) -> Job:
        orders.append(order)
        raise errors.Busy("later", 60.0)

    monkeypatch.setattr(ReveArt, "submit", submit)
    model = ImageModel.objects.get()
    Route.objects.create(model=model, operation=Operation.EDIT, upstream=Upstream.objects.get(), their_name="editor-2")
    upload = uploads.take(wallet, png())
    group = Group.objects.create(wallet=wallet, source="api", operation="edit", digest="x", mask=upload)
    Input.objects.create(group=group, position=1, upload=upload)
    Generation.objects.create(
        wallet=wallet,
        prompt="make it night",
        operation="edit",
        group=group,
        size="2K",
        quality="high",
        deadline_at=timezone.now() + timedelta(minutes=5),
    )
    work()
    [order] = orders
    assert (order.operation, order.model, order.size, order.quality) == ("edit", "editor-2", "2K", "high")
    assert [picture.media_type for picture in order.inputs] == ["image/png"]
    assert order.mask is not None
    assert order.key.endswith("-1")


def test_an_image_whose_picture_is_gone_fails_and_is_sent_nowhere(wallet: Wallet, first: Painter) -> None:
    generation = ask(wallet)
    upload = uploads.take(wallet, png())
    group = Group.objects.create(wallet=wallet, source="api", operation="edit", digest="x")
    Input.objects.create(group=group, position=1, upload=upload)
    uploads._private().delete(uploads.path_of(upload.file_name))
    Route.objects.update(operation="edit")
    Generation.objects.filter(pk=generation.pk).update(operation="edit", group=group)
    work()
    assert story(generation) == [("reve", "refused", "BadInput")]
    assert (reload(generation).status, first.asked) == (Status.FAILED, 0)
    assert audit(wallet) == 3


def test_what_is_left_at_an_upstream_is_asked_now_and_then(
    wallet: Wallet, first: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    class Telling(ReveArt):
        can = Capabilities(operations=frozenset(Operation), tells_balance=True)

        async def balance(self) -> Balance:
            asked.append(self.http.access.base_url)
            return Balance(7.5, "USD")

    monkeypatch.setitem(registry.DIALECTS, "reve_art", Telling)

    async def ask_twice() -> None:
        one = Engine()
        await one._ask_balances()
        await one._ask_balances()
        await one.dialects.aclose()

    in_loop(ask_twice())
    assert asked == [first.url]
    assert health.standing()[0].balance == Balance(7.5, "USD")
