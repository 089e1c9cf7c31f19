"""Admission in one statement: to the same books as step by step, and of nobody who may not."""

import asyncio
import os
import resource
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as choices
from hypothesis import strategies as st

from accounts import keys
from accounts.errors import InvalidApiKey
from accounts.models import ApiKey, User
from billing import ledger
from billing.models import CreditEntry, CreditGrant, Plan, Wallet
from generator.ask import admission, callers, one_statement
from generator.ask.admission import Admission, ImageRequest
from generator.ask.callers import Caller
from generator.errors import GeneratorError, KeyLimitReached, OutOfCredits, RateLimited, TooManyAtOnce
from generator.jobs import lifecycle
from generator.models import Generation, Group, KeyMonth
from kit import postgres
from kit.threads import in_thread
from tests import another
from tests.billing import books
from tests.billing.books import audit
from tests.conftest import Api
from tests.generator.test_admission import at_once

pytestmark = pytest.mark.services

LIGHTHOUSE = ImageRequest("a lighthouse")


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """An event loop, whose connections stay open from one request to the next."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def _postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has it")


@pytest.fixture
def at_one_go(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the generations that one statement admitted."""
    ids: list[str] = []
    admit = one_statement.admit

    async def note(caller: Caller, group: Group, generation: Generation) -> int | None:
        balance = await admit(caller, group, generation)
        if balance is not None:
            ids.append(generation.public_id)
        return balance

    monkeypatch.setattr(one_statement, "admit", note)
    return ids


async def soon(secret: str, request: ImageRequest = LIGHTHOUSE, key: str | None = None) -> Admission:
    """Ask as the API does on its event loop, going by what it remembers."""
    look_up = partial(callers.look_up, secret, None)
    caller = callers.remembered(secret)
    if caller is None:
        caller = await in_thread(look_up)
    return await admission.admit_soon(caller=caller, look_up=look_up, request=request, idempotency_key=key)


def step_by_step(secret: str, request: ImageRequest = LIGHTHOUSE, key: str | None = None) -> Admission:
    caller = callers.look_up(secret, None)
    return admission.admit(wallet=caller.wallet, api_key=caller.api_key, request=request, idempotency_key=key)


# --- The same books --------------------------------------------------------------------------------------------


