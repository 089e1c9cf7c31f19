"""Why somebody gets no welcome credits, and the row that says so."""

import hashlib

from django.conf import settings
from django.utils import timezone

from accounts import emails
from billing.models import HeldWelcome, Wallet
from billing.welcome import networks

Reason = HeldWelcome.Reason


def reference(wallet: Wallet) -> str:
    """Return what the ledger calls the welcome of `wallet`'s mailbox, however its address is written."""
    return "welcome:" + hashlib.sha256(emails.mailbox(wallet.user.email).encode()).hexdigest()


def reason_not_to(wallet: Wallet, *, mailbox_is_known: bool) -> Reason | None:
    """Return why `wallet` gets no welcome credits; None when it does, and then a place of its network is taken."""
    if emails.is_disposable(wallet.user.email):
        return Reason.DISPOSABLE
    if mailbox_is_known:
        return Reason.MAILBOX
    return None if networks.take_place(wallet.user.signup_network) else Reason.NETWORK


def hold_back(wallet: Wallet, reason: Reason) -> None:
    """Write down that `wallet` does not get them; the last reason counts."""
    HeldWelcome.objects.update_or_create(
        wallet=wallet, defaults={"reason": reason, "credits": settings.WELCOME_CREDITS}
    )


def standing(wallet: Wallet) -> HeldWelcome | None:
    """Return what is held back of `wallet` now."""
    return HeldWelcome.objects.filter(wallet=wallet, given_at=None).first()


def was_settled(wallet: Wallet) -> bool:
    """Tell whether what was held back has been given since."""
    return HeldWelcome.objects.filter(wallet=wallet, given_at__isnull=False).exists()


def settle(wallet: Wallet) -> bool:
    """Write down that what was held back is given, and tell whether anything was; in that transaction."""
    return bool(HeldWelcome.objects.filter(wallet=wallet, given_at=None).update(given_at=timezone.now()))
