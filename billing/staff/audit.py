"""Proofs about the ledger, in bounded memory."""

from collections.abc import Iterator

from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from billing.models import CreditEntry, CreditGrant, CreditLine, Refund, Wallet


def drifts() -> Iterator[str]:
    """Yield a sentence for each wallet or grant whose figures do not follow from its entries."""
    yield from _balances()
    yield from _grants()
    yield from _claims()
    yield from _entries()
    yield from _relations()


def _balances() -> Iterator[str]:
    entries = CreditEntry.objects.filter(wallet=OuterRef("pk")).order_by().values("wallet").annotate(s=Sum("amount"))
    grants = CreditGrant.objects.filter(wallet=OuterRef("pk")).order_by().values("wallet").annotate(s=Sum("remaining"))
    accounts = Wallet.objects.annotate(
        from_entries=Coalesce(Subquery(entries.values("s")), 0), from_grants=Coalesce(Subquery(grants.values("s")), 0)
    )
    for row in accounts.values("pk", "user__email", "balance", "from_entries", "from_grants").iterator(chunk_size=1000):
        if not row["balance"] == row["from_entries"] == row["from_grants"]:
            yield (
                f"account {row['pk']} ({row['user__email']}): balance {row['balance']}, "
                f"entries {row['from_entries']}, grants {row['from_grants']}"
            )


def _grants() -> Iterator[str]:
    lines = CreditLine.objects.filter(grant=OuterRef("pk")).order_by().values("grant").annotate(s=Sum("amount"))
    grants = CreditGrant.objects.annotate(from_lines=Coalesce(Subquery(lines.values("s")), 0))
    for row in grants.values("pk", "wallet_id", "remaining", "from_lines").iterator(chunk_size=1000):
        if row["remaining"] != row["from_lines"]:
            yield (
                f"grant {row['pk']} of account {row['wallet_id']}: {row['remaining']} left, lines: {row['from_lines']}"
            )


def _claims() -> Iterator[str]:
    """A grant that is frozen, or that refunds are still owed credits of, has none left to spend."""
    owing = Refund.objects.filter(grant=OuterRef("pk"), owed__gt=0, failed_at=None)
    claimed = CreditGrant.objects.filter(~Q(dispute=None) | Exists(owing), remaining__gt=0)
    for row in claimed.values("pk", "wallet_id", "remaining").iterator(chunk_size=1000):
        yield (
            f"grant {row['pk']} of account {row['wallet_id']}: {row['remaining']} left, "
            "though a refund or dispute has a claim to them"
        )


def _entries() -> Iterator[str]:
    lines = CreditLine.objects.filter(entry=OuterRef("pk")).order_by().values("entry").annotate(s=Sum("amount"))
    entries = CreditEntry.objects.order_by("pk").annotate(from_lines=Coalesce(Subquery(lines.values("s")), 0))
    for row in entries.values("pk", "wallet_id", "amount", "from_lines").iterator(chunk_size=1000):
        if row["amount"] != row["from_lines"]:
            yield f"entry {row['pk']} of account {row['wallet_id']}: {row['amount']}, lines say {row['from_lines']}"


ENDED: dict[str, tuple[str, ...]] = {  # what each kind of entry ends
    CreditEntry.Kind.SETTLE: (CreditEntry.Kind.HOLD,),
    CreditEntry.Kind.RELEASE: (CreditEntry.Kind.HOLD, CreditEntry.Kind.SETTLE),
    CreditEntry.Kind.RESTORE: (CreditEntry.Kind.CLAW_BACK,),
}


def _relations() -> Iterator[str]:
    """An entry ends one of its wallet's, as its kind does, and gives back what that took; a claim is what was taken."""
    fits = Q()
    for kind, ended in ENDED.items():
        fits |= Q(kind=kind, of__kind__in=ended, of__wallet=F("wallet"))
    amount = Case(
        When(kind=CreditEntry.Kind.SETTLE, then=Value(0)),
        When(of__kind=CreditEntry.Kind.SETTLE, then=-F("of__of__amount")),
        default=-F("of__amount"),
    )
    ends = Q(kind__in=list(ENDED)) | Q(of__isnull=False)
    wrong = CreditEntry.objects.filter(ends).exclude(fits & Q(amount=amount)).order_by("pk")
    for row in wrong.values("pk", "wallet_id", "kind", "of_id").iterator(chunk_size=1000):
        yield f"entry {row['pk']} of account {row['wallet_id']}: {row['kind']} does not end entry {row['of_id']}"
    taken = CreditEntry.objects.filter(refund=OuterRef("pk"), ends=None).order_by().values("refund")
    claims = Refund.objects.filter(failed_at=None).annotate(
        taken=Coalesce(Subquery(taken.annotate(s=-Sum("amount")).values("s")), 0)
    )
    for refund in claims.exclude(credits=F("taken") + F("owed")).order_by("pk"):
        yield f"refund {refund.pk} claims {refund.credits}, took {refund.taken} and is owed {refund.owed}"
