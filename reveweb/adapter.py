"""Where signing up meets credits."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from billing import ledger


class Adapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """allauth's own behaviour, and welcome credits for whoever has confirmed their address."""

    def clean_email(self, email: str) -> str:
        if '"' in email:  # a quoted local part has endless spellings of one mailbox, and next to nobody has one
            raise ValidationError("Enter an address without quotation marks.")
        return str(super().clean_email(email))

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> Any:
        confirmed = super().confirm_email(request, email_address)
        if confirmed:
            ledger.welcome(ledger.account_of(email_address.user_id))
        return confirmed