class Customer:
    """Somebody new with a key, whose story is told by one of the two ways in."""

    numbers = count()

    def __init__(self, ask: Callable[..., Admission]) -> None:
        self.user = User.objects.create(email=f"customer-{next(self.numbers)}@example.com")
        self.wallet = ledger.wallet_of(self.user.pk)
        self.key, self.secret = keys.mint(user=self.user, name="test", rate_limit=100_000)
        self.ask = ask
        self.ends = count(1)

    def act(self, name: str, *arguments: Any) -> object:
        """Do one thing; return what the customer notices of it."""
        return getattr(self, name)(*arguments)

    def image(self, prompt: str, key: str | None) -> object:
        try:
            admitted = self.ask(self.secret, ImageRequest(prompt), key)
        except (GeneratorError, InvalidApiKey) as error:
            return type(error), getattr(error, "balance", None)
        return admitted.credits_charged, admitted.credits_remaining, admitted.replayed, admitted.generation.prompt

    def fail(self, number: int) -> None:
        mine = list(Generation.objects.filter(wallet=self.wallet).order_by("pk"))
        if mine:
            lifecycle.fail(mine[number % len(mine)], code="upstream_failed", message="The brush broke.")

    def grant(self, credits: int, days: float | None) -> None:
        ends = None if days is None else timezone.now() + timedelta(days=days)
        source, reference = CreditGrant.Source.STAFF, f"{self.user.pk}:{CreditGrant.objects.count()}"
        books.grant(
            wallet=self.wallet, credits=credits, source=source, reference=reference, cause="test", expires_at=ends
        )

    def run_out(self, number: int) -> None:
        """Let one of the grants end, unnoticed as yet."""
        mine = list(CreditGrant.objects.filter(wallet=self.wallet, remaining__gt=0).order_by("pk"))
        if mine:
            grant = mine[number % len(mine)]
            ends = timezone.now() - timedelta(minutes=next(self.ends))  # a grant ends at a moment only once
            CreditGrant.objects.filter(pk=grant.pk).update(expires_at=ends)

    def cap(self, credits: int | None) -> None:
        ApiKey.objects.filter(pk=self.key.pk).update(monthly_credit_cap=credits)

    def suspend(self, on: bool) -> None:
        User.objects.filter(pk=self.user.pk).update(is_active=not on)

    def books(self) -> list[object]:
        """Return all that is written of the customer, without ids and moments."""
        wallet = Wallet.objects.get(pk=self.wallet.pk)
        grants = list(CreditGrant.objects.filter(wallet=wallet).order_by("pk"))
        places = {grant.pk: place for place, grant in enumerate(grants)}
        generations = list(Generation.objects.filter(wallet=wallet).order_by("pk"))
        names = {generation.public_id: f"img{place}" for place, generation in enumerate(generations)}

        def named(text: str) -> str:
            for id, name in names.items():
                text = text.replace(id, name)
            return text.replace(f"{self.user.pk}:", "").split(":expired:")[0].replace("grant:", "")

        entries = CreditEntry.objects.filter(wallet=wallet).order_by("pk").prefetch_related("lines")
        written = [
            (
                entry.kind,
                entry.amount,
                entry.balance_after,
                named(entry.about) if entry.kind in ("hold", "release") else "",
                named(entry.cause),
                sorted((places[line.grant_id], line.amount) for line in entry.lines.all()),
            )
            for entry in entries
        ]
        own = {"id", "public_id", "wallet", "api_key", "file_token", "created_at", "due_at", "deadline_at", "group"}
        fields = [field.attname for field in Generation._meta.concrete_fields if field.name not in own]
        made = [
            [getattr(one, name) is not None if name.endswith("_at") else getattr(one, name) for name in fields]
            for one in generations
        ]
        times = [
            (one.deadline_at - one.created_at, one.due_at - one.created_at < timedelta(seconds=5))
            for one in generations
        ]
        return [
            wallet.balance,
            wallet.crossed_at is not None,
            [(grant.amount, grant.remaining) for grant in grants],
            written,
            made,
            times,
            [one.api_key_id == self.key.pk for one in generations],
            list(KeyMonth.objects.filter(api_key=self.key).values_list("month", "credits")),
        ]


acts = st.one_of(
    st.tuples(st.just("image"), st.sampled_from(["a", "b"]), st.sampled_from([None, None, None, "one", "two"])),
    *[st.tuples(st.just("image"), st.just("a"), st.none())] * 3,
    st.tuples(st.just("fail"), st.integers(0, 5)),
    st.tuples(st.just("grant"), st.integers(1, 6), st.sampled_from([None, 1, 2, 30])),
    st.tuples(st.just("run_out"), st.integers(0, 3)),
    st.tuples(st.just("cap"), st.sampled_from([None, 1, 3, 5])),
    st.tuples(st.just("suspend"), st.sampled_from([False, False, False, True])),
)


quick = choices(
    max_examples=20,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(300)
def test_both_ways_in_lead_to_the_same_books(
    transactional_db: None, loop: asyncio.Runner, at_one_go: list[str], settings: Any
) -> None:
    settings.LOW_BALANCE_CREDITS = 2
    told = 0

    @given(story=st.lists(acts, min_size=8, max_size=25))
    @quick
    def tell(story: list[tuple[Any, ...]]) -> None:
        nonlocal told
        slow = Customer(step_by_step)
        fast = Customer(lambda *arguments: loop.run(soon(*arguments)))
        for act in story:
            assert slow.act(*act) == fast.act(*act)
            told += 1
        assert slow.books() == fast.books()
        audit(slow.wallet)
        audit(fast.wallet)

    tell()
    if connection.vendor == "postgresql":
        assert len(at_one_go) > told / 50  # it was not always the other way


# --- At the same moment ----------------------------------------------------------------------------------------


@pytest.fixture
def twenty(api: Api, wallet: Wallet, give: Callable[[int], None]) -> Api:
    """Alice's key, and 20 credits in two grants."""
    give(17)
    KeyMonth.objects.create(api_key=api.key, month=timezone.now().date().replace(day=1), credits=0)
    return api


@pytest.mark.parametrize("way", ["one statement", "step by step"])
def test_fifty_at_once_get_the_twenty_credits_that_there_are(
    twenty: Api, wallet: Wallet, loop: asyncio.Runner, at_one_go: list[str], way: str
) -> None:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(soon(twenty.secret) for _ in range(50)), return_exceptions=True)

    if way == "one statement":
        callers.look_up(twenty.secret, None)
        results = loop.run(all_at_once())
    else:
        results = at_once(50, lambda _: step_by_step(twenty.secret))
    assert sum(isinstance(result, Admission) for result in results) == 20, results
    assert sum(isinstance(result, OutOfCredits) for result in results) == 30, results
    assert sorted(result.credits_remaining for result in results if isinstance(result, Admission)) == list(range(20))
    assert Generation.objects.count() == 20
    assert audit(wallet) == 0
    assert KeyMonth.objects.get(api_key=twenty.key).credits == 20
    if way == "one statement" and connection.vendor == "postgresql":
        assert len(at_one_go) == 20


