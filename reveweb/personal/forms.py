"""What the account pages' forms take."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import AddEmailForm
from allauth.account.forms import ResetPasswordForm as AllauthResetPasswordForm
from allauth.account.forms import ResetPasswordKeyForm as AllauthResetPasswordKeyForm
from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from allauth.core import context
from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.models import User
from reveweb.login import limits, proof

NUL = {"null_characters_not_allowed": "Remove the invisible NUL character."}


class SignupForm(AllauthSignupForm):  # type: ignore[misc]  # allauth has no types
    """allauth's own; a sign-up that came to nothing gives way, and so does who only wants to change to the address."""

    def validate_unique_email(self, value: str) -> str:
        if proof.is_held(value):
            return str(super().validate_unique_email(value))
        if not proof.may_sign_up(context.request, value):
            self.account_already_exists = User.objects.filter(email=value).exists()
        return value

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """Sign up; two who do so with one address at the same moment are answered as if one had come later."""
        saved: tuple[User | None, HttpResponse | None]
        try:
            saved = super().try_save(request)
        except IntegrityError:
            if not proof.must_confirm():
                messages.error(request, get_adapter().error_messages["email_taken"])
                return None, redirect("account_login")
            self.account_already_exists = True
            saved = super().try_save(request)
        return saved

    @transaction.atomic
    def save(self, request: HttpRequest) -> User:
        email = self.cleaned_data["email"]
        proof.make_way(email)
        if not proof.must_confirm():  # else it is the first to confirm who has it
            proof.drop_wishes(email)
        user: User = super().save(request)
        # allauth leaves it out where another account wants to change to it.
        EmailAddress.objects.update_or_create(user=user, email=email, defaults={"primary": True})
        return user


class ResetPasswordForm(AllauthResetPasswordForm):  # type: ignore[misc]  # allauth has no types
    """allauth's own, for whoever has the address now, not for whoever only wants to change to it."""

    def clean_email(self) -> str:
        email = str(super().clean_email())
        self.users = list(User.objects.filter(email=email.lower(), is_active=True))
        return email

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Send the mail, unless there were many; the page says the same, and links of earlier mails work."""
        email: str = self.cleaned_data["email"]
        if limits.may_mail(request, "reset_mail", email):
            super().save(request, **kwargs)
        return email


class ResetPasswordKeyForm(AllauthResetPasswordKeyForm):  # type: ignore[misc]  # allauth has no types
    """A new password, by the link in a mail: it shows too that the address is theirs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.takes_over = self.user is not None and proof.is_unproven(self.user)

    @transaction.atomic
    def save(self) -> None:
        user: User = self.user
        super().save()
        if self.takes_over:
            proof.take_over(user)
        if address := EmailAddress.objects.filter(user=user, email=user.email, verified=False).first():
            get_adapter().confirm_email(context.request, address)


class ChangeEmailForm(AddEmailForm):  # type: ignore[misc]  # allauth has no types
    """The address that is to replace the present one, which stays until the new one is confirmed.

    One that is another account's is taken down like any other, so that the page tells nobody who has an account: it
    opens nothing, and `Adapter.send_confirmation_mail` sends no link to it.
    """

    def save(self, request: HttpRequest) -> EmailAddress:
        with transaction.atomic():
            EmailAddress.objects.filter(user=self.user).exclude(email=self.user.email).delete()
            address = EmailAddress.objects.create(user=self.user, email=self.cleaned_data["email"])
        send_verification_email_to_address(request, address)
        return address


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes its model only for type checkers
    """What a person is called, and which mails they get."""

    use_required_attribute = False

    class Meta:
        model = User
        fields = ("name", "mail_receipts", "mail_low_balance")
        error_messages = {
            "name": {"max_length": "Shorten the name to 120 characters. It has %(show_value)s now.", **NUL}
        }
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "name", "dir": "auto"})}


class CloseForm(forms.Form):
    """Asks for the address of the account that is about to be deleted, so that nobody does it by a slip."""

    use_required_attribute = False

    email = forms.CharField(
        max_length=320,
        label="Your email address",
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "email", "autocapitalize": "none"}),
        error_messages={"required": "Type your email address to go on.", **NUL},
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        self.user = user
        super().__init__(*args, **kwargs)

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        if email.strip().lower() != self.user.email:
            raise forms.ValidationError("That is not the address of this account.")
        return email
