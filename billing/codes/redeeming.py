"""Redeeming a code: exact however many people, and however often one person, try at once.

1. the code is found by its hash, and what its offer says is asked for
2. in the wallet's own books, one conditional UPDATE takes one of the uses that are left
3. the redemption is written, which is unique for the person and for their mailbox, and the credits with it

What fails at the third step undoes the second: no use is lost.
"""

import hashlib
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts import emails
from accounts.models import User
from billing import ledger
from billing.codes import spelling
from billing.errors import AccountClosed, CodeRefused, UnknownCode
from billing.models import Code, CodeOffer, CreditGrant, Redemption, Wallet

UNKNOWN = "There is no such code. Check each letter: dashes, spaces and capitals make no difference."
USED_UP = "This code has been used up."
USED = "This code has been used already."
OFF = "This code does not work any more."
YOURS = "You have redeemed this code already."
YOUR_MAILBOX = "This code has been redeemed already by an account with your email address."
UNCONFIRMED = "Confirm your email address first: the link is in the mail that we sent you."


def find(typed: str) -> Code:
    """Return the code that somebody typed. Raises UnknownCode."""
    digest = spelling.digest(typed)
    code = Code.objects.select_related("offer").filter(digest=digest).first() if digest else None
    if code is None:
        raise UnknownCode(UNKNOWN)
    return code


def redeem(*, user: User, typed: str) -> Redemption:
    """Give `user` the credits of the code that they typed.

    Raises UnknownCode and CodeRefused, whose message is for them, and AccountClosed.
    """
    code = find(typed)
    wallet = ledger.wallet_of(user.pk)
    if Redemption.objects.filter(code=code, wallet=wallet).exists():
        raise CodeRefused(YOURS)
    _require(code, user, timezone.now())
    mailbox = hashlib.sha256(emails.mailbox(user.email).encode()).hexdigest()
    try:
        return _redeem(code, wallet, mailbox)
    except IntegrityError:  # they, or another account of their mailbox, were faster
        is_own = Redemption.objects.filter(Q(code=code) | Q(offer=code.offer), wallet=wallet).exists()
        raise CodeRefused(YOURS if is_own else YOUR_MAILBOX) from None


@transaction.atomic
def _redeem(code: Code, wallet: Wallet, mailbox: str) -> Redemption:
    offer = code.offer
    with ledger.books(wallet) as books:
        if not User.objects.filter(pk=wallet.user_id, is_active=True, deleted_at=None).exists():
            raise AccountClosed
        _take(code)
        redemption: Redemption = Redemption.objects.create(
            offer=offer, code=code, wallet=wallet, mailbox=mailbox, is_once=offer.is_once, credits=offer.credits
        )
        books.grant(
            credits=offer.credits,
            source=CreditGrant.Source.CODE,
            reference=reference(code, wallet),
            cause=f"Code {offer.name}",
            expires_at=_expiry(offer, redemption.created_at),
        )
    return redemption


def reference(code: Code, wallet: Wallet) -> str:
    """Return what the ledger calls the credits that a wallet had by a code."""
    return f"code:{code.pk}:{wallet.pk}"


def _take(code: Code) -> None:
    """Count one use of a code if there is one left and nothing has stopped it by now. Raises CodeRefused."""
    now = timezone.now()
    is_running = Q(offer__ends_at=None) | Q(offer__ends_at__gt=now)
    running = CodeOffer.objects.filter(Q(ends_at=None) | Q(ends_at__gt=now), pk=code.offer_id, off_at=None)
    left = Code.objects.filter(pk=code.pk, off_at=None, redeemed__lt=F("most"), offer__in=running)
    if not left.update(redeemed=F("redeemed") + 1):
        is_on = Code.objects.filter(is_running, pk=code.pk, off_at=None, offer__off_at=None).exists()
        raise CodeRefused(_used(code) if is_on else OFF)


def _require(code: Code, user: User, now: datetime) -> None:
    """Ask for what the offer says of time and people, in the order in which it helps to know. Raises CodeRefused."""
    offer = code.offer
    if code.off_at or offer.off_at:
        raise CodeRefused(OFF)
    if offer.starts_at > now:
        raise CodeRefused(f"This code works from {_day(offer.starts_at)} on.")
    if offer.ends_at and offer.ends_at <= now:
        raise CodeRefused(f"This code could be redeemed until {_day(offer.ends_at)}.")
    if code.redeemed >= code.most:
        raise CodeRefused(_used(code))
    if offer.new_days is not None and user.date_joined < now - timedelta(days=offer.new_days):
        raise CodeRefused("This code is for new accounts only.")
    if not emails.is_confirmed(user):
        raise CodeRefused(UNCONFIRMED)


def _used(code: Code) -> str:
    return USED if code.most == 1 else USED_UP


def _expiry(offer: CodeOffer, now: datetime) -> datetime | None:
    return now + timedelta(days=offer.credits_days) if offer.credits_days else None


def _day(moment: datetime) -> str:
    return f"{moment:%-d %B %Y, %H:%M} UTC"
