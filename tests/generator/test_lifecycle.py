"""A generation's way from queued to completed or failed: each step is claimed once, however often it is tried."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.models import CreditEntry, Wallet
from generator.ask import admission
from generator.files.images import StoredImage
from generator.jobs import attempts, lifecycle
from generator.jobs.attempts import Ended, State
from generator.jobs.changes import Acceptance, Completion, Move, Pause, Unstored, Useless
from generator.models import Attempt, Generation, ImageModel, Route, Upstream
from generator.upstreams import routing
from tests.billing.books import audit, history

pytestmark = pytest.mark.services

Status = Generation.Status
IMAGE = StoredImage(extension="png", size=1234, width=1024, height=768, colour="#336699")


def submitting(generation: Generation) -> Generation:
    claimed = lifecycle.claim_submission(generation.pk)
    assert claimed is not None
    return claimed


def drawing(generation: Generation) -> Generation:
    claimed = submitting(generation)
    assert lifecycle.accepted(claimed, upstream_id=f"img_up_{generation.pk}", poll_after=0)
    return Generation.objects.get(pk=generation.pk)


def complete(generation: Generation) -> bool:
    return lifecycle.complete(generation, image=IMAGE, model="reve-1")


def fail(generation: Generation, **options: Any) -> bool:
    return lifecycle.fail(generation, code="upstream_failed", message="No image.", **options)


def due_in(generation: Generation, seconds: float) -> None:
    Generation.objects.filter(pk=generation.pk).update(due_at=timezone.now() + timedelta(seconds=seconds))


def in_seconds(generation: Generation) -> float:
    """How far in the future a generation is due."""
    return (Generation.objects.get(pk=generation.pk).due_at - timezone.now()).total_seconds()


def status(generation: Generation) -> str:
    return Generation.objects.get(pk=generation.pk).status


# --- Being sent ------------------------------------------------------------------------------------------------


def test_a_queued_generation_is_claimed_by_one_sender(generation: Generation) -> None:
    claimed = lifecycle.claim_submission(generation.pk)
    assert claimed is not None
    assert (claimed.pk, claimed.status, claimed.submits) == (generation.pk, Status.SUBMITTING, 1)
    assert lifecycle.claim_submission(generation.pk) is None
    assert Generation.objects.get().submits == 1


def test_a_generation_is_not_sent_before_it_is_due(generation: Generation) -> None:
    due_in(generation, 60)
    assert lifecycle.claim_submission(generation.pk) is None
    due_in(generation, -1)
    assert lifecycle.claim_submission(generation.pk) is not None


def test_claiming_what_does_not_exist_gives_nothing(transactional_db: None) -> None:
    assert lifecycle.claim_submission(1) is None


def test_a_claim_lapses_after_a_while(generation: Generation) -> None:
    submitting(generation)
    assert list(lifecycle.lapsed_submissions()) == []
    assert 0 < in_seconds(generation) <= 60
    due_in(generation, -1)
    assert list(lifecycle.lapsed_submissions()) == [generation]


def test_a_lapsed_submission_is_not_sent_again(generation: Generation) -> None:
    submitting(generation)
    due_in(generation, -1)
    assert lifecycle.claim_submission(generation.pk) is None


def test_what_was_not_accepted_waits_in_the_queue(generation: Generation) -> None:
    lifecycle.requeue([Pause(submitting(generation), 70)])
    assert status(generation) == Status.QUEUED
    assert 40 < in_seconds(generation) <= 70
    due_in(generation, 0)
    assert submitting(generation).submits == 2


@pytest.mark.parametrize("end", [complete, fail])
def test_what_has_ended_is_not_queued_again(generation: Generation, end: Callable[[Generation], bool]) -> None:
    claimed = drawing(generation)
    assert end(claimed)
    ended = status(generation)
    lifecycle.requeue([Pause(claimed, 0)])
    assert status(generation) == ended


def test_a_drawing_is_not_queued_again(generation: Generation) -> None:
    lifecycle.requeue([Pause(drawing(generation), 0)])
    [claimed] = lifecycle.claim_looks(1)
    lifecycle.requeue([Pause(claimed, 0)])
    assert status(generation) == Status.DRAWING


def test_an_accepted_generation_is_drawn_and_looked_at_when_told(generation: Generation) -> None:
    assert lifecycle.accepted(submitting(generation), upstream_id="img_up", poll_after=90)
    found = Generation.objects.get()
    assert (found.status, found.upstream_id) == (Status.DRAWING, "img_up")
    assert found.submitted_at is not None
    assert 60 < in_seconds(found) <= 90


def test_an_acceptance_that_comes_after_the_end_changes_nothing(generation: Generation) -> None:
    claimed = submitting(generation)
    assert fail(claimed)
    assert not lifecycle.accepted(claimed, upstream_id="img_up", poll_after=0)
    found = Generation.objects.get()
    assert (found.status, found.upstream_id) == (Status.FAILED, "")


# --- Elsewhere -------------------------------------------------------------------------------------------------

BUSY = Ended(State.NOT_TAKEN, "Busy", 503, "Not now.")
GONE = Ended(State.FAILED, "Gone", 404)


@pytest.fixture
def other(generation: Generation) -> Upstream:
    """A second upstream that draws what the first one does."""
    made = Upstream.objects.create(slug="other", name="Other", dialect="reve_art", base_url="http://127.0.0.1:9")
    Route.objects.create(model=ImageModel.objects.get(), upstream=made)
    routing.forget()
    return made


def attempts_of(generation: Generation) -> list[tuple[str, str]]:
    found = Attempt.objects.filter(generation=generation).order_by("number")
    return list(found.values_list("upstream__slug", "state"))


def moved(claimed: Generation, *tried: Upstream) -> set[int]:
    pks = frozenset(upstream.pk for upstream in tried)
    return lifecycle.go_on([Move(claimed, BUSY, pks, after=70, useless=Useless(503, "Not now."))])


def give_up(claimed: Generation) -> bool:
    useless = Useless(404, "Gone.")
    return lifecycle.give_up(claimed, ended=GONE, code="upstream_failed", message="No image.", useless=useless)


def test_what_no_upstream_has_room_for_is_put_off(generation: Generation) -> None:
    lifecycle.put_off([], 90)
    assert in_seconds(generation) <= 0
    lifecycle.put_off([generation.pk], 90)
    assert 60 < in_seconds(generation) <= 90
    due_in(generation, 0)
    claimed = submitting(generation)
    lifecycle.put_off([claimed.pk], 500)
    assert in_seconds(generation) < 400


def test_what_one_upstream_does_not_take_goes_to_the_next_under_the_same_claim(
    generation: Generation, other: Upstream
) -> None:
    first = Upstream.objects.get(slug="reve")
    claimed = submitting(generation)
    assert moved(claimed, first) == {generation.pk}
    assert attempts_of(generation) == [("reve", State.NOT_TAKEN), ("other", State.SENDING)]
    assert (claimed.attempt and claimed.attempt.upstream, claimed.submits) == (other, 2)
    assert lifecycle.accepted(claimed, upstream_id="img_up", poll_after=0)
    assert attempts_of(generation)[-1] == ("other", State.ACCEPTED)


def test_what_no_other_upstream_may_take_waits_in_the_queue(generation: Generation) -> None:
    claimed = submitting(generation)
    assert moved(claimed, Upstream.objects.get()) == set()
    assert attempts_of(generation) == [("reve", State.NOT_TAKEN)]
    found = Generation.objects.get()
    assert (found.status, found.upstream_status, found.upstream_words) == (Status.QUEUED, 503, "Not now.")
    assert 40 < in_seconds(generation) <= 70


def test_what_is_late_goes_nowhere_else(generation: Generation, other: Upstream) -> None:
    claimed = submitting(generation)
    claimed.deadline_at = timezone.now()
    assert moved(claimed, Upstream.objects.get(slug="reve")) == set()
    assert attempts_of(generation) == [("reve", State.NOT_TAKEN)]


def test_who_has_lost_the_claim_sends_nothing_elsewhere(generation: Generation, other: Upstream) -> None:
    claimed = submitting(generation)
    Generation.objects.update(claim="another's")
    assert moved(claimed, Upstream.objects.get(slug="reve")) == set()
    assert attempts_of(generation) == [("reve", State.SENDING)]
    assert not give_up(claimed)
    assert (status(generation), attempts_of(generation)) == (Status.SUBMITTING, [("reve", State.SENDING)])


def test_what_ends_at_one_upstream_is_queued_for_another_and_not_for_the_same(
    generation: Generation, other: Upstream
) -> None:
    drawing(generation)
    [claimed] = lifecycle.claim_looks(1)
    assert give_up(claimed)
    found = Generation.objects.get()
    assert (found.status, found.upstream_id, found.claim, found.upstream_words) == (Status.QUEUED, "", "", "Gone.")
    assert attempts.used_up([generation.pk]) == {generation.pk: {Upstream.objects.get(slug="reve").pk}}
    with routing.choosing() as choice:
        route = choice.route_for(routing.task_of(found), attempts.used_up([generation.pk])[generation.pk])
    assert route is not None
    claimed = lifecycle.claim_submissions([generation.pk], {generation.pk: route})[0]
    assert not give_up(claimed)
    assert status(generation) == Status.FAILED
    assert attempts_of(generation) == [("reve", State.FAILED), ("other", State.FAILED)]
    audit(generation.wallet)


def test_what_ends_too_late_is_queued_for_no_other(generation: Generation, other: Upstream) -> None:
    drawing(generation)
    [claimed] = lifecycle.claim_looks(1)
    claimed.deadline_at = timezone.now()
    assert not give_up(claimed)
    assert (status(generation), attempts_of(generation)) == (Status.FAILED, [("reve", State.FAILED)])


# --- Being drawn -----------------------------------------------------------------------------------------------


def test_a_due_drawing_is_claimed_by_one_looker(generation: Generation) -> None:
    drawing(generation)
    assert lifecycle.claim_looks(10) == [generation]
    assert lifecycle.claim_looks(10) == []
    assert Generation.objects.get().polls == 1


def test_a_drawing_whose_looker_died_is_looked_at_again(generation: Generation) -> None:
    drawing(generation)
    lifecycle.claim_looks(10)
    assert 0 < in_seconds(generation) <= 60
    due_in(generation, -1)
    assert lifecycle.claim_looks(10) == [generation]


def test_looks_are_claimed_in_batches_longest_overdue_first(wallet: Wallet, give: Callable[[int], None]) -> None:
    give(10)
    made = [
        drawing(admission.admit(wallet=wallet, request=admission.ImageRequest(prompt=str(number))).generation)
        for number in range(4)
    ]
    for number, generation in enumerate(made):
        due_in(generation, -100 if number == 2 else -10 + number)
    assert set(lifecycle.claim_looks(3)) == {made[2], made[0], made[1]}
    assert lifecycle.claim_looks(3) == [made[3]]


def test_only_drawings_are_looked_at(generation: Generation) -> None:
    assert lifecycle.claim_looks(10) == []
    claimed = submitting(generation)
    due_in(generation, -1)
    assert lifecycle.claim_looks(10) == []
    lifecycle.accepted(claimed, upstream_id="img_up", poll_after=0)
    complete(Generation.objects.get())
    due_in(generation, -1)
    assert lifecycle.claim_looks(10) == []


@pytest.mark.parametrize("claim", [lambda: lifecycle.claim_looks(8), lambda: lifecycle.claim_submissions(queued())])
def test_workers_that_come_at_once_share_what_is_due(
    wallet: Wallet, give: Callable[[int], None], claim: Callable[[], list[Generation]]
) -> None:
    """Each of them begins while others are at it, and has not seen yet what they took."""
    give(8)
    for _ in range(4):
        drawing(admitted(wallet))
        admitted(wallet)
    start = threading.Barrier(4)

    def slow(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        found = execute(sql, *arguments)
        if "UPDATE" in sql and connection.vendor != "sqlite":
            time.sleep(0.2)  # with the rows in hand, and nothing committed
        return found

    def work(_: int) -> list[int]:
        try:
            connection.ensure_connection()  # which would set them apart
            start.wait(60)
            with transaction.atomic(), connection.execute_wrapper(slow):
                return [generation.pk for generation in claim()]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        claimed = [pk for taken in pool.map(work, range(4)) for pk in taken]
    assert len(claimed) == len(set(claimed)) == 4


def queued() -> list[int]:
    return list(Generation.objects.filter(status=Status.QUEUED).values_list("pk", flat=True))


def test_looking_again_waits_and_may_count_a_strike(generation: Generation) -> None:
    found = drawing(generation)
    lifecycle.look_again([Pause(found, 50)])
    assert 20 < in_seconds(generation) <= 50
    assert Generation.objects.get().failed_polls == 0
    lifecycle.look_again([Pause(found, 90, is_failed=True)])
    assert 60 < in_seconds(generation) <= 90
    assert Generation.objects.get().failed_polls == 1


def test_what_storage_does_not_take_waits_a_day_from_the_first_time_on(generation: Generation, settings: Any) -> None:
    settings.STORAGE_PATIENCE_SECONDS = 86_400
    first = drawing(generation)
    assert lifecycle.wait_for_storage([Unstored(first, "text2image_v1", 60.0)]) == {generation.pk}
    generation.refresh_from_db()
    since, deadline = generation.unstored_since, generation.deadline_at
    assert since is not None
    assert (deadline - since, generation.status, generation.claim) == (timedelta(days=1), "drawing", "")
    assert generation.model == "text2image_v1"
    assert lifecycle.store_now() == 1
    [again] = lifecycle.claim_looks(1)
    assert lifecycle.wait_for_storage([Unstored(again, "text2image_v1", 60.0)]) == {generation.pk}
    generation.refresh_from_db()
    assert (generation.unstored_since, generation.deadline_at) == (since, deadline)


def looked_at(generation: Generation) -> Generation:
    drawing(generation)
    [claimed] = lifecycle.claim_looks(1)
    return claimed


@pytest.mark.parametrize("claimed_by", [submitting, looked_at])
def test_a_claim_that_is_renewed_does_not_lapse(
    generation: Generation, claimed_by: Callable[[Generation], Generation]
) -> None:
    claimed = claimed_by(generation)
    due_in(generation, 1)
    lifecycle.renew([claimed])
    assert in_seconds(generation) > 10


@pytest.mark.parametrize(
    ("age", "due", "is_brought_forward"),
    [(21, 5, True), (21, 1, False), (15, 5, False)],
)
def test_a_look_that_was_set_too_late_is_brought_forward(
    generation: Generation, age: float, due: float, is_brought_forward: bool
) -> None:
    drawing(generation)
    due_in(generation, due)
    Generation.objects.update(submitted_at=timezone.now() - timedelta(seconds=age))
    assert lifecycle.look_sooner(age=20, beyond=2) == is_brought_forward
    assert (lifecycle.claim_looks(1) == [generation]) == is_brought_forward


def test_a_look_under_way_is_not_brought_forward(generation: Generation) -> None:
    looked_at(generation)
    Generation.objects.update(submitted_at=timezone.now() - timedelta(seconds=60))
    assert not lifecycle.look_sooner(age=20, beyond=2)


def test_what_is_let_go_is_not_renewed(generation: Generation) -> None:
    """A renewal that comes late would overwrite the moment that the next look was just set to."""
    claimed = looked_at(generation)
    lifecycle.look_again([Pause(claimed, 1)])
    lifecycle.renew([claimed])
    assert in_seconds(generation) <= 1


@pytest.mark.parametrize("prepare", [lambda generation: generation, lambda generation: ended(generation)])
def test_nothing_is_renewed_that_nobody_works_on(generation: Generation, prepare: Any) -> None:
    found = prepare(generation)
    due_in(generation, 1)
    lifecycle.renew([found])
    lifecycle.look_again([Pause(found, 100, is_failed=True)])
    assert in_seconds(generation) <= 1
    assert Generation.objects.get().failed_polls == 0


def ended(generation: Generation) -> Generation:
    found = drawing(generation)
    complete(found)
    return found


# --- Ids of the upstream's -------------------------------------------------------------------------------------


def two(wallet: Wallet) -> list[Generation]:
    """Two that are being sent, claimed in one go."""
    requests = [admission.ImageRequest(prompt=prompt) for prompt in ("a lighthouse", "a harbour")]
    made = [admission.admit(wallet=wallet, request=request).generation.pk for request in requests]
    claimed = lifecycle.claim_submissions(made)
    assert [generation.pk for generation in claimed] == made
    assert len({generation.claim for generation in claimed}) == 1
    return claimed


def refused(generation: Generation) -> bool:
    found = Generation.objects.get(pk=generation.pk)
    return (found.status, found.error_code, found.upstream_id) == (Status.FAILED, "upstream_failed", "")


def test_an_id_that_another_one_has_is_refused(wallet: Wallet) -> None:
    """Else somebody is given, and charged for, another customer's picture."""
    first, second = two(wallet)
    assert lifecycle.accepted(first, upstream_id="img_up", poll_after=0)
    assert not lifecycle.accepted(second, upstream_id="img_up", poll_after=0)
    assert refused(second)
    assert audit(wallet) == 2


