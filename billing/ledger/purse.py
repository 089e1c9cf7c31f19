"""A wallet's purse, locked: its grants in memory, and what is changed there, written together as entries.

Every change is one `CreditEntry` with a `CreditLine` for each grant that it touches. All of a wallet's changes are
serialised by its row's lock (on SQLite by the transaction, which is IMMEDIATE), so a check and the change that rests on
it cannot be torn apart.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from billing.models import CreditEntry, CreditGrant, CreditLine, Wallet
from kit import wakeups

Kind = CreditEntry.Kind
Lines = Sequence[tuple[CreditGrant, int]]

NEVER = datetime.max.replace(tzinfo=UTC)


class Purse:
    """What `books` opens. What its methods change is in memory until the block ends, or a later one has to read."""

    def __init__(self, wallet_id: int) -> None:
        self.wallet = Wallet.objects.select_for_update(of=("self",), no_key=True).get(pk=wallet_id)
        self._grants: dict[int, CreditGrant] = {}
        self._has_all = False  # of those with something left
        self._changed: dict[int, CreditGrant] = {}
        self._entries: list[CreditEntry] = []
        self._lines: list[CreditLine] = []
        self._has_crossed = False

    @property
    def balance(self) -> int:
        """The credits that can be spent now."""
        return self.wallet.balance

    def entry(self, reference: str) -> CreditEntry | None:
        """Return what was written under a reference, in whoever's books."""
        return self._find(reference=reference)

    def write(self) -> None:
        """Write what has changed so far."""
        CreditEntry.objects.bulk_create(self._entries)
        for line in self._lines:
            line.entry_id = line.entry.pk
        CreditLine.objects.bulk_create(self._lines)
        for grant in self._changed.values():
            CreditGrant.objects.filter(pk=grant.pk).update(
                remaining=grant.remaining, expires_at=grant.expires_at, dispute=grant.dispute_id
            )
        if self._entries:
            crossed = {"crossed_at": timezone.now()} if self._has_crossed else {}
            Wallet.objects.filter(pk=self.wallet.pk).update(balance=self.balance, **crossed)
            wakeups.publish_on_commit(wakeups.wallet_topic(self.wallet.pk))
        self._entries, self._lines, self._changed, self._has_crossed = [], [], {}, False

    def expire(self) -> int:
        """Write off what is left of grants whose time is up, and return how many these were."""
        now = timezone.now()
        overdue = [grant for grant in self._filled() if grant.expires_at is not None and grant.expires_at <= now]
        for grant in overdue:
            self._move(Kind.EXPIRE, [(grant, -grant.remaining)], f"{grant.get_source_display()} expired")
        return len(overdue)

    def _filled(self) -> list[CreditGrant]:
        if not self._has_all:
            for grant in CreditGrant.objects.filter(wallet=self.wallet, remaining__gt=0):
                self._grants.setdefault(grant.pk, grant)
            self._has_all = True
        return [grant for grant in self._grants.values() if grant.remaining]

    def _own(self, grant: CreditGrant) -> CreditGrant:
        """Return a grant of this wallet's as it is in this block. Raises CreditGrant.DoesNotExist for another one's."""
        if grant.pk not in self._grants:  # what the caller has may be from before the lock
            self._grants[grant.pk] = CreditGrant.objects.get(pk=grant.pk, wallet=self.wallet)
        return self._grants[grant.pk]

    def _change(self, grant: CreditGrant) -> None:
        self._changed[grant.pk] = grant

    def _move(
        self, kind: Kind, lines: Lines, cause: str, *, reference: str | None = None, **relation: Any
    ) -> CreditEntry:
        """Put credits into grants and take them out, as one entry. `relation` is its `of`, `refund` or `dispute`."""
        amount = sum(credits for _, credits in lines)
        self._note_crossing(kind, self.balance + amount)
        self.wallet.balance += amount
        entry = CreditEntry(
            wallet=self.wallet,
            kind=kind,
            amount=amount,
            balance_after=self.balance,
            reference=reference,
            cause=cause,
            created_at=timezone.now(),
            **relation,
        )
        self._entries.append(entry)
        for grant, credits in lines:
            grant.remaining += credits
            self._change(grant)
            self._lines.append(CreditLine(entry=entry, grant=grant, amount=credits))
        return entry

    def _draw(self, credits: int) -> list[tuple[CreditGrant, int]]:
        """Return the lines that take `credits` out of the grants that expire soonest, or as many as there are."""
        self.expire()
        lines = []
        for grant in sorted(self._filled(), key=_turn):
            if part := min(credits, grant.remaining):
                lines.append((grant, -part))
                credits -= part
        return lines

    def _find(self, **fields: Any) -> CreditEntry | None:
        """Return one of the wallet's entries, one of this block's included."""
        if self._entries:
            self.write()
        return CreditEntry.objects.filter(**fields).first()

    def _note_crossing(self, kind: Kind, after: int) -> None:
        """Have `notices` look at a wallet whose balance is about to cross the threshold of its mail, either way."""
        low = settings.LOW_BALANCE_CREDITS
        is_low = after <= low
        self._has_crossed |= bool(low) and (is_low != (self.balance <= low) or (is_low and kind == Kind.GRANT))


def _turn(grant: CreditGrant) -> tuple[datetime, int]:
    return grant.expires_at or NEVER, grant.pk
