"""What happens once a night happens once, whoever is told to do it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time
from typing import Any

import pytest
from django.utils import timezone

from billing import tasks
from kit import nights

AT = time(3, 17)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_to(day: int, hour: int, minute: int) -> None:
        moment = datetime(2026, 3, day, hour, minute, tzinfo=UTC)
        monkeypatch.setattr(timezone, "now", lambda: moment)

    return set_to


def test_of_many_that_are_told_at_once_one_does_it(clock: Any) -> None:
    clock(1, 3, 17)
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: nights.claim("x", at=AT), range(16))) == 1
    assert nights.claim("another", at=AT)


def test_it_is_done_again_the_next_night_and_never_by_day(clock: Any) -> None:
    clock(1, 3, 16)
    assert not nights.claim("x", at=AT)
    clock(1, 3, 40)  # whoever was away at its minute
    assert nights.claim("x", at=AT)
    clock(1, 7, 30)
    assert not nights.claim("x", at=AT)
    clock(1, 14, 0)
    assert not nights.claim("y", at=AT)
    clock(2, 3, 17)
    assert nights.claim("x", at=AT)


def test_what_failed_is_tried_again_the_same_night(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def fails() -> None:
        done.append("failed")
        raise OSError("away")

    def works() -> None:
        done.append("worked")

    monkeypatch.setattr(tasks, "NIGHTLY", {fails: time(3, 17), works: time(3, 41)})
    clock(1, 3, 20)
    tasks.nightly()
    tasks.nightly()
    clock(1, 3, 50)
    tasks.nightly()
    tasks.nightly()
    assert done == ["failed", "failed", "failed", "worked", "failed"]
