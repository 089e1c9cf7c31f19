"""allauth's pages that do more here than allauth's own."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.fields import PasswordField
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationMixin
from allauth.account.utils import perform_login, user_pk_to_url_str
from allauth.account.views import ConfirmEmailView as AllauthConfirmEmailView
from allauth.account.views import EmailView as AllauthEmailView
from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from accounts.models import User
from reveweb.login import proof


class PasswordForm(forms.Form):
    """The password that somebody chose when they signed up."""

    use_required_attribute = False

    password = PasswordField(label="Password", autocomplete="current-password")

    def __init__(self, *args: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
        self.request, self.user = request, user
        super().__init__(*args, **kwargs)

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        if get_adapter().authenticate(self.request, email=self.user.email, password=password) != self.user:
            raise forms.ValidationError("That is not the password of this account.")
        return password


@method_decorator(never_cache, name="dispatch")
class ConfirmEmailView(AllauthConfirmEmailView):  # type: ignore[misc]  # allauth has no types
    """The link in a mail: it shows whose the mailbox is, not whose the account is that was made with it.

    It confirms at once in the browser that signed up. Elsewhere it asks for the password; who does not know it chooses
    a new one, which ends what opened the account before. An address that an account only wants to change to lets nobody
    choose that account's password.
    """

    form: PasswordForm | None = None

    def post(self, *args: Any, **kwargs: Any) -> HttpResponse:
        answer: HttpResponse
        try:
            address: EmailAddress = self.get_object().email_address
        except Http404:  # since the page was opened somebody signed up again, or it was confirmed elsewhere
            self.object = None
            answer = self.render_to_response(self.get_context_data(), status=404)
            return answer
        if proof.is_bound(self.request, address):
            return self._confirmed(*args, **kwargs)
        if "new_password" in self.request.POST and address.email == address.user.email:
            token = default_token_generator.make_token(address.user)
            return redirect("account_reset_password_from_key", uidb36=user_pk_to_url_str(address.user), key=token)
        self.form = PasswordForm(self.request.POST, request=self.request, user=address.user)
        if not self.form.is_valid():
            self.object = self.get_object()
            answer = self.render_to_response(self.get_context_data(), status=422)
            return answer
        answer = self._confirmed(*args, **kwargs)
        if EmailAddress.objects.filter(pk=address.pk, verified=True).exists():
            answer = perform_login(self.request, address.user, email=address.email)
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        if self.object:
            address = self.object.email_address
            context["is_bound"] = proof.is_bound(self.request, address)
            context["is_first"] = address.email == address.user.email
            context["form"] = self.form or PasswordForm(request=self.request, user=address.user)
            context["can_confirm"] = context["can_confirm"] and not proof.is_held(
                address.email, besides=address.user_id
            )
        return context

    def logout_other_user(self, confirmation: EmailConfirmationMixin) -> None:
        """Log out whoever else is logged in here; not for a look at the page."""
        if self.request.method == "POST":
            super().logout_other_user(confirmation)

    def _confirmed(self, *args: Any, **kwargs: Any) -> HttpResponse:
        answer: HttpResponse = super().post(*args, **kwargs)
        return answer


class EmailView(AllauthEmailView):  # type: ignore[misc]  # allauth has no types
    """Changing the address: only the link in its mail makes one the account's."""

    def _action_primary(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        return None