def test_an_id_that_one_had_whose_image_is_done_is_refused(wallet: Wallet) -> None:
    first, second = two(wallet)
    assert lifecycle.accepted(first, upstream_id="img_up", poll_after=0)
    assert complete(Generation.objects.get(pk=first.pk))
    assert not lifecycle.accepted(second, upstream_id="img_up", poll_after=0)
    assert refused(second)


def test_an_id_that_comes_twice_in_one_go_is_the_first_ones(wallet: Wallet) -> None:
    first, second = two(wallet)
    assert lifecycle.accept([Acceptance(one, "img_up", 0) for one in (first, second)]) == {first.pk}
    assert status(first) == Status.DRAWING
    assert refused(second)


def test_an_id_that_two_are_given_in_one_moment_is_one_of_theirs(
    wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither sees the other's row: the database decides."""
    first, second = two(wallet)
    assert lifecycle.accepted(first, upstream_id="img_up", poll_after=0)
    monkeypatch.setattr(attempts, "names_before", lambda named: set())
    [third] = lifecycle.claim_submissions([admitted(wallet).pk])
    accepted = lifecycle.accept([Acceptance(second, "img_up", 0), Acceptance(third, "img_other", 0)])
    assert accepted == {third.pk}
    assert refused(second)


def admitted(wallet: Wallet) -> Generation:
    return admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="a beach")).generation


