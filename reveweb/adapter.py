"""Where signing up meets credits."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.http import HttpRequest

from billing import ledger


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """allauth's own behaviour, and welcome credits for whoever has confirmed their address."""

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> Any:
        confirmed = super().confirm_email(request, email_address)
        if confirmed:
            ledger.welcome(ledger.account_of(email_address.user_id))
        return confirmed
