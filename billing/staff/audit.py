"""Proofs about the ledger, in bounded memory: figures follow from entries, and credits from what was sold."""

from collections.abc import Callable, Iterator

from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from billing.models import CreditEntry, CreditGrant, CreditLine, Payment, Refund, Wallet

Source = CreditGrant.Source
CHUNK = 1000


def drifts() -> Iterator[str]:
    """Yield a sentence for each wallet, grant or payment whose figures do not follow from what brought them."""
    for look in STEPS.values():
        yield from look()


def figures() -> Iterator[str]:
    """Yield what does not add up within the ledger."""
    for look in (_balances, _grants, _claims, _entries, _relations):
        yield from look()


def _balances() -> Iterator[str]:
    entries = CreditEntry.objects.filter(wallet=OuterRef("pk")).order_by().values("wallet").annotate(s=Sum("amount"))
    grants = CreditGrant.objects.filter(wallet=OuterRef("pk")).order_by().values("wallet").annotate(s=Sum("remaining"))
    accounts = Wallet.objects.annotate(
        from_entries=Coalesce(Subquery(entries.values("s")), 0), from_grants=Coalesce(Subquery(grants.values("s")), 0)
    )
    for row in accounts.values("pk", "user__email", "balance", "from_entries", "from_grants").iterator(
        chunk_size=CHUNK
    ):
        if not row["balance"] == row["from_entries"] == row["from_grants"]:
            yield (
                f"account {row['pk']} ({row['user__email']}): balance {row['balance']}, "
                f"entries {row['from_entries']}, grants {row['from_grants']}"
            )


def _grants() -> Iterator[str]:
    lines = CreditLine.objects.filter(grant=OuterRef("pk")).order_by().values("grant").annotate(s=Sum("amount"))
    grants = CreditGrant.objects.annotate(from_lines=Coalesce(Subquery(lines.values("s")), 0))
    for row in grants.values("pk", "wallet_id", "remaining", "from_lines").iterator(chunk_size=CHUNK):
        if row["remaining"] != row["from_lines"]:
            yield (
                f"grant {row['pk']} of account {row['wallet_id']}: {row['remaining']} left, lines: {row['from_lines']}"
            )


def _claims() -> Iterator[str]:
    """A grant that is frozen, or that refunds are still owed credits of, has none left to spend."""
    owing = Refund.objects.filter(grant=OuterRef("pk"), owed__gt=0, failed_at=None)
    claimed = CreditGrant.objects.filter(~Q(dispute=None) | Exists(owing), remaining__gt=0)
    for row in claimed.values("pk", "wallet_id", "remaining").iterator(chunk_size=CHUNK):
        yield (
            f"grant {row['pk']} of account {row['wallet_id']}: {row['remaining']} left, "
            "though a refund or dispute has a claim to them"
        )


def _entries() -> Iterator[str]:
    lines = CreditLine.objects.filter(entry=OuterRef("pk")).order_by().values("entry").annotate(s=Sum("amount"))
    entries = CreditEntry.objects.order_by("pk").annotate(from_lines=Coalesce(Subquery(lines.values("s")), 0))
    for row in entries.values("pk", "wallet_id", "amount", "from_lines").iterator(chunk_size=CHUNK):
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


def _sold() -> Iterator[str]:
    """A payment brought the credits that were sold for it, or was paid back."""
    sold = Payment.objects.filter(credits__isnull=False)
    otherwise = sold.filter(grant__isnull=False).exclude(grant__amount=F("credits"))
    nothing = sold.filter(grant=None, credits__gt=0, refunded__lt=F("amount"))
    for rows in (otherwise, nothing):
        for row in rows.order_by().values("reference", "wallet_id", "credits", "grant__amount").iterator(CHUNK):
            yield (
                f"{row['reference']} of account {row['wallet_id']}: {row['credits']} credits were sold, "
                f"{row['grant__amount'] or 0} came"
            )


def _unpaid() -> Iterator[str]:
    """Credits of a plan or pack come from a payment of the same account."""
    sold = CreditGrant.objects.filter(source__in=[Source.PLAN, Source.PACK])
    unpaid = sold.filter(Q(payment=None) | ~Q(payment__wallet=F("wallet")))
    for row in unpaid.order_by().values("pk", "wallet_id", "source", "amount").iterator(CHUNK):
        yield (
            f"grant {row['pk']} of account {row['wallet_id']}: {row['amount']} credits of a {row['source']}, "
            "and no payment of that account for them"
        )


def _subscribed() -> Iterator[str]:
    """A plan's credits belong to the subscription that was paid; of old ones it may not be known any more."""
    is_another = ~Q(subscription=F("payment__subscription")) | ~Q(subscription__wallet=F("wallet"))
    is_known = Q(payment__subscription__isnull=False) | Q(payment__price__isnull=False)
    plans = CreditGrant.objects.filter(source=Source.PLAN)
    astray = plans.filter(is_known & Q(subscription=None)) | plans.filter(is_another, subscription__isnull=False)
    for row in astray.order_by().values("pk", "wallet_id", "subscription__stripe_id").iterator(CHUNK):
        yield (
            f"grant {row['pk']} of account {row['wallet_id']}: a plan's credits, which belong to "
            f"{row['subscription__stripe_id'] or 'no subscription'} and were paid for another"
        )


def _ended_periods() -> Iterator[str]:
    """A period's credits end when those of the next one come, but for what comes back later."""
    next_one = CreditGrant.objects.filter(
        subscription=OuterRef("subscription"), period_start__gte=OuterRef("period_end")
    ).order_by("created_at")
    plans = CreditGrant.objects.filter(source=Source.PLAN, remaining__gt=0, subscription__isnull=False)
    ended = plans.annotate(next_at=Subquery(next_one.values("created_at")[:1])).filter(next_at__isnull=False)
    came_back = CreditLine.objects.filter(
        grant=OuterRef("pk"), amount__gt=0, entry__created_at__gte=OuterRef("next_at")
    )
    for row in ended.filter(~Exists(came_back)).order_by().values("pk", "wallet_id", "remaining").iterator(CHUNK):
        yield (
            f"grant {row['pk']} of account {row['wallet_id']}: {row['remaining']} left of a period, "
            "though the next one's credits are there"
        )


STEPS: dict[str, Callable[[], Iterator[str]]] = {
    "balances": _balances,
    "what is left of grants": _grants,
    "claims of refunds and disputes": _claims,
    "entries and their lines": _entries,
    "what entries end": _relations,
    "what was sold": _sold,
    "what was paid": _unpaid,
    "what belongs to subscriptions": _subscribed,
    "periods that are over": _ended_periods,
}
