"""What the account pages' forms take."""

from typing import Any

from allauth.account.forms import AddEmailForm
from allauth.account.forms import ResetPasswordForm as AllauthResetPasswordForm
from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from django import forms
from django.db import transaction
from django.http import HttpRequest

from accounts.models import User

NUL = {"null_characters_not_allowed": "Remove the invisible NUL character."}


class SignupForm(AllauthSignupForm):  # type: ignore[misc]  # allauth has no types
    """allauth's own; whoever only wants to change to an address gives way to the person who signs up with it."""

    def validate_unique_email(self, value: str) -> str:
        confirmed = EmailAddress.objects.filter(email=value, verified=True)
        if User.objects.filter(email=value).exists() or confirmed.exists():
            return str(super().validate_unique_email(value))
        return value

    @transaction.atomic
    def save(self, request: HttpRequest) -> User:
        EmailAddress.objects.filter(email=self.cleaned_data["email"], verified=False).delete()
        user: User = super().save(request)
        return user


class ResetPasswordForm(AllauthResetPasswordForm):  # type: ignore[misc]  # allauth has no types
    """allauth's own, for whoever has the address now, not for whoever only wants to change to it."""

    def clean_email(self) -> str:
        email = str(super().clean_email())
        self.users = list(User.objects.filter(email=email.lower(), is_active=True))
        return email


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
