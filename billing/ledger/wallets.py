"""Whose wallet somebody spends from, and how it begins."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts import emails
from accounts.models import ApiKey
from billing.ledger.books import books
from billing.models import CreditGrant, Plan, Wallet
from billing.welcome import holding

BESIDE_A_KEY = "user__wallet__plan"  # for `accounts.keys.verify`, so that `wallet_of` a key needs no query of its own


def wallet_of(who: int | ApiKey) -> Wallet:
    """Return the wallet that a user, by their key in the database, or an API key spends from.

    It is opened, with the welcome credits, the first time it is asked for.
    """
    if isinstance(who, ApiKey):
        try:
            return who.user.wallet
        except Wallet.DoesNotExist:
            return _open(who.user_id)
    wallet = Wallet.objects.select_related("plan").filter(user_id=who).first()
    return wallet or _open(who)


def keys_of(wallet: Wallet) -> QuerySet[ApiKey]:
    """Return the API keys that spend from `wallet`, those that are revoked included."""
    return ApiKey.objects.filter(user=wallet.user_id)


def welcome(wallet: Wallet) -> None:
    """Grant the welcome credits, once for each mailbox, as soon as its owner has confirmed it. Idempotent.

    Whoever is not to have them has a `HeldWelcome` afterwards, which another address can end.
    """
    if not settings.WELCOME_CREDITS or not emails.is_confirmed(wallet.user):
        return
    reference = holding.reference(wallet)
    try:
        _welcome(wallet, reference)
    except (IntegrityError, _SomebodyElsesNow):  # which is seen now
        _welcome(wallet, reference)


class _SomebodyElsesNow(Exception):
    """Another way to write the mailbox was welcomed at this moment: what was done for this one is undone."""


def _welcome(wallet: Wallet, reference: str) -> None:
    with books(wallet) as opened:
        if wallet.grants.filter(source=CreditGrant.Source.WELCOME).exists() or holding.was_settled(wallet):
            return  # the same person under a new address
        mailbox_is_known = opened.entry(reference) is not None
        if reason := holding.reason_not_to(wallet, mailbox_is_known=mailbox_is_known):
            holding.hold_back(wallet, reason)
            return
        entry = opened.grant(
            credits=settings.WELCOME_CREDITS,
            source=CreditGrant.Source.WELCOME,
            reference=reference,
            cause="Welcome to " + settings.SITE_NAME,
        )
        if entry.wallet_id != wallet.pk:
            raise _SomebodyElsesNow
        holding.settle(wallet)


def _open(user_id: int) -> Wallet:
    user = get_user_model().objects.get(pk=user_id)
    free = Plan.objects.filter(price=0, active=True).order_by("order").first()
    try:
        with transaction.atomic():
            wallet = Wallet.objects.create(user=user, plan=free)
            welcome(wallet)
    except IntegrityError:  # another request opened it first, or an account of the same mailbox was just welcomed
        if not Wallet.objects.filter(user=user).exists():
            return _open(user_id)
    return Wallet.objects.select_related("plan").get(user=user)
