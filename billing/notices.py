"""Mails that a state calls for and no event: somebody runs low."""

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from billing import mail
from billing.models import Account, Payment


def send_low_balance(limit: int = 100) -> int:
    """Queue a mail for buyers whose balance has sunk to LOW_BALANCE_CREDITS; return how many.

    Each is told once, until the balance has been above the threshold again, and once a day at most.
    """
    threshold = settings.LOW_BALANCE_CREDITS
    if not threshold:
        return 0
    risen = Account.objects.filter(balance__gt=threshold, low_balance_at__isnull=False)
    if risen.exists():  # the usual answer is no, and on SQLite it needs no write lock
        risen.update(low_balance_at=None)
    bought = Payment.objects.filter(account=OuterRef("pk"), amount__gt=0)
    due = Account.objects.filter(
        Exists(bought), balance__lte=threshold, low_balance_at=None, user__is_active=True
    ).select_related("user")
    return sum(_tell(account) for account in due[:limit])


@transaction.atomic
def _tell(account: Account) -> bool:
    now = timezone.now()
    claimed = Account.objects.filter(pk=account.pk, low_balance_at=None).update(low_balance_at=now)
    if claimed:
        mail.queue(
            account, "low_balance", reference=f"low_balance:{account.pk}:{now:%Y-%m-%d}", balance=account.balance
        )
    return bool(claimed)