# --- A worker that comes late ----------------------------------------------------------------------------------


def slept(claimed: Generation) -> Generation:
    """Let the claim of a looker lapse, and another one take the row; return the first as it woke up."""
    due_in(claimed, -1)
    [other] = lifecycle.claim_looks(1)
    assert other.claim != claimed.claim
    return claimed


@pytest.mark.parametrize(
    "late",
    [
        complete,
        fail,
        lambda generation: lifecycle.look_again([Pause(generation, 100, is_failed=True)]),
        lambda generation: lifecycle.renew([generation]),
    ],
)
def test_who_lost_its_claim_changes_nothing(generation: Generation, late: Callable[[Generation], Any]) -> None:
    claimed = slept(looked_at(generation))
    before = Generation.objects.values().get()
    assert not late(claimed)
    assert Generation.objects.values().get() == before


@pytest.mark.parametrize(
    "late",
    [
        lambda generation: lifecycle.requeue([Pause(generation, 0)]),
        lambda generation: lifecycle.accepted(generation, upstream_id="img_late", poll_after=0),
        fail,
    ],
)
def test_a_sender_that_lost_its_claim_changes_nothing(generation: Generation, late: Callable[..., Any]) -> None:
    claimed = submitting(generation)
    lifecycle.requeue([Pause(claimed, 0)])
    submitting(generation)
    before = Generation.objects.values().get()
    assert not late(claimed)
    assert Generation.objects.values().get() == before