MANY_WAIT = "SELECT count(*) > 2 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.mark.usefixtures("_postgresql")
def test_those_who_wait_for_a_purse_never_wait_for_each_other(
    twenty: Api, wallet: Wallet, loop: asyncio.Runner, at_one_go: list[str]
) -> None:
    """Some row refers to the purse, and somebody changes it, while several wait: its old version is held."""
    callers.look_up(twenty.secret, None)

    async def many() -> list[Any]:
        with another.connect() as refers, another.connect() as changes, another.connect() as looks:
            refers.execute("SELECT 1 FROM billing_wallet WHERE id = %s FOR KEY SHARE", [wallet.pk])
            changes.execute("UPDATE billing_wallet SET rate_limit = rate_limit WHERE id = %s", [wallet.pk])
            asked = [asyncio.ensure_future(soon(twenty.secret)) for _ in range(6)]
            async with asyncio.timeout(60):
                while looks.execute(MANY_WAIT).fetchone() != (True,):
                    looks.rollback()
                    await asyncio.sleep(0.05)
            changes.commit()
            return await asyncio.gather(*asked, return_exceptions=True)

    results = loop.run(many())
    assert [result for result in results if isinstance(result, Exception)] == []
    assert len(at_one_go) == 6
    assert audit(wallet) == 14


def test_a_cap_is_exact_among_many_at_once(twenty: Api, wallet: Wallet, loop: asyncio.Runner) -> None:
    ApiKey.objects.filter(pk=twenty.key.pk).update(monthly_credit_cap=7)
    callers.look_up(twenty.secret, None)

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(soon(twenty.secret) for _ in range(20)), return_exceptions=True)

    results = loop.run(all_at_once())
    assert sum(isinstance(result, Admission) for result in results) == 7
    assert sum(isinstance(result, KeyLimitReached) for result in results) == 13
    assert audit(wallet) == 13


def test_one_request_sent_ten_times_at_once_is_one_image(twenty: Api, wallet: Wallet, loop: asyncio.Runner) -> None:
    async def all_at_once() -> list[Admission]:
        return await asyncio.gather(*(soon(twenty.secret, key="order-1") for _ in range(10)))

    results = loop.run(all_at_once())
    assert len({result.generation.public_id for result in results}) == 1
    assert sum(result.credits_charged for result in results) == 1
    assert audit(wallet) == 19


def test_a_twin_over_the_limit_gets_the_image_of_the_first(twenty: Api, wallet: Wallet, loop: asyncio.Runner) -> None:
    ApiKey.objects.filter(pk=twenty.key.pk).update(rate_limit=1)

    async def both() -> list[Admission]:
        return await asyncio.gather(*(soon(twenty.secret, key="order-1") for _ in range(2)))

    first, second = loop.run(both())
    assert first.generation == second.generation
    assert audit(wallet) == 19


# --- What is remembered lets nobody in -------------------------------------------------------------------------


def revoke(api: Api) -> None:
    keys.revoke(api.key)


