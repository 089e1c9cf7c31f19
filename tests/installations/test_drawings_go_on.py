"""What an earlier version had sent goes on at the first upstream, under the id that it has there."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from billing.staff import audit
from generator.jobs import lifecycle
from generator.models import Attempt, Generation, Upstream
from kit.threads import in_loop
from tests.generator.painters import Painter, engine
from tests.installations import prepared
from tests.installations.prepared import Installation

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]

Status = Generation.Status


@pytest.fixture(scope="module")
def installation(
    django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with django_db_blocker.unblock(), prepared.migrated("first", tmp_path_factory.mktemp("installation")) as found:
        yield found


@pytest.fixture
def painter() -> Iterator[Painter]:
    painter = Painter("first")
    Upstream.objects.update(base_url=painter.url)
    yield painter
    painter.off()


async def _work(which: str) -> None:
    worker = engine()
    await getattr(worker, which)()
    await worker.dialects.aclose()


def test_what_was_drawing_is_looked_at_and_completed(installation: Installation, painter: Painter) -> None:
    drawing = Generation.objects.filter(status=Status.DRAWING)
    names = dict(drawing.exclude(upstream_id="").values_list("pk", "upstream_id"))
    assert names
    assert not Attempt.objects.exists()
    painter.jobs = dict.fromkeys(names.values(), ("as it was", 0.0))
    soon = timezone.now() + timedelta(minutes=5)
    Generation.objects.filter(pk__in=names).update(due_at=timezone.now(), deadline_at=soon, claim="")
    in_loop(_work("look_at_due"))
    assert set(Generation.objects.filter(pk__in=names).values_list("status", flat=True)) == {Status.COMPLETED}
    assert not Attempt.objects.exists()  # no history is made up
    assert list(audit.drifts()) == []


def test_what_waited_is_sent_under_an_attempt(installation: Installation, painter: Painter, settings: Any) -> None:
    painter.seconds = 60
    waiting = list(Generation.objects.filter(status=Status.QUEUED).values_list("pk", flat=True))
    assert waiting
    soon = timezone.now() + timedelta(minutes=5)
    Generation.objects.filter(pk__in=waiting).update(due_at=timezone.now(), deadline_at=soon)
    in_loop(_work("send_due"))
    found = Attempt.objects.filter(generation__in=waiting)
    assert set(found.values_list("upstream__slug", "state")) <= {("reve", "accepted"), ("reve", "drawn")}
    assert found.count() == len(waiting) == len(painter.taken)


def test_a_name_that_it_gave_before_is_given_to_no_other(
    installation: Installation, painter: Painter, unlogged: None
) -> None:
    known = Generation.objects.filter(status=Status.COMPLETED, attempts=None).exclude(upstream_id="").first()
    assert known is not None
    queued = Generation.objects.filter(status__in=(Status.QUEUED, Status.DRAWING)).first()
    assert queued is not None
    queued.attempts.all().delete()
    Generation.objects.filter(pk=queued.pk).update(
        status=Status.QUEUED, claim="", due_at=timezone.now(), upstream_id=""
    )
    claimed = lifecycle.claim_submission(queued.pk)
    assert claimed is not None
    assert not lifecycle.accepted(claimed, upstream_id=known.upstream_id, poll_after=0)
    queued.refresh_from_db()
    assert (queued.status, queued.attempts.get().state) == (Status.FAILED, "unclear")