def test_a_sender_that_came_back_is_not_failed_by_the_sweep(generation: Generation, wallet: Wallet) -> None:
    """It paused for longer than its lease and renewed just after the sweep had read its row."""
    claimed = submitting(generation)
    due_in(generation, -1)
    [lapsed] = lifecycle.lapsed_submissions()
    lifecycle.renew([claimed])
    assert not fail(lapsed, only_if=lifecycle.still_lapsed(lapsed))
    assert lifecycle.accepted(claimed, upstream_id="img_up", poll_after=0)
    assert audit(wallet) == 2


def test_another_sender_is_not_failed_for_the_one_that_lapsed(generation: Generation) -> None:
    first = submitting(generation)
    due_in(generation, -1)
    [lapsed] = lifecycle.lapsed_submissions()
    lifecycle.requeue([Pause(first, 0)])
    submitting(generation)
    due_in(generation, -1)
    assert not fail(lapsed, only_if=lifecycle.still_lapsed(lapsed))


# --- Ending ----------------------------------------------------------------------------------------------------


def test_completing_keeps_the_image_and_spends_the_credit(generation: Generation, wallet: Wallet) -> None:
    assert complete(drawing(generation))
    found = Generation.objects.get()
    assert found.status == Status.COMPLETED
    assert (found.width, found.height, found.file_size, found.colour) == (1024, 768, 1234, "#336699")
    assert found.file_name == f"{generation.file_token}.png"
    assert found.model == "reve-1"
    assert found.finished_at is not None
    assert history(wallet)[1:] == [("hold", -1), ("settle", 0)]
    assert audit(wallet) == 2


