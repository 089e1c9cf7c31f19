"""An auditor: the invariants that hold after every change of credits."""

from django.db.models import Sum

from billing.models import CreditEntry, CreditGrant, Wallet


def audit(wallet: Wallet) -> int:
    """Check that every way to count an account's credits gives the same, and return the balance."""
    wallet = Wallet.objects.get(pk=wallet.pk)
    entries = list(CreditEntry.objects.filter(wallet=wallet).order_by("id").prefetch_related("lines"))
    grants = list(CreditGrant.objects.filter(wallet=wallet).annotate(moved=Sum("lines__amount")))
    assert wallet.balance >= 0
    assert wallet.balance == sum(entry.amount for entry in entries)
    assert wallet.balance == sum(grant.remaining for grant in grants)
    running = 0
    for entry in entries:
        running += entry.amount
        assert entry.balance_after == running >= 0
        assert entry.amount == sum(line.amount for line in entry.lines.all())
    for grant in grants:
        assert 0 <= grant.remaining <= grant.amount
        assert grant.remaining == grant.moved
        if grant.frozen_by or grant.refunds.filter(owed__gt=0).exists():
            assert grant.remaining == 0
    return wallet.balance


def history(wallet: Wallet) -> list[tuple[str, int]]:
    """Return an account's entries as (kind, credits), oldest first."""
    return list(CreditEntry.objects.filter(wallet=wallet).order_by("id").values_list("kind", "amount"))
