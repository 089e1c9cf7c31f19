"""Whose wallet a page is about."""

from django.http import HttpRequest

from accounts.viewer import user_of
from billing import ledger
from billing.models import Wallet


def wallet_of(request: HttpRequest) -> Wallet:
    """Return the signed-in viewer's wallet."""
    return ledger.wallet_of(user_of(request).pk)
