"""What is on its way is found by the indexes of just that, among however many images have ended."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, QuerySet
from django.utils import timezone

from accounts import many_rows
from generator.jobs import lifecycle
from generator.models import Generation

ASKED: dict[str, Callable[[], QuerySet[Any]]] = {
    "past its deadline": lifecycle.past_deadline,
    "the next deadline": lambda: Generation.objects.unfinished().order_by("deadline_at").values("deadline_at"),
    "due": lambda: Generation.objects.real().unfinished().filter(due_at__lte=timezone.now()).order_by("due_at"),
    "by state": lambda: Generation.objects.real().unfinished().order_by().values("status").annotate(Count("pk")),
    "an upstream's name of before": lambda: (
        Generation.objects.named_there().filter(upstream_id__in=["up_1"], attempts=None).values("pk")
    ),
    "a search": lambda: many_rows.either(Generation.objects.all(), ["upstream_id"], "up_1"),
    "drawn and not stored": lambda: (
        Generation.objects.unfinished().filter(status="drawing").exclude(unstored_since=None).values("pk")
    ),
}


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads small tables whole, as it should")
@pytest.mark.parametrize("what", ASKED)
def test_no_question_reads_all_images(what: str) -> None:
    plan = ASKED[what]().explain()
    assert "SCAN generator_generation" not in plan, plan


@pytest.mark.django_db
@pytest.mark.services
def test_it_is_what_is_on_its_way(generation: Generation) -> None:
    assert list(Generation.objects.unfinished()) == [generation]
    Generation.objects.update(status="failed")
    assert not Generation.objects.unfinished().exists()
