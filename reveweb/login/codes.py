"""Codes of an authenticator app: each opens the account once."""

from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm as AllauthAuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as AllauthReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm as AllauthActivateForm
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import cache


def keep_used(authenticator: Authenticator, code: str) -> None:
    """Remember a used code for as long as it would be taken again.

    allauth remembers it for one period, but clocks may differ by `MFA_TOTP_TOLERANCE` periods either way, and so long a
    code is taken. Recovery codes are crossed out in the database.
    """
    if authenticator.type == Authenticator.Type.TOTP:
        seconds = app_settings.TOTP_PERIOD * (2 * app_settings.TOTP_TOLERANCE + 1)
        cache.touch(authenticator.wrap()._get_used_cache_key(code), seconds)


class ActivateForm(AllauthActivateForm):  # type: ignore[misc]  # allauth has no types
    """Switching the app on; the code that shows that it works is used up by that, as by a log-in."""

    def clean_code(self) -> str:
        code = str(super().clean_code())
        totp = TOTP(Authenticator(user=self.user, type=Authenticator.Type.TOTP))
        if not totp._mark_code_used(code):
            raise get_adapter().validation_error("incorrect_code")
        keep_used(totp.instance, code)
        return code


class AuthenticateForm(AllauthAuthenticateForm):  # type: ignore[misc]  # allauth has no types
    """The second step of logging in."""

    def clean_code(self) -> str:
        code = str(super().clean_code())
        keep_used(self.authenticator, code)
        return code


class ReauthenticateForm(AllauthReauthenticateForm):  # type: ignore[misc]  # allauth has no types
    """A code instead of the password, before something that matters."""

    def clean_code(self) -> str:
        code = str(super().clean_code())
        keep_used(self.authenticator, code)
        return code