def expire(api: Api) -> None:
    ApiKey.objects.filter(pk=api.key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def suspend(api: Api) -> None:
    User.objects.filter(pk=api.key.user_id).update(is_active=False)


@pytest.mark.parametrize("stop", [revoke, expire, suspend])
def test_a_key_that_was_stopped_is_refused_on_the_next_request(
    twenty: Api, wallet: Wallet, loop: asyncio.Runner, stop: Callable[[Api], None]
) -> None:
    loop.run(soon(twenty.secret))
    stop(twenty)
    assert callers.remembered(twenty.secret)
    with pytest.raises(InvalidApiKey):
        loop.run(soon(twenty.secret))
    assert audit(wallet) == 19


def lower_the_keys_limit(api: Api) -> None:
    ApiKey.objects.filter(pk=api.key.pk).update(rate_limit=1)


def lower_the_wallets_limit(api: Api) -> None:
    ApiKey.objects.filter(pk=api.key.pk).update(rate_limit=None)
    Wallet.objects.filter(user=api.key.user_id).update(rate_limit=1)


@pytest.mark.parametrize("change", [lower_the_keys_limit, lower_the_wallets_limit])
def test_another_limit_holds_from_the_next_request_on(
    twenty: Api, loop: asyncio.Runner, change: Callable[[Api], None]
) -> None:
    loop.run(soon(twenty.secret))
    change(twenty)
    admitted = loop.run(soon(twenty.secret))
    assert admitted.rate
    assert (admitted.rate.limit, admitted.rate.remaining) == (1, 0)
    with pytest.raises(RateLimited):
        loop.run(soon(twenty.secret))


def test_a_plans_places_hold_from_the_next_request_on(twenty: Api, wallet: Wallet, loop: asyncio.Runner) -> None:
    loop.run(soon(twenty.secret))
    plan = Plan.objects.create(slug="one", name="One", credits=0, price=0, interval="", order=9, max_in_flight=1)
    Wallet.objects.filter(pk=wallet.pk).update(plan=plan)
    with pytest.raises(TooManyAtOnce):
        loop.run(soon(twenty.secret))


def test_what_falls_back_counts_once_against_the_limit(twenty: Api, wallet: Wallet, loop: asyncio.Runner) -> None:
    """The first grant has ended: one statement does not write that off, and step by step it goes on."""
    callers.look_up(twenty.secret, None)
    first = CreditGrant.objects.filter(wallet=wallet).earliest("pk")
    CreditGrant.objects.filter(pk=first.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    admitted = loop.run(soon(twenty.secret))
    assert admitted.credits_remaining == 16
    assert admitted.rate
    assert admitted.rate.remaining == admitted.rate.limit - 1


# --- The connection --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_postgresql")
def test_it_is_one_statement_without_a_transaction_around_it(
    twenty: Api, loop: asyncio.Runner, at_one_go: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    callers.look_up(twenty.secret, None)
    statements: list[str] = []
    row = postgres.row

    async def note(statement: str, parameters: Any, **more: Any) -> Any:
        statements.append(statement)
        return await row(statement, parameters, **more)

    monkeypatch.setattr(postgres, "row", note)
    admitted = loop.run(soon(twenty.secret))
    assert len(statements) == 1
    assert at_one_go == [admitted.generation.public_id]
    assert Generation.objects.get().pk == admitted.generation.pk


@pytest.mark.usefixtures("_postgresql")
def test_a_connection_that_ended_while_it_was_idle_is_not_noticed(twenty: Api, loop: asyncio.Runner) -> None:
    loop.run(soon(twenty.secret))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE '%%opened AS%%' AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 1
    for _ in range(3):
        loop.run(soon(twenty.secret))
    assert Generation.objects.count() == 4


@pytest.mark.usefixtures("_postgresql")
def test_no_more_connections_are_open_than_there_may_be(twenty: Api, loop: asyncio.Runner, settings: Any) -> None:
    settings.API_CONNECTIONS = 2

    async def many() -> int:
        await asyncio.gather(*(soon(twenty.secret) for _ in range(12)))
        return len(postgres._connections.get().idle)

    callers.look_up(twenty.secret, None)
    assert loop.run(many()) == 2
    assert Generation.objects.count() == 12


@pytest.mark.usefixtures("_postgresql")
def test_thousands_of_open_files_are_no_obstacle(twenty: Api, loop: asyncio.Runner) -> None:
    """`select` would refuse what has a number above 1,023, as sockets have where thousands wait."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2000:
        pytest.skip("this machine opens no 2,000 files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        for _ in range(2):
            loop.run(soon(twenty.secret))
    finally:
        for file in held:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert Generation.objects.count() == 2
