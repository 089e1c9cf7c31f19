"""When a drawing is looked at: few looks, and soon after it is ready."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.utils import timezone

from generator.jobs import rhythm
from generator.jobs.rhythm import Rhythm
from generator.models import Generation


class Upstream:
    """Drawings that take a while each, looked at as a rhythm says; time passes in no time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ages: dict[int, float] = {}
        self.rhythm = Rhythm()
        monkeypatch.setattr(rhythm, "age_of", lambda generation: self.ages[generation.pk])

    def draw(self, pk: int, seconds: float) -> tuple[int, float]:
        """Return after how many looks a drawing that takes `seconds` was noticed, and how late."""
        generation = Generation(pk=pk)
        age, looks = self.rhythm.usual, 1
        while age < seconds:
            self.ages[pk] = age
            age, looks = age + self.rhythm.after(generation), looks + 1
        self.ages[pk] = age
        self.rhythm.found(generation)
        return looks, age - seconds


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Upstream:
    settings.UPSTREAM_TYPICAL_SECONDS = 8.0
    return Upstream(monkeypatch)


@pytest.mark.parametrize(("typical", "spread"), [(20, 0), (20, 2), (20, 5), (8, 1), (3, 0.5), (40, 3)])
def test_a_drawing_is_noticed_soon_and_with_few_looks(upstream: Upstream, typical: float, spread: float) -> None:
    random = Random(1)
    drawn = [upstream.draw(pk, typical + random.uniform(-spread, spread)) for pk in range(1000)][100:]
    looks = [looks for looks, _ in drawn]
    late = sorted(late for _, late in drawn)
    assert sum(looks) / len(looks) <= 6
    assert late[len(late) * 95 // 100] <= max(1.5, 0.08 * typical)


def test_an_upstream_that_becomes_quicker_is_soon_noticed_sooner(upstream: Upstream) -> None:
    for pk in range(200):
        upstream.draw(pk, 20)
    assert max(late for _, late in (upstream.draw(pk, 5) for pk in range(300, 400))) > 10
    assert max(late for _, late in (upstream.draw(pk, 5) for pk in range(400, 450))) <= 1.5


def test_looks_that_come_late_do_not_make_the_next_ones_later(upstream: Upstream) -> None:
    """As under a load that this process cannot keep up with: then nothing would ever be in time again."""
    for pk in range(200):
        upstream.draw(pk, 20)
    usual = upstream.rhythm.usual
    for pk in range(300, 400):
        upstream.ages[pk] = 120.0
        upstream.rhythm.found(Generation(pk=pk))
    assert upstream.rhythm.usual <= usual


def test_until_it_is_known_how_long_drawings_take_a_few_are_looked_at_closely(upstream: Upstream) -> None:
    """And the others, however many, not: they are looked at when those few have told."""
    pauses = []
    for pk in range(100):
        upstream.ages[pk] = 10.0
        pauses.append(upstream.rhythm.after(Generation(pk=pk)))
    assert sum(pause < 1 for pause in pauses) == rhythm.SCOUTS
    assert max(pauses) <= 3.5


def test_the_first_look_comes_when_an_image_is_usually_ready(settings: Any) -> None:
    settings.UPSTREAM_TYPICAL_SECONDS = 8.0
    assert Rhythm().usual == 8.0
    settings.UPSTREAM_TYPICAL_SECONDS = 0.0
    assert 0 < Rhythm().usual < 1


def test_looks_come_quickly_at_first_and_at_least_every_15_seconds_later() -> None:
    pauses = [rhythm.step_at(age) for age in range(600)]
    assert pauses[0] < 1
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15.0


def test_an_age_counts_from_when_it_was_sent() -> None:
    now = timezone.now()
    sent = Generation(created_at=now - timedelta(seconds=60), submitted_at=now - timedelta(seconds=5))
    assert rhythm.age_of(sent, now) == 5
