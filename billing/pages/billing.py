"""Dashboard → Billing: what one has, what one can buy, and the doors to Stripe's pages.

Nothing here grants a credit: only Stripe's events do. Forms that lead to Stripe are answered with a redirect to its
hosts, which a `form-action` of the site's Content-Security-Policy has to allow.
"""

import logging
from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing import gateway, ledger
from billing.catalogue import money, products
from billing.errors import AccountClosed, AlreadySubscribed, BillingError, ChangeUnderWay, NotForSale, NotSubscribed
from billing.ledger import statement
from billing.models import Order, Pack, Plan, Subscription, Wallet
from billing.pages import offers
from billing.stripe import checkout, orders
from billing.stripe.events import subscriptions
from billing.stripe.events.shared import moment
from kit.http.requests import site_of

log = logging.getLogger(__name__)

RECENT_PAYMENTS = 12

PROBLEMS = {
    "past_due": "Your last payment did not go through. Stripe tries again in the next days; a card that works keeps "
    "your plan.",
    "unpaid": "Your last payment did not go through, so your plan's benefits have stopped. Pay the open invoice to get "
    "them back.",
    "incomplete": "Your first payment is not complete: your bank refused it or wants to hear from you.",
    "paused": "Your plan is paused.",
}


@login_required
@never_cache
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """The account's plan, credits, payments and latest history, and what it can buy."""
    wallet = _wallet(request)
    subscription = checkout.live_subscription(wallet)
    offered = offers.plans(wallet)
    context = {
        "wallet": wallet,
        "balance": wallet.balance,
        "plan": products.plan_of(wallet),
        "rate": offers.rate_of(wallet),
        "welcome_credits": settings.WELCOME_CREDITS,
        "subscription": subscription,
        "paid_price": offers.paid_price(subscription) if subscription else None,
        "problem": PROBLEMS.get(subscription.status, "") if subscription else "",
        "buckets": statement.buckets(wallet),
        "plans": [offer for offer in offered if offer.action in ("buy", "change")],
        "packs": offers.packs(),
        "pending": wallet.orders.filter(status=Order.Status.PENDING).select_related("plan", "pack"),
        "payments": wallet.payments.filter(amount__gt=0).prefetch_related("disputes")[:RECENT_PAYMENTS],
        "history": statement.page(wallet, size=statement.RECENT),
        "state": _state(subscription),
    }
    return render(request, "billing/overview.html", context)


@login_required
@never_cache
@require_safe
def state(request: HttpRequest) -> HttpResponse:
    """Tell an open page whether the subscription is still as the page says."""
    return JsonResponse({"state": _state(checkout.live_subscription(_wallet(request)))})


@login_required
@never_cache
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """Every change of the account's balance, newest first, paged by the address."""
    before = request.GET.get("before", "")
    wallet = _wallet(request)
    page = statement.page(wallet, before=int(before) if before.isdecimal() and len(before) < 19 else None)
    context = {"page": page, "paged": bool(before), "balance": wallet.balance}
    return render(request, "billing/history.html", context)


