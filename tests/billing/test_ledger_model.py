"""The ledger against a model of it: any sequence of operations, on two accounts, as time passes."""

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import User
from billing import ledger
from billing.errors import InsufficientCredits
from billing.models import CreditEntry, CreditGrant, Dispute, Wallet
from tests.billing.books import audit, disputed

pytestmark = [pytest.mark.services, pytest.mark.django_db]

NEVER = datetime.max.replace(tzinfo=UTC)
WEEK = timedelta(days=7)

people = itertools.count()
credits = st.integers(1, 6)
owners = st.sampled_from([0, 1])


PAID = 10  # what each grant cost, in the model's money


@dataclass
class Claim:
    """A refund up to `level` of PAID: the credits that it claims, and those of them it takes as they come back."""

    level: int
    credits: int
    owed: int


@dataclass
class Bucket:
    """What the model knows of a grant. `dispute` names the one that keeps `kept` of its credits back."""

    left: int
    ends: datetime
    dispute: str = ""
    kept: int = 0
    claims: list[Claim] = field(default_factory=list)

    @property
    def refunded(self) -> int:
        return max((claim.level for claim in self.claims), default=0)

    def come_back(self, credits: int, now: datetime) -> None:
        """Return credits: a dispute keeps them, then refunds take what they are owed; the rest may end a week late."""
        if self.ends <= now and credits:
            self.ends = now + WEEK
        if self.dispute:
            self.kept += credits
            return
        for claim in self.claims:
            part = min(credits, claim.owed)
            claim.owed -= part
            credits -= part
        self.left += credits


