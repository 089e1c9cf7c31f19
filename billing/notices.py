"""Mails that a state calls for and no event: somebody runs low."""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from billing import mail
from billing.models import Account, CreditEntry, Payment

# Only entries move a balance. So it is enough to look, every few seconds, at the accounts of the latest entries (by
# the index on their time), and at all accounts once a night for what came while no worker ran.
LATELY = timedelta(minutes=5)


def send_low_balance(limit: int = 100, *, recent: bool = True) -> int:
    """Queue a mail for buyers whose balance has sunk to LOW_BALANCE_CREDITS; return how many.

    Each is told once, until the balance has been above the threshold again, and once a day at most. `recent` looks
    only at accounts whose balance moved lately.
    """
    threshold = settings.LOW_BALANCE_CREDITS
    if not threshold:
        return 0
    accounts = _moved_lately() if recent else Account.objects.all()
    risen = accounts.filter(balance__gt=threshold, low_balance_at__isnull=False)
    if risen.exists():  # the usual answer is no, and on SQLite it needs no write lock
        risen.update(low_balance_at=None)
    bought = Payment.objects.filter(account=OuterRef("pk"), amount__gt=0)
    due = accounts.filter(
        Exists(bought),
        balance__lte=threshold,
        low_balance_at=None,
        user__is_active=True,
        user__deleted_at=None,
        user__mail_low_balance=True,
    ).select_related("user")
    return sum(_tell(account) for account in due[:limit])


def _moved_lately() -> QuerySet[Account]:
    entries = CreditEntry.objects.filter(created_at__gte=timezone.now() - LATELY).order_by()
    return Account.objects.filter(pk__in=entries.values("account_id"))


@transaction.atomic
def _tell(account: Account) -> bool:
    now = timezone.now()
    claimed = Account.objects.filter(pk=account.pk, low_balance_at=None).update(low_balance_at=now)
    if claimed:
        mail.queue(
            account, "low_balance", reference=f"low_balance:{account.pk}:{now:%Y-%m-%d}", balance=account.balance
        )
    return bool(claimed)
