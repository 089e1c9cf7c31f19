"""Account → Sessions: where one is logged in."""

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts import sessions
from accounts.viewer import user_of
from billing import ledger
from kit import wakeups

LARGEST_ID = 2**63 - 1


@login_required
@never_cache
@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """List the browsers that are logged in."""
    found = sessions.of(user_of(request), request.session.session_key)
    context = {"sessions": found, "others": sum(not one.is_current for one in found)}
    return render(request, "account/sessions.html", context)


@login_required
@require_POST
def end(request: HttpRequest, pk: int) -> HttpResponse:
    """Log one of the viewer's browsers out."""
    user = user_of(request)
    if pk > LARGEST_ID or not sessions.end(user, pk):
        raise Http404
    _wake_open_pages(user.pk)
    if not request.session.exists(request.session.session_key or ""):
        logout(request)
        messages.success(request, "You are logged out.")
        return redirect("home")
    messages.success(request, "That browser is logged out.")
    return redirect("account_sessions")


@login_required
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """Log every other browser out."""
    user = user_of(request)
    ended = sessions.end_others(user, request.session.session_key)
    _wake_open_pages(user.pk)
    words = "1 other browser is logged out." if ended == 1 else f"{ended} other browsers are logged out."
    messages.success(request, words if ended else "No other browser was logged in.")
    return redirect("account_sessions")


def _wake_open_pages(user_id: int) -> None:
    """Let the streams of the browsers that were logged out notice at once."""
    wakeups.publish_on_commit(wakeups.wallet_topic(ledger.wallet_of(user_id).pk))
