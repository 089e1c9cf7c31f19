"""Proofs about the ledger, in bounded memory."""

from collections.abc import Iterator

from django.db.models import OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from billing.models import Account, CreditEntry, CreditGrant, CreditLine


def drifts() -> Iterator[str]:
    """Yield a sentence for each account or grant whose figures do not follow from its entries."""
    yield from _balances()
    yield from _grants()
    yield from _entries()


def _balances() -> Iterator[str]:
    entries = CreditEntry.objects.filter(account=OuterRef("pk")).order_by().values("account").annotate(s=Sum("amount"))
    grants = (
        CreditGrant.objects.filter(account=OuterRef("pk")).order_by().values("account").annotate(s=Sum("remaining"))
    )
    accounts = Account.objects.annotate(
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
    for row in grants.values("pk", "account_id", "remaining", "from_lines").iterator(chunk_size=1000):
        if row["remaining"] != row["from_lines"]:
            yield (
                f"grant {row['pk']} of account {row['account_id']}: {row['remaining']} left, lines: {row['from_lines']}"
            )


def _entries() -> Iterator[str]:
    lines = CreditLine.objects.filter(entry=OuterRef("pk")).order_by().values("entry").annotate(s=Sum("amount"))
    entries = CreditEntry.objects.order_by("pk").annotate(from_lines=Coalesce(Subquery(lines.values("s")), 0))
    for row in entries.values("pk", "account_id", "amount", "from_lines").iterator(chunk_size=1000):
        if row["amount"] != row["from_lines"]:
            yield f"entry {row['pk']} of account {row['account_id']}: {row['amount']}, lines say {row['from_lines']}"