def test_completing_twice_does_nothing_more(generation: Generation, wallet: Wallet) -> None:
    found = drawing(generation)
    assert complete(found)
    finished_at = Generation.objects.get().finished_at
    assert not lifecycle.complete(found, image=StoredImage("jpg", 1, 1, 1, "#000000"), model="other")
    again = Generation.objects.get()
    assert (again.finished_at, again.file_extension, again.model) == (finished_at, "png", "reve-1")
    assert history(wallet)[1:] == [("hold", -1), ("settle", 0)]


@pytest.mark.parametrize("prepare", [lambda generation: generation, submitting])
def test_only_a_drawing_can_be_completed(
    generation: Generation, wallet: Wallet, prepare: Callable[[Generation], Generation]
) -> None:
    before = prepare(generation).status
    assert not complete(generation)
    assert status(generation) == before
    assert audit(wallet) == 2


@pytest.mark.parametrize("prepare", [lambda generation: generation, submitting, drawing])
def test_failing_returns_the_credit_from_every_unfinished_state(
    generation: Generation, wallet: Wallet, prepare: Callable[[Generation], Generation]
) -> None:
    assert fail(prepare(generation))
    found = Generation.objects.get()
    assert (found.status, found.error_code, found.error_message) == (Status.FAILED, "upstream_failed", "No image.")
    assert found.finished_at is not None
    assert history(wallet)[1:] == [("hold", -1), ("release", 1)]
    assert audit(wallet) == 3


