"""Who a wallet's person is at Stripe."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from billing import gateway, identity
from billing.models import StripeCustomer, Wallet
from kit.broker import tell_on_commit
from kit.threads import let_go

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


def living(wallet: Wallet) -> StripeCustomer | None:
    """Return the wallet's customer at the account in use, if there is one. Raises PaymentError."""
    return _living(wallet).filter(account=identity.account()).first()


def on_record(wallet: Wallet) -> str:
    """Return the id of the wallet's customer as far as it is known here, without asking Stripe, or the empty string."""
    row = _living(wallet).filter(account=identity.presumed()).first()
    return (row.stripe_id if row else None) or ""


def customer_of(wallet: Wallet) -> str:
    """Return the id of the wallet's customer, created the first time; concurrent calls get the same one.

    The row is there first, and says what Stripe is asked for: whoever asks at the same time asks for the same. Where an
    answer was lost, the customer that it told of is looked for; and because Stripe may keep an error under its key for
    a day, whoever comes after one asks under another. Raises PaymentUnavailable, PaymentRefused.
    """
    account = identity.account()
    values = {"email": wallet.user.email, "name": wallet.user.name, "idempotency_key": gateway.new_key()}
    row, is_new = StripeCustomer.objects.get_or_create(wallet=wallet, account=account, gone_at=None, defaults=values)
    if row.stripe_id:
        return row.stripe_id
    unmade = StripeCustomer.objects.filter(pk=row.pk, stripe_id=None)
    try:
        stripe_id = ("" if is_new else find(row)) or _made(row)
    except gateway.PaymentRefused:  # there is none: the next one is asked for by today's address
        unmade.update(**values)
        raise
    except gateway.PaymentUnavailable as error:  # there may be one, under this address
        if not error.is_final:
            raise
        row.idempotency_key = gateway.new_key()
        unmade.update(idempotency_key=row.idempotency_key)
        stripe_id = find(row) or _made(row)
    unmade.update(stripe_id=stripe_id)
    return stripe_id


def _made(row: StripeCustomer) -> str:
    return gateway.create_customer(
        email=row.email,
        name=row.name,
        wallet_id=row.wallet_id,
        installation=row.account.installation,
        idempotency_key=row.idempotency_key,
    )


def anew_if_gone(ask: Callable[P, T]) -> Callable[P, T]:
    """Let `ask`, which takes a `wallet`, begin anew with another customer when Stripe knows its customer no more."""

    @wraps(ask)
    def asked(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return ask(*arguments, **named)
        except gateway.Missing as error:
            wallet = named["wallet"]
            if error.param != "customer" or not isinstance(wallet, Wallet):
                raise
            log.warning("Stripe does not know the customer of %s any more: %s", wallet, error)
            _living(wallet).filter(account=identity.account()).update(**gone())
        return ask(*arguments, **named)

    return asked


def find(row: StripeCustomer) -> str:
    """Return the id of the customer that a row stands for, as Stripe knows it, or the empty string."""
    return row.stripe_id or gateway.find_customer(
        email=row.email, wallet_id=row.wallet_id, installation=row.account.installation
    )


def forget(stripe_id: str) -> bool:
    """Note that Stripe does not know a customer of ours any more; the next purchase makes another."""
    return bool(StripeCustomer.objects.filter(stripe_id=stripe_id, gone_at=None).update(**gone()))


def gone() -> dict[str, Any]:
    """Return what is written of a customer whom Stripe does not know any more."""
    return {"gone_at": timezone.now(), "email": "", "name": ""}


def tell_changes(wallet: Wallet) -> None:
    """Let a worker tell Stripe who the wallet's person is now, after the commit."""
    if _living(wallet).exists():
        tell_on_commit("billing.tasks.tell_stripe", wallet.pk)


def tell(wallet_id: int | None = None, limit: int = 200) -> int:
    """Tell Stripe the addresses and names that it does not know yet, one wallet's or all; return how many it took.

    Its receipts and reminders go where it was told last. What fails is tried again with the next sweep.
    """
    if not settings.PAYMENTS:
        return 0
    account = identity.account()
    person = {"email": F("wallet__user__email"), "name": F("wallet__user__name")}
    living = StripeCustomer.objects.filter(account=account, gone_at=None, stripe_id__isnull=False)
    behind = living.filter(~Q(**person), wallet__user__deleted_at=None)
    if wallet_id is not None:
        behind = behind.filter(wallet=wallet_id)
    return sum(_tell(row) for row in behind.select_related("wallet__user").order_by("pk")[:limit])


def _tell(row: StripeCustomer) -> bool:
    email, name = row.wallet.user.email, row.wallet.user.name
    assert row.stripe_id
    let_go()
    try:
        gateway.update_customer(row.stripe_id, email=email, name=name)
    except gateway.Missing:
        return not forget(row.stripe_id)
    except gateway.PaymentRefused as error:
        log.warning("Stripe does not take the address of %s: %s", row, error)
        return False
    return bool(StripeCustomer.objects.filter(pk=row.pk, gone_at=None).update(email=email, name=name))


def _living(wallet: Wallet) -> QuerySet[StripeCustomer]:
    return StripeCustomer.objects.filter(wallet=wallet, gone_at=None, stripe_id__isnull=False)
