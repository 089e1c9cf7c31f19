"""Dashboard → Billing: plan, credits, what is for sale, and the credit history."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing import identity
from billing.catalogue import products
from billing.ledger import statement
from billing.models import Order, Subscription
from billing.pages import offers
from billing.pages.wallet import wallet_of
from billing.statements import figures
from billing.stripe import checkout, customers, renewal
from kit.text import hyphenated

RECENT_PAYMENTS = 12
MONTHS = 12  # whose statements are linked
PORTAL = "Manage at Stripe"  # what the door to Stripe's portal is called

PROBLEMS = {
    "past_due": "Your last payment did not go through. Stripe will try again over the next few days; a card that works "
    "keeps your plan.",
    "unpaid": "Your last payment did not go through, so your plan's benefits have stopped. Pay the open invoice to get "
    "them back.",
    "incomplete": "Your first payment is not complete: your bank declined it or needs your approval.",
    "paused": "Your plan is paused.",
}


@login_required
@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The account's plan, credits, payments and latest history, and what it can buy."""
    wallet = wallet_of(request)
    subscription = checkout.live_subscription(wallet)
    offered = offers.plans(wallet)
    pending = wallet.orders.filter(status=Order.Status.PENDING, account=identity.presumed())
    payments = wallet.payments.filter(Q(amount__gt=0) | Q(grant__isnull=False)).prefetch_related("disputes")
    shown = list(payments[: RECENT_PAYMENTS + 1])
    context = {
        "wallet": wallet,
        "is_portal": settings.PAYMENTS and bool(customers.on_record(wallet)),
        "portal_name": PORTAL,
        "can_renew": renewal.can_change(subscription),
        "balance": wallet.balance,
        "plan": products.plan_of(wallet),
        "rate": wallet.requests_per_minute,
        "welcome_credits": settings.WELCOME_CREDITS,
        "subscription": subscription,
        "problem": PROBLEMS.get(subscription.status, "") if subscription else "",
        "grants": statement.open_grants(wallet),
        "plans": [offer for offer in offered if offer.action in ("buy", "change")],
        "packs": offers.packs(),
        "pending": pending.select_related("plan", "pack"),
        "payments": shown[:RECENT_PAYMENTS],
        "more_payments": len(shown) > RECENT_PAYMENTS,
        "history": statement.page(wallet, size=statement.RECENT),
        "months": figures.months(wallet)[:MONTHS],
        "state": _state(subscription),
    }
    return render(request, "billing/overview.html", context)


@login_required
@never_cache
@require_safe
def state(request: HttpRequest) -> HttpResponse:
    """Tell an open page whether the subscription is still as the page says."""
    return JsonResponse({"state": _state(checkout.live_subscription(wallet_of(request)))})


@login_required
@never_cache
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """Every change of the wallet's balance, newest first, paged by the address."""
    before = request.GET.get("before", "")
    wallet = wallet_of(request)
    page = statement.page(wallet, before=int(before) if before.isdecimal() and len(before) < 19 else None)
    context = {"page": page, "paged": bool(before), "balance": wallet.balance}
    return render(request, "billing/history.html", context)


@login_required
@never_cache
@require_safe
def history_csv(request: HttpRequest) -> HttpResponseBase:
    """The whole history as a file, streamed."""
    response = StreamingHttpResponse(statement.csv_lines(wallet_of(request)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(
        True, f"{hyphenated(settings.SITE_NAME) or 'images'}-credits.csv"
    )
    response["X-Accel-Buffering"] = "no"
    return response


def _state(subscription: Subscription | None) -> str:
    """A fingerprint of all that a page says about a subscription."""
    if subscription is None:
        return "none"
    ends = subscription.cancel_at.timestamp() if subscription.cancel_at else ""
    return f"{subscription.pk}:{subscription.stripe_price_id}:{subscription.status}:{ends}"