def test_failing_twice_returns_the_credit_once(generation: Generation, wallet: Wallet) -> None:
    assert fail(generation)
    assert not lifecycle.fail(generation, code="timed_out", message="Too late.")
    assert Generation.objects.get().error_code == "upstream_failed"
    assert audit(wallet) == 3


def test_failing_what_is_completed_returns_no_credit(generation: Generation, wallet: Wallet) -> None:
    found = drawing(generation)
    assert complete(found)
    assert not fail(found)
    assert status(generation) == Status.COMPLETED
    assert audit(wallet) == 2


def test_completing_what_has_failed_spends_no_credit(generation: Generation, wallet: Wallet) -> None:
    found = drawing(generation)
    assert fail(found)
    assert not complete(found)
    assert status(generation) == Status.FAILED
    assert audit(wallet) == 3


def test_failing_from_one_state_leaves_the_others_alone(generation: Generation, wallet: Wallet) -> None:
    """The sweep's own case: a submission lapsed, but was accepted before the sweep came to it."""
    found = drawing(generation)
    due_in(generation, -1)
    assert not fail(found, only_if=lifecycle.still_lapsed(found))
    assert status(generation) == Status.DRAWING
    assert audit(wallet) == 2


@pytest.mark.parametrize(("end", "credits", "left"), [(complete, "settle", 2), (fail, "books", 3)])
def test_an_end_that_stops_half_way_never_was(
    generation: Generation,
    wallet: Wallet,
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[Generation], bool],
    credits: str,
    left: int,
) -> None:
    """An image and its credit end together: whoever dies between them leaves a drawing that is taken up again."""

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    found = drawing(generation)
    with monkeypatch.context() as patch:
        patch.setattr(ledger, credits, dies)
        with pytest.raises(KeyboardInterrupt):
            end(found)
    assert status(generation) == Status.DRAWING
    assert end(found)
    assert audit(wallet) == left


