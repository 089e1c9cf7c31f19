"""A short form of `make stories`: the same stories each time, and a few that nobody has seen."""

import random
from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.stories.story import play, shorten, steps_of

KNOWN = (*range(1, 45), 45, 48, 65, 87, 102)  # the last ones have found something before
NEW = 6

pytestmark = pytest.mark.timeout(600)  # thousands of small steps: on a busy machine they take a while


@pytest.fixture(autouse=True)
def _database(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Each story undoes its own transaction."""
    with django_db_blocker.unblock():
        yield


def hold(seed: int) -> None:
    outcome = play(steps_of(seed))
    if outcome.rule:
        outcome = shorten(outcome)
        again = f"make stories SEED={seed} COUNT=1"
        pytest.fail("\n".join(["", *outcome.log, "", outcome.words, f"again: {again}"]), pytrace=False)


@pytest.mark.parametrize("part", range(4))
def test_what_is_paid_can_be_spent_and_nothing_else_can(part: int) -> None:
    for seed in KNOWN[part::4]:
        hold(seed)


def test_so_it_is_in_stories_that_were_never_told() -> None:
    first = random.randrange(1_000, 1_000_000_000)
    for seed in range(first, first + NEW):
        hold(seed)
