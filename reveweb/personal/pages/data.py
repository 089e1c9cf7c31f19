"""Account → Your data: take everything along, or delete the account."""

import re

from allauth.account.decorators import reauthentication_required
from allauth.decorators import rate_limit
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseStopPolling

from accounts.viewer import user_of
from billing import ledger
from billing.stripe import checkout
from kit.http import parts, signed
from reveweb.personal import jobs
from reveweb.personal.forms import CloseForm
from reveweb.personal.models import PersonalTask

CONTENT_TYPE = "application/zip"
CACHED = "private, no-store"

_TOKEN = re.compile(r"[0-9A-Za-z_-]{1,40}")


@login_required
@never_cache
@require_safe
def data(request: HttpRequest) -> HttpResponse:
    """Show the latest export, and the way to delete the account."""
    return render(request, "account/data.html", {"task": _export(request)})


@login_required
@require_POST
@rate_limit(action="export")  # type: ignore[untyped-decorator]  # each sends a mail, to an address that may be a stranger's
def start_export(request: HttpRequest) -> HttpResponse:
    """Begin an export; one that is under way goes on."""
    jobs.start_export(user_of(request))
    return redirect("account_data")


@login_required
@never_cache
@require_safe
def export_state(request: HttpRequest) -> HttpResponse:
    """The latest export as the page shows it; asked for until it has ended."""
    return _state(request, "account/export.html", _export(request))


@login_required
@never_cache
@require_safe
async def download(request: HttpRequest, token: str) -> HttpResponseBase:
    """Send a packed export to its owner, piece by piece; a download that broke off can go on."""
    user = await request.auser()
    assert user.pk is not None
    user_id = user.pk
    try:
        return await parts.answer(request, lambda: _stored(user_id, token))
    except FileNotFoundError:
        raise Http404 from None


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth has no types
def delete(request: HttpRequest) -> HttpResponse:
    """Say what deleting the account does, and do it for whoever types its address."""
    user = user_of(request)
    if user.is_staff:
        return render(request, "account/delete_staff.html")
    form = CloseForm(request.POST, user=user) if request.method == "POST" else CloseForm(user=user)
    if form.is_bound and form.is_valid():
        task = jobs.start_deletion(user)
        logout(request)
        return redirect("account_deleted", token=task.token)
    wallet = ledger.wallet_of(user.pk)
    context = {
        "form": form,
        "balance": wallet.balance,
        "images": wallet.generations.completed().real().count(),
        "keys": user.api_keys.filter(revoked_at=None).count(),
        "subscription": checkout.live_subscription(wallet),
    }
    return render(request, "account/delete.html", context, status=422 if form.errors else 200)


@never_cache
@require_safe
def deleted(request: HttpRequest, token: str) -> HttpResponse:
    """How far a deletion is, for whoever knows its unguessable address: its person cannot log in any more."""
    return render(request, "account/deleted.html", {"task": _deletion(token)})


@never_cache
@require_safe
def deletion_state(request: HttpRequest, token: str) -> HttpResponse:
    """The same as the page shows it; asked for until it has ended."""
    return _state(request, "account/deletion.html", _deletion(token))


def _state(request: HttpRequest, template: str, task: PersonalTask | None) -> HttpResponse:
    response = render(request, template, {"task": task})
    if task is None or not task.is_open:
        response.status_code = HttpResponseStopPolling.status_code
    return response


def _export(request: HttpRequest) -> PersonalTask | None:
    return jobs.latest_export(user_of(request))


def _deletion(token: str) -> PersonalTask:
    if not _TOKEN.fullmatch(token):
        raise Http404
    return get_object_or_404(PersonalTask, token=token, kind=PersonalTask.Kind.DELETION)


def _stored(user_id: int, token: str) -> parts.Stored:
    task = _ready(user_id, token)
    disposition = f'attachment; filename="export-{task.created_at:%Y-%m-%d}.zip"'
    return parts.Stored(
        task.file_path,
        CONTENT_TYPE,
        etag=f"{task.token}-{task.file_size}",
        headers={"Content-Disposition": disposition, "Cache-Control": CACHED},
        signed_for=signed.MINUTE,
        kept_in=jobs.private(),
    )


def _ready(user_id: int, token: str) -> PersonalTask:
    if not _TOKEN.fullmatch(token):
        raise Http404
    mine = PersonalTask.objects.filter(user_id=user_id, kind=PersonalTask.Kind.EXPORT, state=PersonalTask.State.DONE)
    return get_object_or_404(mine, token=token, expires_at__gt=timezone.now())
