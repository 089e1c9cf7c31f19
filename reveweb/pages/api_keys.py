"""Dashboard → API Keys. A key's use is counted by the generator, which `accounts` does not know: so it meets here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import keys
from accounts.errors import AlreadyMinted, KeyStopped, TooManyKeys
from accounts.forms import ApiKeyForm, EditKeyForm, RotateKeyForm
from accounts.models import ApiKey, KeyScope, User
from accounts.viewer import user_of
from generator.ask import prices
from generator.jobs import caps

STOPPED_SHOWN = 50
REPORTED_SHOWN = timedelta(days=14)

State = Literal["active", "replaced", "stopped", "expired", "revoked"]
Minted = tuple[ApiKey, str]


@dataclass(frozen=True)
class Bar:
    """A cap of a key, and how far it is spent, for people."""

    cap: caps.Cap

    @property
    def period(self) -> str:
        """What it is of."""
        return {"day": "today", "month": "this month", "lifetime": "in all"}.get(self.cap.period, "")

    @property
    def percent(self) -> int:
        """How much of the cap is spent, at least 2 once anything is, so that it can be seen."""
        spent, credits = self.cap.spent, self.cap.credits or 1
        return max(2, min(100, spent * 100 // credits)) if spent else 0

    @property
    def is_spent(self) -> bool:
        return self.cap.left == 0

    @property
    def until(self) -> str:
        """Until when a spent one refuses."""
        again = {"day": "midnight UTC, or until", "month": "the 1st, or until", "lifetime": ""}
        return again.get(self.cap.period, "") or "until"


@dataclass(frozen=True)
class Row:
    """A key on the page. `used` is what it spent itself, `counted` what counts against its caps."""

    key: ApiKey
    state: State
    used: caps.Spent
    counted: caps.Spent

    @property
    def is_live(self) -> bool:
        return self.state in ("active", "replaced")

    @property
    def is_shared(self) -> bool:
        """Whether a key that it replaced, or that replaced it, spends from the same caps."""
        return self.counted != self.used

    @property
    def bars(self) -> list[Bar]:
        """The caps that it has."""
        return [Bar(cap) for cap in caps.against(self.key, self.counted) if cap.credits is not None]

    @property
    def may(self) -> str:
        """What it may do, where that is not everything, in words."""
        scopes = self.key.scopes
        is_narrow = set(scopes) != set(KeyScope.values)
        return ", ".join(KeyScope(scope).label for scope in scopes if scope in KeyScope.values) if is_narrow else ""


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def api_keys(request: HttpRequest) -> HttpResponse:
    """List the viewer's keys, and create one: its secret is on the page that answers the form, and nowhere else."""
    if request.method != "POST":
        return _page(request, _new_form())
    form = ApiKeyForm(request.POST, models=_models())
    if not form.is_valid():
        return _page(request, form, status=422)
    wanted = form.cleaned_data
    return _minted(
        request,
        form,
        lambda: keys.create(
            user=user_of(request),
            name=wanted["name"],
            claim=str(wanted["nonce"]),
            expires_at=form.expires_at,
            is_test=form.is_test,
            **form.limits,
        ),
    )


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def rotate_api_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask when one of the viewer's keys should stop; a POST makes its successor and shows the new secret."""
    key = _own_key(request, pk)
    form = RotateKeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _minted(request, _new_form(), lambda: keys.rotate(key, overlap=form.duration), replaced=key)
    if not _can_rotate(key):
        return redirect("api_keys")
    status = 422 if request.method == "POST" else 200
    return render(request, "accounts/rotate_api_key.html", {"key": key, "form": form}, status=status)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit_api_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Give one of the viewer's live keys another name or other limits; they hold from the next request on."""
    key = _own_key(request, pk)
    if not keys.live(user_of(request)).filter(pk=key.pk).exists():
        return redirect("api_keys")
    form = EditKeyForm.of(key, request.POST if request.method == "POST" else None, _models())
    is_replaced = key.successors.exists()  # when it stops was chosen with its successor
    if request.method != "POST" or not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return render(
            request, "accounts/edit_api_key.html", {"key": key, "form": form, "is_replaced": is_replaced}, status=status
        )
    end = {} if is_replaced else form.end
    keys.change(key, name=form.cleaned_data["name"], **form.limits, **end)
    messages.success(request, f"“{form.cleaned_data['name']}” is saved.")
    return redirect("api_keys")


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def revoke_api_key(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask whether to revoke one of the viewer's keys; a POST does it."""
    key = _own_key(request, pk)
    if request.method == "POST":
        keys.revoke(key)
        messages.success(request, f"“{key.name}” ({key.prefix}…) is revoked. Requests with it are refused from now on.")
        if elder := keys.still_working_elder(key):
            until = elder.expires_at and f" until {elder.expires_at:%-d %B %Y, %H:%M} UTC"
            messages.warning(
                request,
                f"The key it replaced, {elder.prefix}…, works on{until or ''}. Revoke that one too if it leaked.",
            )
        return redirect("api_keys")
    if key.revoked_at is not None:
        return redirect("api_keys")
    context = {"key": key, "elder": keys.still_working_elder(key)}
    return render(request, "accounts/revoke_api_key.html", context)


def _minted(
    request: HttpRequest, form: forms.Form, mint: Callable[[], Minted], replaced: ApiKey | None = None
) -> HttpResponse:
    """Make a key and show it, or say why there is none."""
    try:
        key, secret = mint()
    except AlreadyMinted:
        first = f"“{replaced.name}” has been replaced already." if replaced else "That key exists already."
        messages.info(
            request,
            f"{first} The new secret was shown once; if you did not see it, rotate the new key.",
        )
    except KeyStopped:
        messages.error(request, "That key does not work any more, so it can't be replaced. Create a new one.")
    except TooManyKeys as error:
        messages.error(request, f"You have {error.most} keys that work, as many as one may have. Revoke one first.")
    else:
        if replaced:
            replaced.refresh_from_db()
        return _page(request, _new_form(), new_key=key, secret=secret, replaced=replaced)
    return redirect("api_keys")


def _page(request: HttpRequest, form: forms.Form, *, status: int = 200, **extra: Any) -> HttpResponse:
    rows = _rows(user_of(request))
    context = {
        "form": form,
        "nonce": uuid4(),
        "keys": [row for row in rows if row.is_live],
        "stopped": [row for row in rows if not row.is_live][:STOPPED_SHOWN],
        "most_keys": keys.MOST_KEYS,
        "reported": reported_keys(user_of(request).pk),
        **extra,
    }
    return render(request, "accounts/api_keys.html", context, status=status)


def reported_keys(user_id: int) -> list[ApiKey]:
    """Return the keys of a user that were reported as leaked a while ago, the newest first."""
    since = timezone.now() - REPORTED_SHOWN
    return list(ApiKey.objects.filter(user=user_id, reported_at__gt=since).order_by("-reported_at"))


def _new_form() -> ApiKeyForm:
    return ApiKeyForm(models=_models())


def _models() -> list[tuple[str, str]]:
    """The models that a key can be limited to, with their names."""
    return [(model.slug, model.name) for model in prices.offered()]


def _rows(user: User) -> list[Row]:
    """Return all keys of `user`, newest first, in two queries."""
    owned = list(ApiKey.objects.filter(user=user))
    used, nothing = caps.spent_by_key(owned), caps.Spent()
    successors = {key.rotated_from_id: key for key in owned if key.rotated_from_id}
    counted: dict[int, caps.Spent] = {}
    for newest in owned:
        if newest.pk not in successors:  # the last of its line: every line is walked once
            line = _line(newest, {key.pk: key for key in owned})
            counted |= dict.fromkeys(
                (key.pk for key in line), sum((used.get(key.pk, nothing) for key in line), nothing)
            )
    return [
        Row(key, _state(key, key.pk in successors), used.get(key.pk, nothing), counted.get(key.pk, nothing))
        for key in owned
    ]


def _line(newest: ApiKey, by_id: dict[int, ApiKey]) -> list[ApiKey]:
    """Return `newest` and all that were replaced on the way to it."""
    line = [newest]
    while (elder := line[-1].rotated_from_id) and elder in by_id:
        line.append(by_id[elder])
    return line


def _state(key: ApiKey, is_replaced: bool) -> State:
    if key.revoked_at is not None:
        return "revoked"
    if is_replaced:
        return "stopped" if key.is_expired else "replaced"
    return "expired" if key.is_expired else "active"


def _can_rotate(key: ApiKey) -> bool:
    return key.revoked_at is None and not key.is_expired and not key.successors.exists()


def _own_key(request: HttpRequest, pk: int) -> ApiKey:
    return get_object_or_404(ApiKey.objects.select_related("user"), pk=pk, user=user_of(request))