@dataclass
class Books:
    """What the model knows of an account: its buckets, and from which of them each hold was drawn, open or spent."""

    wallet: Wallet
    buckets: dict[int, Bucket] = field(default_factory=dict)
    holds: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    spent: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def overdue(self, now: datetime) -> dict[int, Bucket]:
        return {key: bucket for key, bucket in self.buckets.items() if bucket.left and bucket.ends <= now}

    def write_off(self, now: datetime) -> None:
        for bucket in self.overdue(now).values():
            bucket.left = 0

    def spendable(self, now: datetime) -> int:
        return sum(bucket.left for bucket in self.buckets.values() if bucket.ends > now)

    def draw(self, wanted: int) -> list[tuple[int, int]]:
        """Spend from what ends soonest; the older first where both end together."""
        drawn = []
        for key, bucket in sorted(self.buckets.items(), key=lambda item: (item[1].ends, item[0])):
            part = min(wanted, bucket.left)
            if part:
                bucket.left -= part
                wanted -= part
                drawn.append((key, part))
        return drawn

    def give_back(self, drawn: list[tuple[int, int]], now: datetime) -> None:
        for key, part in drawn:
            self.buckets[key].come_back(part, now)

    def unspent(self, key: int) -> int:
        """What of a bucket its owner has, or may get back, or has lost to a refund or dispute."""
        bucket = self.buckets[key]
        out = sum(part for drawn in self.holds.values() for from_key, part in drawn if from_key == key)
        return bucket.left + out + bucket.kept + sum(claim.credits - claim.owed for claim in bucket.claims)

    def refund(self, key: int, level: int) -> None:
        """Of PAID, `level` is paid back by now."""
        bucket = self.buckets[key]
        if level > bucket.refunded:
            bucket.claims.append(Claim(level, 0, 0))
        self.claim(key)

    def claim(self, key: int) -> None:
        """All that is paid back claims its share of what is not spent, and never less than it did."""
        bucket = self.buckets[key]
        if not bucket.claims:
            return
        last = bucket.claims[-1]
        share = -(-self.unspent(key) * last.level // PAID)
        short = max(0, share - sum(claim.credits for claim in bucket.claims))
        now = min(short, bucket.left)
        bucket.left -= now
        last.credits += short
        last.owed += short - now


class Ledger(RuleBasedStateMachine):
    """Every rule calls the ledger and does the same to the model; the invariants compare the two."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = datetime(2030, 1, 1, tzinfo=UTC)
        self.references = (f"model:{next(people)}:{number}" for number in itertools.count())
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(timezone, "now", lambda: self.clock)
        self.example = transaction.atomic()
        self.example.__enter__()
        users = [User.objects.create(email=f"person{next(people)}@example.com") for _ in range(2)]
        self.books = [Books(Wallet.objects.create(user=user)) for user in users]

    def teardown(self) -> None:
        for books in self.books:
            audit(books.wallet)
        self.patch.undo()
        transaction.set_rollback(True)  # the next example begins with an empty database
        self.example.__exit__(None, None, None)

    @initialize()
    def begin_with_credits(self) -> None:
        for who in (0, 1):
            self.grant(who, 6, 4)
            self.grant(who, 6, None)

    @rule(who=owners, credits=credits, days=st.integers(1, 6) | st.none())
    def grant(self, who: int, credits: int, days: int | None) -> None:
        books, ends = self.books[who], self.clock + timedelta(days=days) if days else None
        options: Any = {
            "credits": credits,
            "source": CreditGrant.Source.PACK,
            "reference": next(self.references),
            "cause": "model",
            "expires_at": ends,
        }
        entry = self.twice(books.wallet, lambda opened: opened.grant(**options))
        books.buckets[entry.lines.get().grant_id] = Bucket(credits, ends or NEVER)

    @rule(who=owners, credits=credits)
    def hold(self, who: int, credits: int) -> None:
        books, reference = self.books[who], next(self.references)

        def hold(opened: ledger.Books) -> CreditEntry:
            return opened.hold(credits=credits, reference=reference, cause="model")

        if books.spendable(self.clock) < credits:
            with pytest.raises(InsufficientCredits) as error, ledger.books(books.wallet) as opened:
                hold(opened)
            assert error.value.balance == books.spendable(self.clock)
            books.write_off(self.clock)
            return
        self.twice(books.wallet, hold)
        books.write_off(self.clock)
        books.holds[reference] = books.draw(credits)

    @rule(who=owners, prices=st.lists(st.integers(1, 4), min_size=1, max_size=4))
    def hold_each(self, who: int, prices: list[int]) -> None:
        """Several at once, each of which ends alone: all of them or none."""
        books, holds = self.books[who], [(next(self.references), "model", price) for price in prices]
        enough = books.spendable(self.clock) >= sum(prices)
        refused = contextlib.nullcontext() if enough else pytest.raises(InsufficientCredits)
        with refused, ledger.books(books.wallet) as opened:
            opened.hold_each(holds)
        books.write_off(self.clock)
        if enough:
            for reference, _, price in holds:
                books.holds[reference] = books.draw(price)
                assert CreditEntry.objects.get(reference=reference).amount == -price

    @precondition(lambda self: any(books.holds for books in self.books))
    @rule(data=st.data(), settle=st.sampled_from([False, False, True]))
    def end_a_hold(self, data: st.DataObject, settle: bool) -> None:
        books = data.draw(st.sampled_from([books for books in self.books if books.holds]))
        reference = data.draw(st.sampled_from(sorted(books.holds)))
        drawn = books.holds.pop(reference)
        if settle:
            books.spent[reference] = drawn
            before = CreditEntry.objects.count()
            ledger.settle([reference])
            ledger.settle([reference])
            assert CreditEntry.objects.count() == before + 1
        entry = self.twice(books.wallet, lambda opened: opened.release(reference=reference, cause="model"))
        assert entry.kind == ("settle" if settle else "release")
        ledger.settle([reference])
        if not settle:
            books.write_off(self.clock)
            books.give_back(drawn, self.clock)

    @precondition(lambda self: any(books.spent for books in self.books))
    @rule(data=st.data())
    def staff_return_what_was_spent(self, data: st.DataObject) -> None:
        books = data.draw(st.sampled_from([books for books in self.books if books.spent]))
        reference = data.draw(st.sampled_from(sorted(books.spent)))
        drawn = books.spent.pop(reference)
        self.twice(books.wallet, lambda opened: opened.give_back(reference=reference, cause="model"))
        books.write_off(self.clock)
        books.give_back(drawn, self.clock)
        for key, _ in drawn:
            books.claim(key)

    @rule(who=owners, credits=credits)
    def take(self, who: int, credits: int) -> None:
        books, reference = self.books[who], next(self.references)
        self.twice(books.wallet, lambda opened: opened.take(credits=credits, reference=reference, cause="model"))
        books.write_off(self.clock)
        books.draw(credits)

    @rule(who=owners, level=st.integers(1, PAID), data=st.data())
    def refund(self, who: int, level: int, data: st.DataObject) -> None:
        books = self.books[who]
        key = data.draw(st.sampled_from(sorted(books.buckets)))
        if level <= books.buckets[key].refunded:
            return
        self.follow_refunds(books, key, level)
        books.refund(key, level)

    @precondition(lambda self: any(bucket.claims for books in self.books for bucket in books.buckets.values()))
    @rule(level=st.integers(0, PAID - 1), data=st.data())
    def a_refund_fails(self, level: int, data: st.DataObject) -> None:
        """Of what was paid back only `level` is; that may be less than the last refund that stands, or more."""
        some = [(books, key) for books in self.books for key, bucket in sorted(books.buckets.items()) if bucket.claims]
        books, key = data.draw(st.sampled_from(some))
        bucket = books.buckets[key]
        self.follow_refunds(books, key, level)
        failed = [claim for claim in bucket.claims if claim.level > level]
        bucket.claims = [claim for claim in bucket.claims if claim.level <= level]
        self.come_back(books, bucket, sum(claim.credits - claim.owed for claim in failed))
        books.refund(key, level)

    @rule(who=owners, data=st.data())
    def dispute(self, who: int, data: st.DataObject) -> None:
        """Open a dispute about a grant, or have the one that is open won."""
        books = self.books[who]
        key = data.draw(st.sampled_from(sorted(books.buckets)))
        bucket, grant = books.buckets[key], CreditGrant.objects.get(pk=key)
        if not bucket.dispute:
            dispute = disputed(grant, f"du_{next(self.references)}")
            bucket.dispute = dispute.stripe_id
            bucket.kept, bucket.left = bucket.left, 0
            self.twice(books.wallet, lambda opened: opened.freeze(grant, dispute=dispute, cause="model"))
            return
        dispute = Dispute.objects.get(stripe_id=bucket.dispute)
        self.twice(books.wallet, lambda opened: opened.thaw(grant, dispute=dispute, cause="model"))
        back, bucket.kept, bucket.dispute = bucket.kept, 0, ""
        self.come_back(books, bucket, back)

    @rule(days=st.integers(1, 5), swept=st.sampled_from([False, False, True]))
    def time_passes(self, days: int, swept: bool) -> None:
        self.clock += timedelta(days=days)
        if not swept:
            return
        due = sum(len(books.overdue(self.clock)) for books in self.books)
        assert ledger.expire_due() == due
        assert ledger.expire_due() == 0
        for books in self.books:
            books.write_off(self.clock)

    @invariant()
    def the_ledger_is_as_the_model(self) -> None:
        accounts = [books.wallet for books in self.books]
        rows = CreditGrant.objects.filter(wallet__in=accounts).values_list("pk", "remaining", "expires_at")
        buckets = self.books[0].buckets | self.books[1].buckets
        assert {pk: (left, ends or NEVER) for pk, left, ends in rows} == {
            key: (bucket.left, bucket.ends) for key, bucket in buckets.items()
        }
        balances = dict(Wallet.objects.values_list("pk", "balance"))
        for books in self.books:
            assert balances[books.wallet.pk] == sum(bucket.left for bucket in books.buckets.values())

    def come_back(self, books: Books, bucket: Bucket, credits: int) -> None:
        if credits:
            books.write_off(self.clock)
            bucket.come_back(credits, self.clock)

    def follow_refunds(self, books: Books, key: int, level: int) -> None:
        grant = CreditGrant.objects.get(pk=key)
        self.twice(
            books.wallet,
            lambda opened: opened.follow_refunds(
                grant, refunded=level, paid=PAID, charge="ch", cause="model", undone="model"
            ),
        )

    def twice(self, wallet: Wallet, operation: Callable[[ledger.Books], Any]) -> Any:
        """Every operation may come again, in other books or the same: it writes nothing and returns the first entry."""
        with ledger.books(wallet) as opened:
            entry = operation(opened)
            again = operation(opened)
        count = CreditEntry.objects.count()
        with ledger.books(wallet) as opened:
            assert operation(opened) == again == entry
        assert CreditEntry.objects.count() == count
        return entry


@pytest.mark.timeout(300)
def test_the_ledger_does_what_its_model_does() -> None:
    # Without shrinking: a failure prints its at most 40 steps soon, instead of fewer of them minutes later.
    quick = settings(
        max_examples=30 if connection.vendor == "sqlite" else 10,  # the second time only what the SQL says differs
        stateful_step_count=40,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Ledger, settings=quick)
