"""Which email addresses are one mailbox, and whether a person has shown that theirs is their own."""

import contextlib

from allauth.account.models import EmailAddress
from django.conf import settings

from accounts.models import User

CLOSED_DOMAIN = "deleted.invalid"  # where the addresses of deleted accounts end

_DOTS_IGNORED = {"gmail.com"}
_SAME_DOMAIN = {"googlemail.com": "gmail.com"}
_MINUS_TAGS = {"yahoo.com", "ymail.com", "rocketmail.com"}


def mailbox(email: str) -> str:
    """Return one name for all the ways to write to the mailbox of `email`.

    Plus-tags count for nothing anywhere, minus-tags at Yahoo, dots at Google.
    """
    local, _, domain = email.strip().lower().rpartition("@")
    with contextlib.suppress(UnicodeError):
        domain = domain.encode("idna").decode()
    domain = _SAME_DOMAIN.get(domain, domain)
    local = local.partition("+")[0] or local
    if domain in _MINUS_TAGS:
        local = local.partition("-")[0] or local
    if domain in _DOTS_IGNORED:
        local = local.replace(".", "")
    return f"{local}@{domain}"


def is_confirmed(user: User) -> bool:
    """Tell whether the user's address counts as theirs: it was verified, or the site asks for no proof of it.

    Users whom an operator of an earlier version made have no address on record and are trusted.
    """
    if settings.ACCOUNT_EMAIL_VERIFICATION != "mandatory":
        return True
    known = EmailAddress.objects.filter(user=user).values_list("verified", flat=True)
    return not known or any(known)