@login_required
@never_cache
@require_safe
def history_csv(request: HttpRequest) -> HttpResponseBase:
    """The whole history as a file, streamed."""
    response = StreamingHttpResponse(statement.csv_lines(_wallet(request)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{settings.SITE_NAME.lower()}-credits.csv"'
    response["X-Accel-Buffering"] = "no"
    return response


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def start_checkout(request: HttpRequest) -> HttpResponse:
    """Show what is about to be bought; a POST leads to Stripe's checkout for it."""
    fields = request.POST if request.method == "POST" else request.GET
    product = _product(fields.get("kind", ""), fields.get("slug", ""))
    wallet = _wallet(request)
    if product is None or not settings.PAYMENTS:
        return _back(request, "That is not for sale. Here is what is.", to="pricing")
    if request.method == "POST":
        return _to_stripe(request, lambda: checkout.start(wallet=wallet, product=product, site=site_of(request)))
    if isinstance(product, Plan) and checkout.live_subscription(wallet):
        return redirect("billing")
    return render(request, "billing/checkout.html", {"offer": offers.Offer(product, "buy")})


@login_required
@require_POST
def open_portal(request: HttpRequest) -> HttpResponse:
    """Lead to Stripe's portal: card, invoices, cancel, resume."""
    wallet = _wallet(request)
    return _to_stripe(request, lambda: checkout.portal(wallet=wallet, site=site_of(request)))


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def change_plan(request: HttpRequest) -> HttpResponse:
    """Say what moving to another plan means; a POST asks Stripe to do it."""
    wallet = _wallet(request)
    is_fresh = request.method != "POST" and _catch_up(wallet)
    slug = (request.POST if request.method == "POST" else request.GET).get("slug", "")
    offer = next((offer for offer in offers.changes(wallet) if offer.product.slug == slug), None)
    subscription = checkout.live_subscription(wallet)
    if offer is None or subscription is None or not isinstance(offer.product, Plan):
        return _back(request, "Your plan can't be changed to that one.")
    if request.method != "POST":
        context = {**_change(subscription, offer), "is_fresh": is_fresh}
        return render(request, "billing/change_plan.html", context)
    try:
        checkout.change_plan(wallet=wallet, plan=offer.product)
    except (BillingError, gateway.PaymentError) as error:
        return _back(request, _words(error))
    messages.info(request, f"Stripe is moving you to {offer.product.name}. This page shows it as soon as it is done.")
    return redirect(f"{reverse('billing')}?settling=1")


@login_required
@never_cache
@require_safe
def success(request: HttpRequest) -> HttpResponse:
    """Where Stripe sends a browser after a checkout: what has truly become of it. Nothing is granted here."""
    progress = orders.progress_of(_wallet(request), request.GET.get("session", ""))
    if progress is None:
        return render(request, "billing/unknown_checkout.html", status=404)
    return render(request, "billing/success.html", {"progress": progress})


@login_required
@never_cache
@require_safe
def success_state(request: HttpRequest) -> HttpResponse:
    """The same as data, for the page's script."""
    progress = orders.progress_of(_wallet(request), request.GET.get("session", ""))
    if progress is None:
        return JsonResponse(
            {"error": {"code": "not_found", "message": "This checkout is not one of yours."}}, status=404
        )
    html = render_to_string("billing/progress.html", {"progress": progress}, request)
    return JsonResponse({"state": progress.state, "done": progress.is_final, "html": html})


def _catch_up(wallet: Wallet) -> bool:
    """Bring our copy of the subscription in line with Stripe's, so that what a change costs is told from what is true.

    False when Stripe does not answer soon and the copy has to do: what is charged is worked out there in any case.
    """
    subscription = checkout.live_subscription(wallet)
    if subscription is None:
        return True
    read_at = moment()
    try:
        data = gateway.glance_at_subscription(subscription.stripe_id)
    except gateway.PaymentError as error:
        log.warning("The subscription could not be looked up: %s", error)
        return False
    with transaction.atomic():
        subscriptions.upsert(wallet, data, read_at)
    wallet.refresh_from_db(fields=["plan", "balance"])
    return True


def _change(subscription: Subscription, offer: offers.Offer) -> dict[str, object]:
    """Work out what a change costs and brings, roughly: Stripe does it to the second."""
    before, after = subscription.plan, offer.product
    assert before is not None
    assert isinstance(after, Plan)
    paid = offers.paid_price(subscription)
    left, whole = offers.time_left(subscription)
    difference = (after.price - (paid.amount if paid else before.price)) * left // whole
    costs_more = checkout.costs_more(after, subscription)
    return {
        "offer": offer,
        "before": before,
        "subscription": subscription,
        "costs_more": costs_more,
        "same_interval": before.interval == after.interval,
        "credits": max(0, after.credits - before.credits) * left // whole if costs_more else 0,
        "due": money.full(difference, after.currency),
    }


def _to_stripe(request: HttpRequest, address: Callable[[], str]) -> HttpResponse:
    try:
        response = HttpResponseRedirect(address())
    except (BillingError, gateway.PaymentError) as error:
        return _back(request, _words(error))
    response.status_code = 303  # the browser goes on with GET
    return response


def _back(request: HttpRequest, words: str, to: str = "billing") -> HttpResponse:
    messages.error(request, words)
    return redirect(to)


def _words(error: Exception) -> str:
    match error:
        case AlreadySubscribed():
            return "You have a plan already, or have just paid for one. Nothing was charged again; change it here."
        case AccountClosed():
            return "This account is being deleted, so nothing can be bought for it. Nothing was charged."
        case ChangeUnderWay():
            return "Your plan is being changed at this moment. Look again in a minute."
        case NotSubscribed():
            return "You have no plan that could be changed. Choose one below."
        case NotForSale():
            return f"{error} is not sold any more. Nothing was charged."
        case gateway.PaymentUnavailable():
            log.warning("Stripe is away: %s", error)
            return "Stripe can't be reached at the moment. Nothing was charged; try again in a minute."
        case gateway.PaymentRefused():
            log.warning("Stripe refused: %s", error)
            return f"Stripe did not accept that, and nothing changed. It says: “{error}”"
    raise error


def _state(subscription: Subscription | None) -> str:
    """A fingerprint of all that a page says about a subscription."""
    if subscription is None:
        return "none"
    ends = subscription.cancel_at.timestamp() if subscription.cancel_at else ""
    return f"{subscription.pk}:{subscription.price_id}:{subscription.status}:{ends}"


def _product(kind: str, slug: str) -> Plan | Pack | None:
    slug = slug.replace("\x00", "")[:40]
    if kind == "plan":
        return Plan.objects.filter(slug=slug, active=True, price__gt=0).first()
    return Pack.objects.filter(slug=slug, active=True).first() if kind == "pack" else None


def _wallet(request: HttpRequest) -> Wallet:
    assert request.user.pk is not None
    return ledger.wallet_of(request.user.pk)
