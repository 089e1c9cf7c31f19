"""Whose image is sent next: accounts take turns, and whoever waits for an image is not behind a backlog."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.jobs import turns
from generator.jobs.turns import Turns
from generator.models import Generation
from generator.upstreams import routing, trouble

pytestmark = pytest.mark.services

Queue = Callable[..., list[Generation]]


@pytest.fixture
def queue(transactional_db: None) -> Queue:
    """Put images of a wallet into the queue."""

    def queue(wallet: Wallet, count: int, **fields: Any) -> list[Generation]:
        deadline = timezone.now() + timedelta(minutes=10)
        rows = [Generation(wallet=wallet, prompt="x", deadline_at=deadline, **fields) for _ in range(count)]
        return Generation.objects.bulk_create(rows)

    return queue


@pytest.fixture
def others(transactional_db: None) -> list[Wallet]:
    """Wallets of five more people."""
    people = [User.objects.create(email=f"{number}@example.com") for number in range(5)]
    return [ledger.wallet_of(person.pk) for person in people]


def claim(turns: Turns, limit: int, in_hand: Counter[int] | None = None) -> list[Generation]:
    return turns.claim(limit, in_hand or Counter())


def test_an_account_is_not_behind_anothers_backlog(wallet: Wallet, others: list[Wallet], queue: Queue) -> None:
    queue(wallet, 600)
    [late] = queue(others[0], 1)
    claimed = claim(Turns(100), 2)
    assert late in claimed
    assert {generation.wallet_id for generation in claimed} == {wallet.pk, others[0].pk}


def test_accounts_take_turns(wallet: Wallet, others: list[Wallet], queue: Queue) -> None:
    for owner, count in zip([wallet, *others], (60, 50, 40, 30, 20, 2), strict=True):
        queue(owner, count)
    claimed = claim(Turns(100), 42)
    assert sorted(Counter(generation.wallet_id for generation in claimed).values()) == [2, 8, 8, 8, 8, 8]


def test_of_one_account_goes_first_what_somebody_waits_for_then_what_is_oldest(wallet: Wallet, queue: Queue) -> None:
    first, second = queue(wallet, 2)
    [awaited] = queue(wallet, 1, is_awaited=True)
    assert claim(Turns(100), 3) == [awaited, first, second]


def test_of_several_accounts_goes_first_for_whom_somebody_waits(
    wallet: Wallet, others: list[Wallet], queue: Queue
) -> None:
    queue(wallet, 3)
    [awaited] = queue(others[0], 1, is_awaited=True)
    assert claim(Turns(100), 1) == [awaited]


def test_an_account_has_at_most_its_share_in_hand(wallet: Wallet, others: list[Wallet], queue: Queue) -> None:
    """What hangs at the upstream is all one account's: there is room for the others."""
    queue(wallet, 20)
    some = Turns(10)
    held = claim(some, 10)
    assert len(held) == 5
    in_hand = Counter(generation.wallet_id for generation in held)
    assert claim(some, 5, in_hand) == []
    [other] = queue(others[0], 1)
    assert claim(some, 5, in_hand) == [other]


def test_who_has_less_in_hand_is_next(wallet: Wallet, others: list[Wallet], queue: Queue) -> None:
    queue(wallet, 5)
    queue(others[0], 5)
    claimed = claim(Turns(20), 3, Counter({wallet.pk: 3}))
    assert Counter(generation.wallet_id for generation in claimed) == {others[0].pk: 3}


def test_with_very_many_accounts_the_round_goes_on_where_it_stood(
    wallet: Wallet, others: list[Wallet], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "ACCOUNTS_AT_ONCE", 2)
    owners = [wallet, *others]
    for owner in owners:
        queue(owner, 5)
    some = Turns(100)
    rounds = [{generation.wallet_id for generation in claim(some, 2)} for _ in range(6)]
    assert set.union(*rounds[:3]) == {owner.pk for owner in owners}
    assert set.union(*rounds[3:]) == {owner.pk for owner in owners}


def test_what_is_not_due_waits(wallet: Wallet, queue: Queue) -> None:
    queue(wallet, 3, due_at=timezone.now() + timedelta(seconds=30))
    [due] = queue(wallet, 1)
    assert claim(Turns(100), 5) == [due]
    assert claim(Turns(100), 5) == []


def test_an_image_is_claimed_once(wallet: Wallet, queue: Queue) -> None:
    queue(wallet, 5)
    claimed = claim(Turns(100), 3) + claim(Turns(100), 3)
    assert len({generation.pk for generation in claimed}) == len(claimed) == 5


def test_a_turn_takes_as_many_statements_however_much_waits(
    wallet: Wallet, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "CACHE_SECONDS", 60.0)
    monkeypatch.setattr(trouble, "CACHE_SECONDS", 60.0)

    def statements(count: int) -> int:
        queue(wallet, count)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(claim(Turns(100), 10)) == 10
        return len(queries)

    routing.is_open(None, "create")  # read once a second
    assert statements(20) == statements(500) <= 8
