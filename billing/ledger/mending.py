"""Figures that are kept beside the entries, and what these say of them. Entries are the truth and are never touched.

Kept are a wallet's balance (the sum of its entries), what is left of a grant (the sum of its lines), and what is owed
to a refund (what it claims, less what was taken for it).
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from billing.errors import BooksMoved
from billing.models import CreditEntry, CreditGrant, CreditLine, Refund, Wallet
from kit import wakeups

CHUNK = 1000


class Kept(StrEnum):
    """What is kept of a row."""

    BALANCE = "balance"
    REMAINING = "remaining"
    OWED = "owed"


@dataclass(frozen=True, order=True)
class Figure:
    """A figure of one row that is kept as one number, while the entries say another."""

    wallet: int
    what: Kept
    row: int
    kept: int
    true: int
    most: int | None = None  # what the row may hold
    adds_up: bool = True  # the wallet's entries come to the same as their lines

    @property
    def can_be_mended(self) -> bool:
        """Whether the row may hold what the entries say, and they agree among themselves.

        Otherwise entries or lines are missing, or too many: what one says of the balance and the other of the grants
        would be brought into figures that contradict each other.
        """
        return self.adds_up and self.true >= 0 and (self.most is None or self.true <= self.most)

    @property
    def words(self) -> str:
        """Which row it is, and from what to what it would go."""
        rows = {
            Kept.BALANCE: "balance",
            Kept.REMAINING: f"grant {self.row}, left",
            Kept.OWED: f"refund {self.row}, owed",
        }
        return f"account {self.wallet}, {rows[self.what]}: {self.kept:,} → {self.true:,}"


def astray(wallets: Collection[int] | None = None) -> Iterator[Figure]:
    """Yield each kept figure that is not what the entries say: of these wallets, of all unasked."""
    yield from _balances(wallets)
    yield from _remaining(wallets)
    yield from _owed(wallets)


@transaction.atomic
def mend(figures: Sequence[Figure]) -> None:
    """Bring exactly these figures in line with the entries, if they are still as told.

    Their wallets are locked, so nobody spends meanwhile. Raises BooksMoved when any figure of these wallets that can be
    mended is another one by now, ValueError for one that cannot be; nothing is changed then.
    """
    if not all(figure.can_be_mended for figure in figures):
        raise ValueError("A row cannot hold what the entries say.")
    if mendable(_locked(figures)) != sorted(figures):
        raise BooksMoved
    for figure in figures:
        _write(figure)
    wakeups.publish_on_commit(*{wakeups.wallet_topic(figure.wallet): None for figure in figures})


def mendable(figures: Collection[Figure] | Iterator[Figure]) -> list[Figure]:
    """Return those of `figures` that can be mended, in their order.

    A balance and what is left of the grants stand for the same credits: where one of a wallet's cannot be mended, none
    is, or people would spend what no grant has.
    """
    found = sorted(figures)
    stuck = {one.wallet for one in found if one.what != Kept.OWED and not one.can_be_mended}
    return [one for one in found if one.can_be_mended and (one.what == Kept.OWED or one.wallet not in stuck)]


def _locked(figures: Sequence[Figure]) -> Iterator[Figure]:
    """Lock the wallets, in one order, as whoever moves credits does first; return what is astray in them then."""
    pks = sorted({figure.wallet for figure in figures})
    list(Wallet.objects.select_for_update(no_key=True).filter(pk__in=pks).order_by("pk").values_list("pk"))
    return astray(pks)


def _write(figure: Figure) -> None:
    rows: dict[Kept, QuerySet[Wallet] | QuerySet[CreditGrant] | QuerySet[Refund]] = {
        Kept.BALANCE: Wallet.objects.filter(pk=figure.row, balance=figure.kept),
        Kept.REMAINING: CreditGrant.objects.filter(pk=figure.row, remaining=figure.kept),
        Kept.OWED: Refund.objects.filter(pk=figure.row, owed=figure.kept),
    }
    if not rows[figure.what].update(**{figure.what.value: figure.true}):
        raise BooksMoved


def _balances(wallets: Collection[int] | None) -> Iterator[Figure]:
    rows = Wallet.objects.filter(_of("pk", wallets)).annotate(
        true=_entries("pk"), by_lines=_lines("grant__wallet", "pk")
    )
    found = rows.exclude(balance=F("true")).order_by("pk").values("pk", "balance", "true", "by_lines")
    for row in found.iterator(CHUNK):
        adds_up = row["true"] == row["by_lines"]
        yield Figure(row["pk"], Kept.BALANCE, row["pk"], row["balance"], row["true"], adds_up=adds_up)


def _remaining(wallets: Collection[int] | None) -> Iterator[Figure]:
    rows = CreditGrant.objects.filter(_of("wallet", wallets)).annotate(
        true=_lines("grant", "pk"), by_entries=_entries("wallet"), by_lines=_lines("grant__wallet", "wallet")
    )
    found = rows.exclude(remaining=F("true")).order_by("pk")
    for row in found.values("pk", "wallet_id", "remaining", "true", "amount", "by_entries", "by_lines").iterator(CHUNK):
        figures = (row["remaining"], row["true"], row["amount"], row["by_entries"] == row["by_lines"])
        yield Figure(row["wallet_id"], Kept.REMAINING, row["pk"], *figures)


def _owed(wallets: Collection[int] | None) -> Iterator[Figure]:
    taken = CreditEntry.objects.filter(refund=OuterRef("pk"), ends=None).order_by().values("refund")
    rows = Refund.objects.filter(_of("grant__wallet", wallets), failed_at=None).annotate(
        taken=Coalesce(Subquery(taken.annotate(s=-Sum("amount")).values("s")), 0)
    )
    found = rows.exclude(credits=F("taken") + F("owed")).order_by("pk")
    for refund in found.select_related("grant"):
        true = refund.credits - refund.taken
        yield Figure(refund.grant.wallet_id, Kept.OWED, refund.pk, refund.owed, true, refund.credits)


def _entries(wallet: str) -> Combinable:
    """Return what the entries of a wallet come to."""
    entries = CreditEntry.objects.filter(wallet=OuterRef(wallet)).order_by().values("wallet")
    return Coalesce(Subquery(entries.annotate(s=Sum("amount")).values("s")), 0)


def _lines(path: str, of: str) -> Combinable:
    """Return what the lines of a grant, or of a wallet's grants, come to."""
    lines = CreditLine.objects.filter(**{path: OuterRef(of)}).order_by().values(path)
    return Coalesce(Subquery(lines.annotate(s=Sum("amount")).values("s")), 0)


def _of(path: str, wallets: Collection[int] | None) -> Q:
    return Q() if wallets is None else Q(**{f"{path}__in": wallets})
