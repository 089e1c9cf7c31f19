"""Whose wallet somebody spends from, and how it begins."""

import hashlib

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts import emails
from accounts.models import ApiKey
from billing.ledger.books import books
from billing.models import CreditGrant, Plan, Wallet

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
    """Grant the welcome credits, once for each mailbox, as soon as its owner has confirmed it. Idempotent."""
    if not settings.WELCOME_CREDITS or not emails.is_confirmed(wallet.user):
        return
    mailbox = hashlib.sha256(emails.mailbox(wallet.user.email).encode()).hexdigest()
    with books(wallet) as opened:
        if wallet.grants.filter(source=CreditGrant.Source.WELCOME).exists():
            return  # the same person under a new address
        opened.grant(
            credits=settings.WELCOME_CREDITS,
            source=CreditGrant.Source.WELCOME,
            reference=f"welcome:{mailbox}",
            cause="Welcome to " + settings.SITE_NAME,
        )


def _open(user_id: int) -> Wallet:
    user = get_user_model().objects.get(pk=user_id)
    free = Plan.objects.filter(price=0, active=True).order_by("order").first()
    try:
        with transaction.atomic():
            wallet = Wallet.objects.create(user=user, plan=free)
            welcome(wallet)
    except IntegrityError:  # another request opened it first
        pass
    return Wallet.objects.select_related("plan").get(user=user)