def test_images_of_several_people_are_completed_in_one_go(wallet: Wallet, bob: User) -> None:
    """In as many statements as one, and each for its own credit."""
    theirs = ledger.wallet_of(bob.pk)
    made = [looked_at(admitted(owner)) for owner in (wallet, theirs, wallet)]
    lost = slept(looked_at(admitted(theirs)))
    with CaptureQueriesContext(connection) as queries:
        done = lifecycle.complete_all([Completion(one, IMAGE, "reve-1") for one in [*made, lost]])
    assert done == {generation.pk for generation in made}
    assert len(queries) <= 10  # two of them for the log
    assert status(lost) == Status.DRAWING
    assert (audit(wallet), audit(theirs)) == (1, 1)
    ends = CreditEntry.objects.filter(kind="settle", wallet=theirs)
    assert list(ends.values_list("of__reference", flat=True)) == [made[1].credit_reference]


def test_an_image_without_its_hold_keeps_no_other_from_completing(wallet: Wallet, unlogged: None) -> None:
    fine, broken = (looked_at(admitted(wallet)) for _ in range(2))
    Generation.objects.filter(pk=broken.pk).update(public_id="img_withoutahold")
    broken.public_id = "img_withoutahold"
    assert lifecycle.complete_all([Completion(one, IMAGE, "reve-1") for one in (broken, fine)]) == {fine.pk}
    assert (status(fine), status(broken)) == (Status.COMPLETED, Status.DRAWING)


def test_an_overlong_message_from_upstream_is_cut_and_the_credit_returned(
    generation: Generation, wallet: Wallet
) -> None:
    assert lifecycle.fail(drawing(generation), code="upstream_failed", message="é" * 5000)
    assert audit(wallet) == 3


def test_an_overlong_model_name_is_cut(generation: Generation, wallet: Wallet) -> None:
    assert lifecycle.complete(drawing(generation), image=IMAGE, model="m" * 5000)
    assert audit(wallet) == 2


def test_what_is_past_its_deadline_is_found_in_every_unfinished_state(generation: Generation) -> None:
    assert list(lifecycle.past_deadline()) == []
    Generation.objects.update(deadline_at=timezone.now())
    assert list(lifecycle.past_deadline()) == [generation]
    found = drawing(generation)
    assert list(lifecycle.past_deadline()) == [generation]
    fail(found)
    assert list(lifecycle.past_deadline()) == []


