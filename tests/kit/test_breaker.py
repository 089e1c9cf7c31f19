"""A breaker: what does not answer is left alone for a while, and one trial finds out when it is back."""

import time

import pytest

from kit.breaker import Breaker


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def breaker() -> Breaker:
    return Breaker("It", failures=3, pause=15, window=60)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_it_opens_after_the_third_failure_in_a_row(breaker: Breaker, clock: list[float]) -> None:
    fail(breaker, 2)
    assert breaker.allows()
    fail(breaker, 1)
    assert [breaker.allows() for _ in range(3)] == [False, False, False]


def test_an_answer_between_makes_it_begin_anew(breaker: Breaker, clock: list[float]) -> None:
    fail(breaker, 2)
    breaker.answered()
    fail(breaker, 2)
    assert breaker.allows()


def test_failures_that_lie_far_apart_do_not_open_it(breaker: Breaker, clock: list[float]) -> None:
    for _ in range(5):
        breaker.failed()
        clock[0] += 61
    assert breaker.allows()


def test_after_a_pause_one_trial_is_let_through(breaker: Breaker, clock: list[float]) -> None:
    fail(breaker, 3)
    clock[0] += 15
    assert [breaker.allows() for _ in range(20)] == [True] + [False] * 19


@pytest.mark.parametrize(("answers", "open_to"), [(True, [True, True]), (False, [False, False])])
def test_the_trial_decides(breaker: Breaker, clock: list[float], answers: bool, open_to: list[bool]) -> None:
    fail(breaker, 3)
    clock[0] += 300  # longer than the window: one failure is enough to open it again
    assert breaker.allows()
    breaker.answered() if answers else breaker.failed()
    assert [breaker.allows(), breaker.allows()] == open_to


def test_a_trial_that_never_ends_is_followed_by_another(breaker: Breaker, clock: list[float]) -> None:
    fail(breaker, 3)
    for _ in range(3):
        clock[0] += 15
        assert [breaker.allows(), breaker.allows()] == [True, False]
