"""Whose an address is: what counts before that was shown, and what ends when it is.

Anybody can sign up with anybody's address. Until somebody has opened a mail that was sent there, or came through a
provider that vouches for it, the account proves nothing:

- One that nobody could use yet gives way to the next person who signs up with its address (`make_way`).
- The link of a sign-up confirms in the browser of that sign-up, or for its password (`is_bound`). Whoever has the
  mailbox and neither of them chooses a new password.
- By a new password that came through the mailbox the account changes hands: whatever opened it before ends
  (`take_over`).

What the account made and paid stays with it in any case.
"""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest

from accounts import keys, sessions
from accounts.models import User
from billing import ledger
from billing.models import HeldWelcome, OutgoingMail, Wallet
from kit import wakeups
from reveweb.login import limits

NOBODY = 0  # no user has this key

_SIGNED_UP = "confirms"  # in a session: the address whose link this browser has asked for


def is_unproven(user: User) -> bool:
    """Tell whether somebody signed up with the address and nobody has shown that it is theirs.

    Only signing up makes an address the first of an account without proof. Users whom an operator made have none on
    record, or one that allauth took down since, and are trusted.
    """
    first = EmailAddress.objects.filter(user=user, email=user.email, primary=True, verified=False)
    return bool(first.exists())


def gives_way(user: User) -> bool:
    """Tell whether the account is a sign-up that came to nothing yet: unproven, never logged in to, nothing in it."""
    if user.last_login or user.is_staff or not user.is_active or not is_unproven(user):
        return False
    wallet = Wallet.objects.filter(user=user).first()
    return not (user.api_keys.exists() or (wallet and _holds_something(wallet)))


def is_held(email: str, *, besides: int = NOBODY) -> bool:
    """Tell whether the address is another account's than that of the user `besides`, one that does not give way."""
    user = User.objects.filter(email=email.lower()).exclude(pk=besides).first()
    confirmed = EmailAddress.objects.filter(email=email.lower(), verified=True).exclude(user_id=besides)
    return (user is not None and not gives_way(user)) or bool(confirmed.exists())


def may_sign_up(request: HttpRequest, email: str) -> bool:
    """Tell whether the address is free, and a mail would go out where one has to confirm it.

    Without a mail nothing gives way, so that the link in the last one goes on working: whoever has the mailbox has a
    way in, however often strangers sign up with it.
    """
    if is_held(email):
        return False
    return not must_confirm() or limits.may_mail(request, "confirm_mail", email, only_ask=True)


def must_confirm() -> bool:
    """Tell whether nobody logs in before they have confirmed their address."""
    return bool(settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory")


@transaction.atomic
def make_way(email: str, *, besides: int = NOBODY) -> None:
    """Remove the sign-up that has the address and came to nothing, with all that could have opened it."""
    user = User.objects.select_for_update(of=("self",)).filter(email=email.lower()).exclude(pk=besides).first()
    if user and gives_way(user):
        Wallet.objects.filter(user=user).delete()
        user.delete()


def drop_wishes(email: str, *, besides: int = NOBODY) -> None:
    """Forget that other accounts want to change to the address, which is somebody's now."""
    wishes = EmailAddress.objects.filter(email=email.lower(), verified=False, primary=False)
    wishes.exclude(user_id=besides).exclude(user__email=email.lower()).delete()


def bind(request: HttpRequest, address: EmailAddress) -> None:
    """Note in the browser that the link which is sent to `address` now is its own."""
    request.session[_SIGNED_UP] = address.pk


def is_bound(request: HttpRequest, address: EmailAddress) -> bool:
    """Tell whether the browser is the one that signed up, or is logged in to the account."""
    is_logged_in = request.user.is_authenticated and request.user.pk == address.user_id
    return is_logged_in or bool(request.session.get(_SIGNED_UP) == address.pk)


@transaction.atomic
def take_over(user: User) -> None:
    """End whatever opened the account before its address was shown to be somebody's; its password is theirs already."""
    sessions.end_all(user)
    keys.revoke_all(user)
    Authenticator.objects.filter(user=user).delete()
    SocialAccount.objects.filter(user=user).delete()
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    wakeups.publish_on_commit(wakeups.wallet_topic(ledger.wallet_of(user.pk).pk))  # pages that are open notice at once


def _holds_something(wallet: Wallet) -> bool:
    nothing = {HeldWelcome, OutgoingMail}
    kept = (one for one in wallet._meta.related_objects if one.related_model not in nothing)
    return any(one.related_model._base_manager.filter(**{one.field.name: wallet}).exists() for one in kept)
