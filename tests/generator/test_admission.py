"""Several images at once: all of them or none, each with a credit of its own, however often and from wherever asked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections

from billing import ledger
from billing.models import CreditEntry, CreditLine, Plan, Wallet
from generator.ask import admission, prices
from generator.ask.admission import Admission, ImageRequest
from generator.errors import IdempotencyConflict, OutOfCredits, RateLimited, TooManyAtOnce
from generator.jobs import lifecycle
from generator.models import Generation
from generator.upstreams import routing, trouble
from kit import wakeups
from tests.billing import books
from tests.billing.books import audit
from tests.conftest import Api

pytestmark = pytest.mark.services

FOUR = ImageRequest(prompt="a lighthouse", count=4)


@pytest.fixture
def rich(wallet: Wallet, give: Callable[[int], None]) -> Wallet:
    """Alice with 53 credits and no limit in her way."""
    give(50)
    Wallet.objects.filter(pk=wallet.pk).update(rate_limit=1000)
    wallet.refresh_from_db()
    return wallet


def balance(wallet: Wallet) -> int:
    return Wallet.objects.values_list("balance", flat=True).get(pk=wallet.pk)


def ask(wallet: Wallet, key: object = None) -> Admission:
    """Ask for four images, under `studio:<key>`."""
    return admission.admit(wallet=wallet, request=FOUR, idempotency_key=f"studio:{key}" if key is not None else None)


def at_once(times: int, work: Callable[[int], Any]) -> list[Any]:
    """Do `work` on as many threads at the same moment, and return what each got or was refused with."""

    def one(number: int) -> Any:
        try:
            return work(number)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What is published: the topics of each message."""
    sent: list[tuple[str, ...]] = []
    monkeypatch.setattr(wakeups, "publish", lambda *topics: sent.append(topics))
    return sent


def test_all_are_queued_together(rich: Wallet, woken: list[tuple[str, ...]]) -> None:
    admitted = ask(rich, 1)
    assert (admitted.credits_charged, admitted.credits_remaining) == (4, 49)
    assert [set(topics) for topics in woken] == [{wakeups.WORK, wakeups.wallet_topic(rich.pk)}]
    assert len({generation.created_at for generation in admitted.generations}) == 1


