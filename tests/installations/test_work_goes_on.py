"""An update in the middle of work: what was under way at the one upstream goes on there, and ends once."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from billing.models import CreditEntry, Wallet
from billing.staff import audit
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.files import unstored
from generator.jobs import sweep
from generator.jobs.receipt import receipt_of
from generator.models import Attempt, Generation, Upstream
from kit.threads import in_loop
from tests.generator.painters import Painter, engine
from tests.generator.upstream import png
from tests.installations import prepared
from tests.installations.prepared import Installation

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images", "unlogged")]

OLGA = "olga@example.com"


@pytest.fixture
def installation(
    django_db_blocker: DjangoDbBlocker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """One for each test, for they write for good; time goes on from the moment at which it was stopped."""
    with django_db_blocker.unblock(), prepared.migrated("one-upstream", tmp_path) as found:
        ahead = datetime.fromisoformat(found.facts["at"]) - timezone.now()
        now = timezone.now
        monkeypatch.setattr(timezone, "now", lambda: now() + ahead)
        yield found


@pytest.fixture
def painter(installation: Installation) -> Iterator[Painter]:
    """The upstream, which has what was sent to it."""
    painter = Painter("first")
    Upstream.objects.update(base_url=painter.url)
    sent = Generation.objects.filter(status="drawing", wallet__user__email=OLGA)
    painter.jobs = dict.fromkeys(sent.values_list("upstream_id", flat=True), ("as it was", 0.0))
    yield painter
    painter.off()


async def _work() -> None:
    """What a worker does that was started after the update, until nothing is due."""
    worker = engine()
    await worker.look_at_due()
    await worker.send_due()
    await worker.dialects.aclose()


def work() -> None:
    sweep.fail_stuck()
    in_loop(_work())


def stopped(installation: Installation, state: str) -> list[Generation]:
    names = [name for name, was in installation.facts["at_work"].items() if was == state]
    assert len(names) == 2  # of a press, and of a call
    return list(Generation.objects.filter(public_id__in=names))


def ends_of(generation: Generation) -> list[tuple[str, int]]:
    entries = CreditEntry.objects.filter(of__reference=generation.credit_reference)
    return list(entries.values_list("kind", "amount"))


def test_each_state_goes_on_to_its_end(installation: Installation, painter: Painter) -> None:
    held = Wallet.objects.get(user__email=OLGA).balance
    assert held == installation.facts["people"][OLGA]["credits"]
    work()
    for state in ("drawing", "unstored"):
        for generation in stopped(installation, state):
            assert (generation.status, generation.upstream_id in painter.jobs) == ("completed", True)
            assert ends_of(generation) == [("settle", 0)]
            assert not generation.attempts.exists()  # no history is made up
            receipt = receipt_of(generation)
            words = ["Credit set aside", "Credit spent", "Image completed", "Sent to be drawn"]
            assert (sorted(step.words for step in receipt.steps), receipt.cost) == (words, 1)
    for generation in stopped(installation, "submitting"):
        assert (generation.status, generation.error_code) == ("failed", "upstream_failed")
        assert ends_of(generation) == [("release", 1)]
    for generation in stopped(installation, "queued"):
        attempt = Attempt.objects.get(generation=generation)
        assert (attempt.upstream.slug, attempt.number) == ("reve", 1)
        assert generation.status in ("drawing", "completed")
    assert sorted(painter.taken) == ["A call that is in four states", "One press in four states"]
    assert Wallet.objects.get(user__email=OLGA).balance == held + 2
    assert list(audit.drifts()) == []


def test_it_ends_once(installation: Installation, painter: Painter) -> None:
    work()
    balances = dict(Wallet.objects.values_list("pk", "balance"))
    Generation.objects.filter(status="drawing").update(due_at=timezone.now())
    for _ in range(2):
        work()
    entries = CreditEntry.objects.filter(of__reference__startswith="generation:", wallet__user__email=OLGA)
    for name in installation.facts["at_work"]:
        assert entries.filter(of__reference=f"generation:{name}").count() == 1, name
    assert Generation.objects.filter(public_id__in=installation.facts["at_work"], status="completed").count() == 6
    assert dict(Wallet.objects.values_list("pk", "balance")) == balances
    assert len(painter.taken) == 2
    assert list(audit.drifts()) == []


def test_what_this_machine_kept_is_stored_without_the_upstream(installation: Installation, painter: Painter) -> None:
    waiting = stopped(installation, "unstored")
    for generation in waiting:
        assert unstored.put(generation.file_token, png())
        del painter.jobs[generation.upstream_id]  # it has it no more
    work()
    for generation in stopped(installation, "unstored"):
        assert (generation.status, generation.model) == ("completed", "reve-image-1.0")
        assert not unstored.has(generation.file_token)


def test_a_key_goes_on_to_find_what_was_under_way(installation: Installation, painter: Painter) -> None:
    work()
    wallet = Wallet.objects.get(user__email=OLGA)
    count = Generation.objects.count()
    calls = [one for one in installation.facts["calls"] if one["image"] in installation.facts["at_work"]]
    for call in calls:
        request = ImageRequest(call["body"]["prompt"])
        again = admission.admit(wallet=wallet, request=request, idempotency_key=call["idempotency_key"])
        assert ([one.public_id for one in again.generations], again.credits_charged) == ([call["image"]], 0)
    [press] = [one for one in installation.facts["presses"] if set(one["images"]) & set(installation.facts["at_work"])]
    request = ImageRequest(press["form"]["prompt"], count=4)
    again = admission.admit(wallet=wallet, request=request, idempotency_key=f"studio:{press['form']['nonce']}")
    assert ([one.public_id for one in again.generations], again.credits_charged) == (press["images"], 0)
    assert len(calls) == 4
    assert Generation.objects.count() == count


def test_an_upstream_that_is_asked_before_it_does_not_get_its_jobs(
    installation: Installation, painter: Painter
) -> None:
    """A second one is put in before a worker has started: what the first one has is asked of the first one."""
    other = Painter("second")
    first = Upstream.objects.get()
    other_row = Upstream.objects.create(
        slug="second", name="Second", dialect="reve_art", base_url=other.url, priority=first.priority - 1
    )
    route = first.routes.get()
    route.pk, route.upstream = None, other_row
    route.save()
    try:
        work()
    finally:
        other.off()
    for state in ("drawing", "unstored"):
        assert {one.status for one in stopped(installation, state)} == {"completed"}
    assert painter.asked + len(painter.taken) == 0  # nothing new was sent there
    assert len(other.taken) == 2
    assert set(Attempt.objects.values_list("upstream__slug", flat=True)) == {"second"}
    assert list(audit.drifts()) == []
