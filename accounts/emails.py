"""Which email addresses are one mailbox, which are thrown away, and whether somebody has shown that one is theirs."""

import contextlib

from allauth.account.models import EmailAddress
from disposable_email_domains import blocklist
from django.conf import settings

from accounts.models import User

CLOSED_DOMAIN = "deleted.invalid"  # where the addresses of deleted accounts end

# What each provider says of its own addresses.
_SAME_DOMAIN = {
    "googlemail.com": "gmail.com",
    "me.com": "icloud.com",
    "mac.com": "icloud.com",
    "protonmail.com": "proton.me",
    "pm.me": "proton.me",
    "ya.ru": "yandex.ru",
    "yandex.com": "yandex.ru",
    "yandex.by": "yandex.ru",
    "yandex.kz": "yandex.ru",
}
_MINUS_TAGS = {"yahoo.com", "ymail.com", "rocketmail.com"}
_SIGNS_IGNORED = {"gmail.com": ".", "proton.me": ".-_", "yandex.ru": ".-"}
_NAME_BEFORE_DOMAIN = {"fastmail.com", "fastmail.fm"}  # anything@ann.fastmail.com is ann@fastmail.com


def mailbox(email: str) -> str:
    """Return one name for all the ways to write to the mailbox of `email`.

    Plus-tags count for nothing anywhere, minus-tags at Yahoo, some signs at Google, Proton and Yandex. Several
    providers have more than one domain for the same mailboxes.
    """
    local, _, domain = email.strip().lower().rpartition("@")
    domain = _ascii(domain)
    name, _, parent = domain.partition(".")
    if parent in _NAME_BEFORE_DOMAIN:
        local, domain = name, parent
    domain = _SAME_DOMAIN.get(domain, domain)
    local = local.partition("+")[0] or local
    if domain in _MINUS_TAGS:
        local = local.partition("-")[0] or local
    local = local.translate(str.maketrans("", "", _SIGNS_IGNORED.get(domain, ""))) or local
    return f"{local}@{domain}"


def is_disposable(email: str) -> bool:
    """Tell whether `email` is at a domain, or below one, whose mailboxes anybody has for minutes.

    What the operator says of a domain (`DISPOSABLE_DOMAINS`, `PERMANENT_DOMAINS`) goes before the list, and what is
    said of the nearest one before what is said of those above it.
    """
    labels = _ascii(email.strip().lower().rpartition("@")[2]).split(".")
    for domain in (".".join(labels[number:]) for number in range(len(labels) - 1)):
        if domain in settings.PERMANENT_DOMAINS:
            return False
        if domain in settings.DISPOSABLE_DOMAINS or domain in blocklist:
            return True
    return False


def waits_for_proof() -> bool:
    """Tell whether nobody is welcomed before they have shown that their address is their own."""
    return bool(settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory" or settings.WELCOME_AFTER_CONFIRMING)


def is_confirmed(user: User) -> bool:
    """Tell whether the user's address counts as theirs: it was verified, or the site asks for no proof of it.

    Users whom an operator of an earlier version made have no address on record and are trusted.
    """
    if not waits_for_proof():
        return True
    known = EmailAddress.objects.filter(user=user).values_list("verified", flat=True)
    return not known or any(known)


def _ascii(domain: str) -> str:
    with contextlib.suppress(UnicodeError):
        domain = domain.encode("idna").decode()
    return domain
