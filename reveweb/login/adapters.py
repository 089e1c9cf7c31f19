"""allauth's hooks: welcome credits and mails that a worker sends, names from providers, passkeys by their device."""

from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress, EmailConfirmationMixin
from allauth.core import context
from allauth.core import context as allauth_context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts import browsers, sessions
from accounts.emails import CLOSED_DOMAIN, is_confirmed, waits_for_proof
from accounts.models import User
from billing import ledger
from billing.models import CreditGrant, Wallet
from billing.outbox import mail
from billing.stripe import customers
from billing.welcome import networks
from kit import wakeups
from kit.http.requests import client_ip, site_of, without_nul
from kit.metrics import Counter
from reveweb.login import limits, proof

GUESSES = Counter("reveweb_passwords_total", "Passwords that were tried.", "outcome")

ERROR_MESSAGES = {
    "duplicate_email": "That is your address already.",
    "email_password_mismatch": "The email address or the password is not correct. Check both.",
    "email_taken": "There is an account with this address already. Log in instead, or reset its password.",
    "enter_current_password": "That is not your current password.",
    "incorrect_password": "That is not your password.",
    "too_many_login_attempts": "Too many failed attempts. Wait five minutes or, after very many, a day. A new "
    "password (“Forgot it?”) lets you in at once.",
}


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """allauth's own behaviour, with welcome credits for whoever has confirmed their address."""

    error_messages = {**DefaultAccountAdapter.error_messages, **ERROR_MESSAGES}

    def is_safe_url(self, url: str) -> bool:
        try:
            return bool(super().is_safe_url(url))
        except ValueError:  # what Python's parser cannot read, such as "http://["
            return False

    def new_user(self, request: HttpRequest) -> User:
        user: User = super().new_user(request)
        user.signup_network = networks.of(request)
        return user

    def clean_email(self, email: str) -> str:
        if '"' in email:  # a quoted local part has endless spellings of one mailbox, and next to nobody has one
            raise ValidationError("Enter an address without quotation marks.")
        if email.lower().endswith(f"@{CLOSED_DOMAIN}"):
            raise ValidationError("Enter an address that can receive email.")
        return str(super().clean_email(email))

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> Any:
        owner, email = email_address.user_id, email_address.email
        first = not EmailAddress.objects.filter(user_id=owner, verified=True).exists()
        try:
            with transaction.atomic():
                proof.make_way(email, besides=owner)
                confirmed = not proof.is_held(email, besides=owner) and super().confirm_email(request, email_address)
        except IntegrityError:  # it became somebody else's at this moment
            confirmed = False
        if not confirmed:
            template = "account/messages/email_confirmation_failed.txt"
            self.add_message(request, messages.ERROR, template, {"email": email})
            return False
        proof.drop_wishes(email, besides=owner)
        wallet = ledger.wallet_of(owner)
        ledger.welcome(wallet)
        customers.tell_changes(wallet)
        if first and waits_for_proof():  # else it came with signing up
            _welcome(request, wallet)
        return confirmed

    def send_confirmation_mail(self, request: HttpRequest, confirmation: EmailConfirmationMixin, signup: bool) -> None:
        """Mail the link; an address that is another account's is told so instead, and gets none.

        Signing up with such an address never comes here: allauth's `account_already_exists` answers that. Of many mails
        only some are sent; the links of the earlier ones work.
        """
        address = confirmation.email_address
        proof.bind(request, address)
        kind = "confirm_mail" if address.email == address.user.email else "change_mail"
        if not limits.may_mail(request, kind, address.email):
            return
        if proof.is_held(address.email, besides=address.user_id):
            self.send_mail("account/email/address_taken", address.email, {})
            return
        super().send_confirmation_mail(request, confirmation, signup)

    def send_account_already_exists_mail(self, email: str) -> None:
        """Tell whoever has the address of an attempt to sign up with it; not for a sign-up that waits for its link."""
        request = allauth_context.request
        if proof.is_held(email) and limits.may_mail(request, "exists_mail", email):
            super().send_account_already_exists_mail(email)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        self.guess = limits.count_guess(request, credentials.get("email", ""))
        if self.guess is None:
            GUESSES.add(outcome="too_many")
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        GUESSES.add(outcome="wrong")

    def _rollback_login_failed_rl_usage(self) -> None:
        GUESSES.add(outcome="right")
        for usage in self.guess or []:
            usage.rollback()

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        limits.forget_guesses(request, credentials["email"])

    def post_login(self, request: HttpRequest, user: User, *, signup: bool, **details: Any) -> HttpResponse:
        """Greet somebody who has just signed up; whoever has to confirm their address first is greeted then."""
        if signup and is_confirmed(user):
            _welcome(request, ledger.wallet_of(user.pk))
        response: HttpResponse = super().post_login(request, user, signup=signup, **details)
        limits.remember_browser(request, response, user)
        return response

    def login(self, request: HttpRequest, user: User) -> None:
        super().login(request, user)
        request.session[sessions.LISTED] = True

    def logout(self, request: HttpRequest) -> None:
        user_id = request.user.pk
        super().logout(request)
        if user_id is not None:  # the browser's open pages notice at once
            wakeups.publish_on_commit(wakeups.wallet_topic(ledger.wallet_of(user_id).pk))

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_ip(request) or "0.0.0.0"  # noqa: S104 (a socket without an address)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Queue the mail for a worker: no page waits for a mail server, and no mail is lost."""
        request = allauth_context.request
        values = {key: value for key, value in context.items() if isinstance(value, str)}
        for key in values.keys() & {"activate_url", "password_reset_url", "signup_url"}:
            values[key] = site_of(request) + urlsplit(values[key])._replace(scheme="", netloc="").geturl()
        if when := context.get("timestamp"):
            values["timestamp"] = f"{when.day} {when:%B %Y, %H:%M} UTC"
        if provider := context.get("provider"):
            values["provider"] = getattr(provider, "name", str(provider))
        values["site"] = site_of(request)
        values["password_reset_page"] = values["site"] + reverse("account_reset_password")
        mail.queue_to(email, template_prefix, user=context.get("user"), **values)

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """Tell a person what was changed, also one whom an operator made and who has no address on record."""
        address = email or EmailAddress.objects.get_primary_email(user) or user.email
        super().send_notification_mail(template_prefix, user, {**(context or {}), "user": user}, address)


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """What a provider says about a person becomes their name here."""

    error_messages = {
        **DefaultSocialAccountAdapter.error_messages,
        "email_taken": "There is an account with this address already. Log in to it with its password, or choose a new "
        "one under “Forgot it?”, then connect %s under Account → Connected accounts.",
        "no_password": "Choose a password first: without one you could no longer log in.",
        "disconnect_last": "Choose a password first: without one you could no longer log in.",
        "connected_other": "That account is already connected to another account here.",
    }

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Whoever a provider vouches for has the address; one that it only names is signed up with, as with a form."""
        if sociallogin.is_existing or sociallogin.state.get("process") == AuthProcess.CONNECT:
            return
        for address in sociallogin.email_addresses:
            if address.verified or proof.may_sign_up(request, address.email):
                proof.make_way(address.email)
                proof.drop_wishes(address.email)

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        user: User = super().populate_user(request, sociallogin, data)
        parts = (data.get("first_name"), data.get("last_name"))
        name = data.get("name") or " ".join(part for part in parts if part)
        user.name = without_nul(str(name)).strip()[: User._meta.get_field("name").max_length]
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


def _welcome(request: HttpRequest, wallet: Wallet) -> None:
    given = wallet.grants.filter(source=CreditGrant.Source.WELCOME).first()
    mail.queue(
        wallet,
        "welcome",
        reference=f"welcome_mail:{wallet.pk}",
        site=site_of(request),
        credits=given.amount if given else 0,
    )
