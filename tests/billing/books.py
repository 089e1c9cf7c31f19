"""An auditor, with the invariants that hold after every change of credits; and one change of them at a time."""

from typing import Any

from django.db.models import Sum

from billing import ledger
from billing.models import CreditEntry, CreditGrant, Dispute, Payment, Wallet


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
        if grant.dispute or grant.refunds.filter(owed__gt=0, failed_at=None).exists():
            assert grant.remaining == 0
    return wallet.balance


def history(wallet: Wallet) -> list[tuple[str, int]]:
    """Return an account's entries as (kind, credits), oldest first."""
    return list(CreditEntry.objects.filter(wallet=wallet).order_by("id").values_list("kind", "amount"))


def grant(wallet: Wallet, credits: int, *, reference: str, **terms: Any) -> CreditGrant:
    """Grant credits as of a pack, and return the grant."""
    terms = {"source": CreditGrant.Source.PACK, "cause": "test"} | terms
    with ledger.books(wallet) as books:
        entry = books.grant(credits=credits, reference=reference, **terms)
    found: CreditGrant = entry.lines.get().grant
    return found


def take(wallet: Wallet, credits: int, *, reference: str, cause: str = "test") -> CreditEntry:
    """Take credits out of the way."""
    with ledger.books(wallet) as books:
        return books.take(credits=credits, reference=reference, cause=cause)


def hold(wallet: Wallet, credits: int = 1, *, reference: str, cause: str = "an image") -> CreditEntry:
    """Set credits aside."""
    with ledger.books(wallet) as books:
        return books.hold(credits=credits, reference=reference, cause=cause)


def settle(reference: str) -> CreditEntry:
    """Spend what is set aside, and return how the hold ended."""
    ledger.settle([reference])
    return CreditEntry.objects.get(of__reference=reference)


def release(reference: str, cause: str = "it failed") -> CreditEntry:
    """Give back what is set aside, and return how the hold ended."""
    with ledger.books(_holder(reference)) as books:
        return books.release(reference=reference, cause=cause)


def give_back(reference: str, cause: str = "a bad image") -> CreditEntry:
    """Give back what was spent."""
    with ledger.books(_holder(reference)) as books:
        return books.give_back(reference=reference, cause=cause)


def disputed(grant: CreditGrant, name: str = "du_1") -> Dispute:
    """Return an open dispute about the payment of a grant."""
    payment, _ = Payment.objects.get_or_create(
        grant=grant,
        defaults={
            "wallet": grant.wallet,
            "reference": f"checkout:cs_of_{grant.pk}",
            "amount": 500,
            "currency": "usd",
            "description": "Credits",
        },
    )
    return Dispute.objects.create(stripe_id=name, payment=payment, status="needs_response", amount=500)


def freeze(grant: CreditGrant, dispute: Dispute) -> None:
    """Let a dispute keep back what a grant has."""
    with ledger.books(grant.wallet_id) as books:
        books.freeze(grant, dispute=dispute, cause="disputed")


def thaw(grant: CreditGrant, dispute: Dispute) -> None:
    """Let a dispute be won."""
    with ledger.books(grant.wallet_id) as books:
        books.thaw(grant, dispute=dispute, cause="won")


def follow_refunds(grant: CreditGrant, refunded: int, paid: int) -> None:
    """Bring the books in line with what is paid back of a grant's payment by now."""
    with ledger.books(grant.wallet_id) as books:
        books.follow_refunds(
            grant, refunded=refunded, paid=paid, charge="ch_1", cause="it was refunded", undone="the refund failed"
        )


def _holder(reference: str) -> int:
    entry = CreditEntry.objects.filter(reference=reference).first()
    return entry.wallet_id if entry else Wallet.objects.earliest("pk").pk
