"""Dashboard → API Keys."""

from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import keys
from accounts.forms import ApiKeyForm
from accounts.models import ApiKey, User

REMEMBERED_FORMS = 20  # how many sent forms a session remembers, to tell a resent one


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: HttpRequest) -> HttpResponse:
    """List one's keys, and create one: its secret is on the page that answers the form, and nowhere else."""
    if request.method != "POST":
        return _page(request, ApiKeyForm())
    form = ApiKeyForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    if not _first_time(request, str(form.cleaned_data["nonce"])):
        messages.info(request, "That key exists already. Its secret was shown once, when it was created.")
        return redirect("api_keys")
    key, secret = keys.mint(user=_user(request), name=form.cleaned_data["name"], expires_at=form.expires_at)
    return _page(request, ApiKeyForm(), new_key=key, secret=secret)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def revoke_api_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether to revoke one of one's own keys; a POST does it."""
    key = get_object_or_404(ApiKey, pk=pk, user=_user(request))
    if request.method == "POST":
        keys.revoke(key)
        messages.success(request, f"“{key.name}” is revoked. Requests with it are refused from now on.")
        return redirect("api_keys")
    if key.revoked_at is not None:
        return redirect("api_keys")
    return render(request, "accounts/revoke_api_key.html", {"key": key})


def _page(
    request: HttpRequest, form: ApiKeyForm, *, new_key: ApiKey | None = None, secret: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "form": form,
        "nonce": uuid4(),
        "keys": ApiKey.objects.filter(user=_user(request)),
        "new_key": new_key,
        "secret": secret,
    }
    return render(request, "accounts/api_keys.html", context, status=status)


def _first_time(request: HttpRequest, nonce: str) -> bool:
    """Tell whether this session sends the form `nonce` for the first time: a reload sends it again."""
    sent: list[str] = request.session.get("sent_key_forms", [])
    if nonce in sent:
        return False
    request.session["sent_key_forms"] = [*sent, nonce][-REMEMBERED_FORMS:]
    return True


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user
