"""What Google and GitHub say about a person, and how passkeys and codes are called here."""

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.http import HttpRequest

from accounts import browsers
from accounts.models import User

ERROR_MESSAGES = {
    "duplicate_email": "That is your address already.",
    "email_password_mismatch": "The email address and the password are not correct. Check both.",
    "email_taken": "There is an account with this address already. Log in instead, or reset its password.",
    "enter_current_password": "That is not your current password.",
    "incorrect_password": "That is not your password.",
    "too_many_login_attempts": "Too many failed tries. Wait five minutes, then try again.",
}


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """What a provider says about a person becomes their name here."""

    error_messages = {
        **DefaultSocialAccountAdapter.error_messages,
        "email_taken": "There is an account with this address already. Log in to it with its password, then connect "
        "%s under Account → Connected accounts.",
        "no_password": "Choose a password first: without it nothing would open your account any more.",
        "disconnect_last": "Choose a password first: without it nothing would open your account any more.",
        "connected_other": "That account opens another account here already.",
    }

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        user: User = super().populate_user(request, sociallogin, data)
        parts = (data.get("first_name"), data.get("last_name"))
        name = data.get("name") or " ".join(part for part in parts if part)
        user.name = str(name).replace("\x00", "").strip()[: User._meta.get_field("name").max_length]
        return user


class MfaAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Passkeys carry this site's name, and are named after the device they were made on."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "add_email_blocked": "Confirm your present address before you change it.",
        "cannot_generate_recovery_codes": "Recovery codes come with two-factor authentication: set that up first.",
        "incorrect_code": "That code or passkey was not accepted. Codes change every 30 seconds: use the newest one.",
        "unverified_email": "Confirm your email address first: it is how you get back in without your second factor.",
    }

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        system = browsers.system_of(context.request.headers.get("User-Agent", ""))
        taken = Authenticator.objects.filter(user=user, type=type).count()
        name = f"{system} passkey" if system else "Passkey"
        return f"{name} {taken + 1}" if taken else name

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": settings.SITE_NAME}
