"""Forms that carry what a passkey said: whatever is broken in it is a wrong passkey and no error of ours."""

import json
import logging
from collections.abc import Callable
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms as allauth_forms
from django import forms
from django.core.exceptions import ValidationError
from django.db import DatabaseError

log = logging.getLogger(__name__)


class CredentialField(forms.JSONField):
    """JSON of a passkey, in text that every database can store."""

    def to_python(self, value: Any) -> Any:
        try:
            credential = super().to_python(value)
            text = json.dumps(credential, ensure_ascii=False)
            text.encode()  # not half a character
        except (ValueError, RecursionError) as error:
            raise _wrong() from error
        if not isinstance(credential, dict | None) or "\\u0000" in text:
            raise _wrong()
        return credential


class AddForm(allauth_forms.AddWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """A new passkey."""

    credential = CredentialField(widget=forms.HiddenInput)

    def clean(self) -> Any:
        return _understood(super().clean)


class _UsedForm(allauth_forms.AuthenticateWebAuthnForm):  # type: ignore[misc]  # likewise
    credential = CredentialField(widget=forms.HiddenInput)

    def clean_credential(self) -> Authenticator:
        return _understood(super().clean_credential)


class AuthenticateForm(_UsedForm):
    """A passkey as the second step of logging in."""


class LoginForm(_UsedForm, allauth_forms.LoginWebAuthnForm):  # type: ignore[misc]  # likewise
    """A passkey instead of address and password."""


class ReauthenticateForm(_UsedForm, allauth_forms.ReauthenticateWebAuthnForm):  # type: ignore[misc]  # likewise
    """A passkey instead of the password, before something that matters."""


def _understood(check: Callable[[], Any]) -> Any:
    """Return what `check` returns. Raises ValidationError for what it cannot read.

    fido2 unpacks bytes and CBOR that anybody may send, and raises whatever comes of it: no list of kinds would be
    complete.
    """
    try:
        return check()
    except (ValidationError, DatabaseError):
        raise
    except Exception as error:
        log.info("A passkey could not be read: %r", error)
        raise _wrong() from error


def _wrong() -> ValidationError:
    error: ValidationError = get_adapter().validation_error("incorrect_code")
    return error
