"""How the lists of this app name people and causes."""

from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts import read_only
from billing.models import Wallet

PAGES = {
    "generation": "generator_generation",
    "checkout": "billing_payment",
    "invoice": "billing_payment",
    "dispute": "billing_dispute",
    "grant": "billing_creditgrant",
}


def person(wallet: Wallet | None) -> SafeString | str:
    """Return a link to the wallet's owner."""
    return read_only.person(wallet.user) if wallet else "–"


def cause_url(reference: str) -> str:
    """Return the admin's page about what an entry's reference names, or "" where there is none."""
    kind, _, rest = reference.partition(":")
    if kind not in PAGES:
        return ""
    id = rest.partition(":")[0]
    key = f"{kind}:{id}" if PAGES[kind] == "billing_payment" else id
    return reverse(f"admin:{PAGES[kind]}_change", args=[quote(key)])
