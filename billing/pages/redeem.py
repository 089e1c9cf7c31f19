"""Redeeming a code: under Billing, and by a link (`/redeem/?code=…`) that also whoever has no account yet may follow.

The code waits in the session while they sign up or log in. Opening the link redeems nothing: that is a press of theirs.
"""

from allauth.core.internal import ratelimit
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.viewer import user_of
from billing.codes import redeeming, spelling
from billing.errors import AccountClosed, CodeRefused, UnknownCode
from billing.models import Redemption
from kit.http.requests import without_nul

KEPT = "code"  # in the session
TOO_MANY = "That were many codes that don’t exist. Wait a minute or, after very many, a day."


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def redeem(request: HttpRequest) -> HttpResponse:
    """Ask for a code, filled in where a link brought one; a POST redeems it."""
    fields = request.POST if request.method == "POST" else request.GET
    typed = without_nul(fields.get("code", ""))[: 2 * spelling.LONGEST].strip()
    if not request.user.is_authenticated:
        return _stranger(request, typed)
    if request.method == "POST":
        return _redeem(request, typed)
    return _page(request, typed or request.session.get(KEPT, ""))


def _redeem(request: HttpRequest, typed: str) -> HttpResponse:
    request.session.pop(KEPT, None)
    if not typed:
        return _page(request, "", "Write the code.", status=422)
    # Counted before, so that many guesses at once count, too; what is no wrong guess is taken back.
    guess = ratelimit.consume(request, app="allauth.account", action="redeem")
    if guess is None:
        return _page(request, typed, TOO_MANY, status=429)
    try:
        redemption = redeeming.redeem(user=user_of(request), typed=typed)
    except UnknownCode as error:
        return _page(request, typed, str(error), status=422)
    except (CodeRefused, AccountClosed) as error:
        guess.rollback()
        return _page(request, typed, str(error), status=422)
    guess.rollback()
    messages.success(request, _told(redemption))
    return redirect("billing")


def _told(redemption: Redemption) -> str:
    credits, days = redemption.credits, redemption.offer.credits_days
    until = f" Use {pluralize(credits, 'it,them')} within {days:,} day{pluralize(days)}." if days else ""
    return f"“{redemption.offer.name}” brought you {credits:,} credit{pluralize(credits)}.{until}"


def _stranger(request: HttpRequest, typed: str) -> HttpResponse:
    if request.method == "POST":  # whose log-in ended meanwhile
        return redirect(f"{reverse('redeem')}?{urlencode({'code': typed})}")
    if spelling.folded(typed):
        request.session[KEPT] = typed
    here = reverse("redeem") + (f"?{urlencode({'code': typed})}" if typed else "")
    ways = {name: f"{reverse(f'account_{name}')}?{urlencode({'next': here})}" for name in ("login", "signup")}
    return render(request, "billing/redeem_first.html", {"code": typed, **ways})


def _page(request: HttpRequest, typed: str, error: str = "", *, status: int = 200) -> HttpResponse:
    context = {"code": typed, "error": error, "longest": 2 * spelling.LONGEST, "support": settings.SUPPORT_EMAIL}
    return render(request, "billing/redeem.html", context, status=status)