# --- Telling the others ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "is_end"),
    [
        (lambda generation: lifecycle.claim_submission(generation.pk), False),
        (lambda generation: drawing(generation), False),
        (lambda generation: complete(drawing(generation)), True),
        (fail, True),
    ],
)
def test_every_visible_change_wakes_whoever_waits(
    generation: Generation, monkeypatch: pytest.MonkeyPatch, change: Callable[[Generation], Any], is_end: bool
) -> None:
    """Pages show each step; who waits for the image wants to know of its end alone."""
    woken: list[str] = []
    monkeypatch.setattr("kit.wakeups.publish", lambda *topics: woken.extend(topics))
    change(generation)
    assert set(woken) == {
        f"account:{generation.wallet_id}",
        *([f"generation:{generation.public_id}"] if is_end else []),
    }


def test_a_change_that_did_nothing_wakes_nobody(generation: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    found = drawing(generation)
    complete(found)
    woken: list[str] = []
    monkeypatch.setattr("kit.wakeups.publish", lambda *topics: woken.extend(topics))
    assert not complete(found)
    assert not fail(found)
    assert lifecycle.claim_submission(generation.pk) is None
    assert woken == []


# --- Called off ------------------------------------------------------------------------------------------------


def test_what_waits_is_cancelled_and_its_credit_is_back(generation: Generation, wallet: Wallet) -> None:
    assert lifecycle.cancel(generation)
    found = Generation.objects.get()
    assert (found.status, found.error_code, found.may_have_files) == (Status.FAILED, "cancelled", False)
    assert lifecycle.claim_submission(generation.pk) is None
    assert not lifecycle.cancel(generation)
    assert (audit(wallet), history(wallet)[1:]) == (3, [("hold", -1), ("release", 1)])


def test_what_waits_again_is_cancelled_too(generation: Generation, wallet: Wallet) -> None:
    """The upstream had no room for it, and certainly did not take it."""
    lifecycle.requeue([Pause(submitting(generation), 60)])
    assert lifecycle.cancel(generation)
    assert audit(wallet) == 3


@pytest.mark.parametrize("taken", [submitting, drawing])
def test_what_a_worker_has_taken_is_not_cancelled(
    generation: Generation, wallet: Wallet, taken: Callable[[Generation], Generation]
) -> None:
    before = taken(generation).status
    assert not lifecycle.cancel(generation)
    assert (status(generation), audit(wallet)) == (before, 2)


def test_of_cancelling_and_taking_at_once_one_happens(wallet: Wallet, give: Callable[[int], None]) -> None:
    """Fifty images, each cancelled twice while a worker claims it."""
    Wallet.objects.update(rate_limit=1000)
    wallet.refresh_from_db()
    give(50 - audit(wallet))
    images = [admitted(wallet) for _ in range(50)]
    start = threading.Barrier(6)

    def work(number: int) -> list[tuple[str, int]]:
        try:
            connection.ensure_connection()
            start.wait(60)
            mine = images if number % 2 else images[::-1]
            if number < 4:
                return [("cancel", image.pk) for image in mine if lifecycle.cancel(image)]
            return [("take", image.pk) for image in mine if lifecycle.claim_submission(image.pk)]
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        done = [one for some in pool.map(work, range(6)) for one in some]
    assert sorted(pk for _, pk in done) == sorted(image.pk for image in images)
    cancelled = {pk for how, pk in done if how == "cancel"}
    assert cancelled == set(Generation.objects.filter(status=Status.FAILED).values_list("pk", flat=True))
    taken = {pk for how, pk in done if how == "take"}
    assert taken == set(Generation.objects.filter(status=Status.SUBMITTING).values_list("pk", flat=True))
    assert audit(wallet) == len(cancelled)
    assert CreditEntry.objects.filter(kind=CreditEntry.Kind.RELEASE).count() == len(cancelled)
