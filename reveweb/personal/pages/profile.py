"""Account → Profile: name, address, mails, and how the site looks."""

from allauth.account.models import EmailAddress
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import User
from accounts.viewer import user_of
from billing import ledger
from billing.stripe import customers
from reveweb.context import THEMES
from reveweb.personal.forms import ProfileForm

THEME_SECONDS = 365 * 24 * 3600


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """Show the profile, and change it."""
    # A copy of the row: a form that is refused leaves no trace on the viewer, whom the frame greets by name.
    person = User.objects.get(pk=user_of(request).pk)
    form = ProfileForm(request.POST or None, instance=person)
    if request.method == "POST":
        form = ProfileForm(request.POST, instance=person)
        if form.is_valid():
            User.objects.filter(pk=person.pk).update(**form.cleaned_data)
            customers.tell_changes(ledger.wallet_of(person.pk))
            messages.success(request, "Your profile was saved.")
            return redirect("account")
    addresses = list(EmailAddress.objects.filter(user=person).order_by("pk"))
    context = {
        "form": form,
        "is_confirmed": any(one.verified for one in addresses if one.email == person.email),
        "pending": next((one for one in addresses if one.email != person.email and not one.verified), None),
        "themes": [("", "System", "As your device is set"), ("light", "Light", ""), ("dark", "Dark", "")],
    }
    return render(request, "account/profile.html", context, status=422 if form.errors else 200)


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Remember a theme in the cookie that pages are sent by, or forget it for the system's; then go back."""
    chosen, back = request.POST.get("theme", ""), request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure())
    response = HttpResponseRedirect(back if is_ours and back.startswith("/") else reverse("account"))
    if chosen in THEMES:
        response.set_cookie("theme", chosen, max_age=THEME_SECONDS, samesite="Lax")
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response