def test_a_worker_is_told_once_the_rows_are_there_to_be_found(rich: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
    early: list[bool] = []
    monkeypatch.setattr(wakeups, "publish", lambda *topics: early.append(connection.in_atomic_block))
    ask(rich)
    assert early == [False]


@pytest.mark.parametrize(("through_a_key", "wait"), [(False, False), (True, False), (True, True)])
def test_somebody_waits_for_what_the_studio_asks_for_and_for_a_call_that_is_held(
    rich: Wallet, api: Api, through_a_key: bool, wait: bool
) -> None:
    request = ImageRequest("a lighthouse", wait=wait)
    admitted = admission.admit(wallet=rich, request=request, api_key=api.key if through_a_key else None)
    assert admitted.generation.is_awaited == (wait or not through_a_key)


def test_each_one_ends_alone(rich: Wallet) -> None:
    first, second, *_ = ask(rich).generations
    lifecycle.fail(first, code="upstream_failed", message="The brush broke.")
    assert balance(rich) == 50
    ends = CreditEntry.objects.filter(of__reference__in=[first.credit_reference, second.credit_reference])
    assert [(end.kind, end.about) for end in ends] == [(CreditEntry.Kind.RELEASE, first.credit_reference)]


def test_too_few_credits_say_how_many_there_were(wallet: Wallet) -> None:
    with pytest.raises(OutOfCredits) as refused:
        admission.admit(wallet=wallet, request=FOUR)
    assert (refused.value.balance, refused.value.needed) == (3, 4)
    assert balance(wallet) == 3
    assert not Generation.objects.exists()
    assert not CreditEntry.objects.filter(kind=CreditEntry.Kind.HOLD).exists()


def test_the_rate_is_taken_for_each(rich: Wallet) -> None:
    Wallet.objects.filter(pk=rich.pk).update(rate_limit=6)
    rich.refresh_from_db()
    first = ask(rich)
    assert first.rate
    assert first.rate.remaining == 2
    with pytest.raises(RateLimited):
        ask(rich)
    last = admission.admit(wallet=rich, request=ImageRequest(prompt="x", count=2))
    assert last.rate
    assert last.rate.remaining == 0


def test_a_plans_places_have_to_be_free_for_all(rich: Wallet) -> None:
    plan = Plan.objects.create(slug="six", name="Six", credits=0, price=0, interval="", order=9, max_in_flight=6)
    Wallet.objects.filter(pk=rich.pk).update(plan=plan)
    rich = ledger.wallet_of(rich.user_id)
    ask(rich)
    with pytest.raises(TooManyAtOnce):
        ask(rich)
    assert Generation.objects.count() == 4
    assert balance(rich) == 49


def test_a_replay_returns_all_of_them(rich: Wallet) -> None:
    first = ask(rich, 1)
    again = ask(rich, 1)
    assert again.replayed
    assert again.generations == first.generations
    assert balance(rich) == 49


@pytest.mark.parametrize("count", [1, 2, 3])
def test_another_count_under_the_same_key_is_a_conflict(rich: Wallet, count: int) -> None:
    ask(rich, 1)
    with pytest.raises(IdempotencyConflict):
        admission.admit(wallet=rich, request=ImageRequest("a lighthouse", count=count), idempotency_key="studio:1")
    assert balance(rich) == 49


def test_one_form_sent_from_eight_threads_is_four_images(rich: Wallet) -> None:
    results = at_once(8, lambda _: ask(rich, 1))
    assert all(isinstance(result, Admission) for result in results), results
    assert len({result.generations for result in results}) == 1
    assert sum(result.credits_charged for result in results) == 4
    assert Generation.objects.count() == 4
    assert balance(rich) == 49
    audit(rich)


def test_ten_forms_at_once_take_no_credit_that_is_not_there(rich: Wallet) -> None:
    books.take(wallet=rich, credits=43, reference="test:take", cause="test")
    results = at_once(10, partial(ask, rich))
    assert sum(isinstance(result, Admission) for result in results) == 2
    assert sum(isinstance(result, OutOfCredits) for result in results) == 8
    assert Generation.objects.count() == 8
    assert balance(rich) == 2
    audit(rich)


def test_the_last_places_go_to_one_form(rich: Wallet) -> None:
    plan = Plan.objects.create(slug="six", name="Six", credits=0, price=0, interval="", order=9, max_in_flight=6)
    Wallet.objects.filter(pk=rich.pk).update(plan=plan)
    rich = ledger.wallet_of(rich.user_id)
    results = at_once(6, partial(ask, rich))
    assert sum(isinstance(result, Admission) for result in results) == 1
    assert Generation.objects.count() == 4


@pytest.mark.parametrize("images", [1, 4])
def test_several_images_take_as_many_statements_as_one(
    rich: Wallet, django_assert_max_num_queries: Any, monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    for cached in (prices, routing, trouble):
        monkeypatch.setattr(cached, "CACHE_SECONDS", 60)  # they are asked once a second
    assert routing.is_open(prices.offered()[0], "create")
    # BEGIN and COMMIT, the replay; the wallet and its grants, each read and changed; the entry, its line, group and row
    with django_assert_max_num_queries(11 if images == 1 else 12):  # four draw on two grants
        admission.admit(wallet=rich, request=ImageRequest("a lighthouse", count=images), idempotency_key="one")


def test_several_images_draw_on_one_grant_after_the_other(rich: Wallet) -> None:
    admitted = admission.admit(wallet=rich, request=FOUR)
    lines = CreditLine.objects.filter(entry__kind=CreditEntry.Kind.HOLD).order_by("entry_id")
    references = [line.entry.reference for line in lines]
    assert references == [generation.credit_reference for generation in admitted.generations]
    assert [line.grant.amount for line in lines] == [3, 3, 3, 50]
    assert [line.entry.balance_after for line in lines] == [52, 51, 50, 49]
    audit(rich)


def test_a_callers_key_is_none_of_a_groups(rich: Wallet) -> None:
    group = ask(rich, key="poster")
    other = admission.admit(wallet=rich, request=ImageRequest(prompt="a pier"), idempotency_key="studio:poster:2")
    assert (len(group.generations), other.replayed) == (4, False)
    assert {one.idempotency_key for one in group.generations} == {"studio:poster"}


def test_the_longest_key_has_room_for_a_group(rich: Wallet) -> None:
    key = "k" * 255
    first, again = (admission.admit(wallet=rich, request=FOUR, idempotency_key=key) for _ in range(2))
    assert [one.pk for one in again.generations] == [one.pk for one in first.generations]
    assert (again.replayed, again.credits_charged) == (True, 0)
