"""Dashboard → Overview: what one has, what one used, and what to do next."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from billing.catalogue import products
from billing.ledger import statement
from billing.models import Wallet
from billing.pages.overview import PROBLEMS
from billing.pages.wallet import wallet_of
from billing.stripe import checkout
from generator.library import usage
from generator.models import Generation
from generator.pages.cards import card_of
from kit.text import hyphenated
from reveweb.pages import chart, first_steps, welcome
from reveweb.pages.api_keys import reported_keys
from reveweb.pages.home import EXAMPLES
from reveweb.pages.landing import pictures

RECENT_IMAGES = 6
RECENT_CALLS = 8
GRANTS_SHOWN = 4
FIRST_PICTURE = "owl"


@login_required
@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Balance, plan, usage and the latest work; for htmx only the usage, when another range is chosen."""
    wallet = wallet_of(request)
    days = _days(request)
    context = _usage(wallet, days or usage.USUAL_RANGE)
    htmx: Any = getattr(request, "htmx", None)
    if htmx and not htmx.history_restore_request:
        return render(request, "dashboard/usage.html", context)
    context |= _standing(wallet) | _latest(request, wallet) | {"reported": reported_keys(wallet.user_id)}
    if _is_fresh(wallet, context):
        # Empty places teach less than one thing to do: there is nothing to count or to list yet.
        context |= {"is_fresh": True, "shot": pictures()[FIRST_PICTURE], "ideas": EXAMPLES if wallet.balance else ()}
    return render(request, "dashboard/overview.html", context)


@login_required
@never_cache
@require_safe
def usage_csv(request: HttpRequest) -> HttpResponseBase:
    """The range as a file, streamed; `usage.csv_lines` says what its columns are."""
    days = _days(request)
    if days is None:
        raise BadRequest("days is 7, 30 or 90")
    lines = usage.csv_lines(wallet_of(request), days)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    name = f"{hyphenated(settings.SITE_NAME) or 'images'}-usage-{days}-days.csv"
    response["Content-Disposition"] = content_disposition_header(True, name)
    response["X-Accel-Buffering"] = "no"
    return response


@login_required
@require_POST
def put_steps_away(request: HttpRequest) -> HttpResponse:
    """Hide the first steps for good; htmx removes them from the page."""
    response = HttpResponse() if getattr(request, "htmx", None) else redirect("dashboard")
    first_steps.put_away(response, wallet_of(request))
    return response


def _usage(wallet: Wallet, days: int) -> dict[str, Any]:
    counted = usage.of_days(wallet, days)
    return {"usage": counted, "days": days, "ranges": usage.RANGES, "chart": chart.of(counted)}


def _standing(wallet: Wallet) -> dict[str, Any]:
    """What the account has."""
    subscription = checkout.live_subscription(wallet)
    grants = statement.open_grants(wallet)
    return {
        "wallet": wallet,
        "balance": wallet.balance,
        "plan": products.plan_of(wallet),
        "rate": wallet.requests_per_minute,
        "welcome_credits": settings.WELCOME_CREDITS,
        "no_welcome": None if wallet.balance else welcome.notice(wallet),
        "subscription": subscription,
        "problem": PROBLEMS.get(subscription.status, "") if subscription else "",
        "grants": grants[:GRANTS_SHOWN],
        "more_grants": max(0, len(grants) - GRANTS_SHOWN),
    }


def _latest(request: HttpRequest, wallet: Wallet) -> dict[str, Any]:
    """What the account last did, without what its owner threw away, and without samples of test keys."""
    kept = Generation.objects.filter(wallet=wallet).kept().real()
    calls = kept.filter(api_key__isnull=False).select_related("api_key").order_by("-pk")
    images = kept.completed().order_by("-pk")
    return {
        "images": [card_of(generation) for generation in images[:RECENT_IMAGES]],
        "calls": [card_of(generation) for generation in calls[:RECENT_CALLS]],
        "steps": first_steps.of(request, wallet),
    }


def _is_fresh(wallet: Wallet, context: dict[str, Any]) -> bool:
    """Tell whether the account never asked for an image; asked of the database only where nothing else shows one."""
    shows_some = context["images"] or context["calls"] or not context["usage"].is_empty
    return not shows_some and not Generation.objects.real().filter(wallet=wallet).exists()


def _days(request: HttpRequest) -> int | None:
    """Return the range that the address asks for, None when there is no such range."""
    asked = request.GET.get("days", "")
    return next((days for days in usage.RANGES if str(days) == asked), None)
