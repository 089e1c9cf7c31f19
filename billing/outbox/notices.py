"""Mails that follow from a state rather than an event: somebody runs low on credits."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from billing.models import Payment, Wallet
from billing.outbox import mail


def send_low_balance(limit: int = 100) -> int:
    """Queue a mail for buyers whose balance has fallen to LOW_BALANCE_CREDITS; return how many.

    Each is told once, until the balance has been above the threshold again, and once a day at most. The ledger marks
    whose balance crosses it, so that only they are looked at, at most `limit` at once.
    """
    marked = Wallet.objects.filter(crossed_at__isnull=False).order_by("crossed_at")
    crossed = dict(marked.values_list("pk", "crossed_at")[:limit])
    if not crossed:  # the usual answer, and on SQLite one that needs no write lock
        return 0
    told = _see_to(Wallet.objects.filter(pk__in=crossed))
    _unmark(crossed)
    return told


def send_missed_low_balance() -> int:
    """The same, once a night, for every wallet: the threshold or a person's choice may have changed."""
    return _see_to(Wallet.objects.all())


def _see_to(accounts: QuerySet[Wallet]) -> int:
    threshold = settings.LOW_BALANCE_CREDITS
    if not threshold:
        return 0
    accounts.filter(balance__gt=threshold, low_balance_at__isnull=False).update(low_balance_at=None)
    bought = Payment.objects.filter(wallet=OuterRef("pk"), amount__gt=0)
    due = accounts.filter(
        Exists(bought),
        balance__lte=threshold,
        low_balance_at=None,
        user__is_active=True,
        user__deleted_at=None,
        user__mail_low_balance=True,
    )
    return sum(_tell(pk) for pk in list(due.values_list("pk", flat=True)))


@transaction.atomic
def _unmark(seen: dict[int, datetime | None]) -> None:
    """Clear the marks, except those that are newer than what was handled."""
    for pk, moment in seen.items():
        Wallet.objects.filter(pk=pk, crossed_at=moment).update(crossed_at=None)


@transaction.atomic
def _tell(pk: int) -> bool:
    now = timezone.now()
    claimed = Wallet.objects.filter(pk=pk, low_balance_at=None).update(low_balance_at=now)
    if claimed:
        wallet = Wallet.objects.select_related("user").get(pk=pk)
        mail.queue(wallet, "low_balance", reference=f"low_balance:{pk}:{now:%Y-%m-%d}", balance=wallet.balance)
    return bool(claimed)
