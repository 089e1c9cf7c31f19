"""The only writer of credits: `with books(wallet) as books:` is the one way to a wallet's purse."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import transaction
from django.utils import timezone

from billing.errors import InsufficientCredits
from billing.ledger.grants import Grants
from billing.ledger.holds import Holds
from billing.models import CreditGrant, Wallet

_open: ContextVar[frozenset[int]] = ContextVar("open", default=frozenset())


class Books(Grants, Holds):
    """All that can be done with a wallet's credits, while nobody else can do anything with them."""


@contextmanager
def books(wallet: Wallet | int) -> Iterator[Books]:
    """Lock the purse of a wallet, or of the one with this key, and write what was done with it as the block ends.

    One transaction. What raises undoes the block, and nothing is written; but a refusal for want of credits still
    writes off what has expired. Within the block `books.wallet` is as it is in the database, and no other one of the
    same wallet can be opened.
    """
    pk = wallet if isinstance(wallet, int) else wallet.pk
    try:
        with _opened(pk) as opened:
            yield opened
    except InsufficientCredits:
        write_off_expired(pk)  # the refusal has just undone it
        raise


@contextmanager
def _opened(pk: int) -> Iterator[Books]:
    if pk in _open.get():
        raise RuntimeError("The books of this wallet are open already.")
    token = _open.set(_open.get() | {pk})
    try:
        with transaction.atomic():
            opened = Books(pk)
            yield opened
            opened.write()
    finally:
        _open.reset(token)


def write_off_expired(wallet: Wallet | int) -> int:
    """Write off all of the wallet's credits whose time is up, and return its balance."""
    pk = wallet if isinstance(wallet, int) else wallet.pk
    overdue = CreditGrant.objects.filter(wallet=pk, remaining__gt=0, expires_at__lte=timezone.now())
    if overdue.exists():  # the usual answer is no, and it needs no lock
        with books(pk) as opened:
            opened.expire()
    return Wallet.objects.values_list("balance", flat=True).get(pk=pk)


def expire_due(limit: int = 500) -> int:
    """Write off what is left of grants whose time is up, those of `limit` at least, and return how many there were."""
    due = CreditGrant.objects.filter(remaining__gt=0, expires_at__lte=timezone.now()).order_by("expires_at")
    ended = 0
    for pk in dict.fromkeys(due.values_list("wallet", flat=True)[:limit]):
        with books(pk) as opened:
            ended += opened.expire()
    return ended
