"""Dashboard → Billing: cancel a plan and let it go on again, each after a page that says what happens and when."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing import gateway
from billing.catalogue import money, products
from billing.errors import BillingError
from billing.models import Subscription, Wallet
from billing.pages.refusals import back, words_of
from billing.pages.wallet import wallet_of
from billing.stripe import checkout, renewal


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest) -> HttpResponse:
    """Say what cancelling means; a POST asks Stripe to do it."""
    wallet = wallet_of(request)
    subscription = checkout.live_subscription(wallet)
    if subscription is None or not renewal.can_change(subscription):
        return back(request, "You have no plan that could be cancelled here.")
    if request.method == "POST":
        return _ask(request, lambda: renewal.cancel(wallet), f"{_name(subscription)} is being cancelled.")
    if subscription.cancel_at:
        return redirect("billing")
    return render(request, "billing/cancel.html", _terms(wallet, subscription))


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def resume(request: HttpRequest) -> HttpResponse:
    """Say what going on means; a POST asks Stripe to do it."""
    wallet = wallet_of(request)
    subscription = checkout.live_subscription(wallet)
    if subscription is None or not renewal.can_change(subscription):
        return back(request, "You have no plan that could go on. Choose one below.")
    if request.method == "POST":
        return _ask(request, lambda: renewal.resume(wallet), f"{_name(subscription)} goes on.")
    if not subscription.cancel_at:
        return redirect("billing")
    return render(request, "billing/resume.html", _terms(wallet, subscription))


def _ask(request: HttpRequest, do: Callable[[], None], done: str) -> HttpResponse:
    try:
        do()
    except (BillingError, gateway.PaymentError) as error:
        return back(request, words_of(error))
    messages.info(request, f"{done} This page shows it as soon as Stripe has confirmed it.")
    return redirect(f"{reverse('billing')}?settling=1")


def _terms(wallet: Wallet, subscription: Subscription) -> dict[str, object]:
    """What somebody has of the plan, what is theirs without it, and what the next period costs and brings."""
    grants = subscription.grants.filter(remaining__gt=0, dispute=None)
    credits = grants.aggregate(left=Sum("remaining"))["left"] or 0
    price = subscription.price
    return {
        "subscription": subscription,
        "name": _name(subscription),
        "credits": credits,
        "others": wallet.balance - credits,
        "free": products.free_plan(),
        "amount": money.full(price.amount * subscription.quantity, price.currency) if price else "",
        "brings": price.credits * subscription.quantity if price else 0,
        "interval": price.interval if price else "period",
    }


def _name(subscription: Subscription) -> str:
    return subscription.plan.name if subscription.plan else "Your plan"
