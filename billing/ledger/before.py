"""The calls of before, one wallet's books each: they go with their last callers."""

from typing import Any

from billing.errors import UnknownHold
from billing.ledger.books import books
from billing.models import CreditEntry, CreditGrant, Wallet


def grant(*, wallet: Wallet, **terms: Any) -> CreditEntry:
    with books(wallet) as opened:
        return opened.grant(**terms)


def hold(*, wallet: Wallet, **terms: Any) -> CreditEntry:
    with books(wallet) as opened:
        return opened.hold(**terms)


def take(*, wallet: Wallet, **terms: Any) -> CreditEntry:
    with books(wallet) as opened:
        return opened.take(**terms)


def release(*, reference: str, cause: str) -> CreditEntry:
    with books(_holder(reference)) as opened:
        return opened.release(reference=reference, cause=cause)


def give_back(*, reference: str, cause: str) -> CreditEntry:
    with books(_holder(reference)) as opened:
        return opened.give_back(reference=reference, cause=cause)


def write_off(*, grant: CreditGrant, reference: str | None = None, cause: str) -> CreditEntry | None:
    with books(grant.wallet_id) as opened:
        return opened.write_off(grant, reference=reference, cause=cause)


def _holder(reference: str) -> int:
    holder = CreditEntry.objects.filter(reference=reference).values_list("wallet", flat=True).first()
    if holder is None:
        raise UnknownHold(reference)
    return int(holder)
