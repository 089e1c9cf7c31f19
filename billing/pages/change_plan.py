"""Dashboard → Billing → Change plan: what moving to another plan means, and the move."""

from dataclasses import replace

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing import gateway
from billing.catalogue import money
from billing.catalogue.shares import Share, credits_of
from billing.errors import BillingError
from billing.models import Plan, Subscription
from billing.pages import offers
from billing.pages.refusals import back, words_of
from billing.pages.wallet import wallet_of
from billing.stripe import checkout
from billing.stripe.events import subscriptions


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def change_plan(request: HttpRequest) -> HttpResponse:
    """Explain what moving to another plan means; a POST asks Stripe to do it."""
    wallet = wallet_of(request)
    subscription = checkout.live_subscription(wallet)
    is_fresh = False
    if request.method != "POST" and subscription is not None:
        is_fresh = subscriptions.refresh(wallet)
        wallet.refresh_from_db(fields=["plan", "balance"])
        subscription = checkout.live_subscription(wallet)
    slug = (request.POST if request.method == "POST" else request.GET).get("slug", "")
    offer = next((offer for offer in offers.changes(wallet) if offer.product.slug == slug), None)
    if offer is None or subscription is None or not isinstance(offer.product, Plan):
        return back(request, "Your plan can't be changed to that one.")
    if request.method != "POST":
        context = {**_change(subscription, offer), "is_fresh": is_fresh}
        return render(request, "billing/change_plan.html", context)
    try:
        checkout.change_plan(wallet=wallet, plan=offer.product)
    except (BillingError, gateway.PaymentError) as error:
        return back(request, words_of(error))
    messages.info(request, f"Stripe is moving you to {offer.product.name}. This page shows it as soon as it is done.")
    return redirect(f"{reverse('billing')}?settling=1")


def _change(subscription: Subscription, offer: offers.Offer) -> dict[str, object]:
    """Work out what a change costs and brings, as the invoice that follows is worked out, for this very moment."""
    before, after = subscription.price, offer.product
    assert before is not None
    assert isinstance(after, Plan)
    left, whole = offers.time_left(subscription)
    same_interval = before.interval == after.interval
    old = Share(before.amount, before.credits, subscription.quantity, left=left, whole=whole)
    new = Share(after.price, after.credits, subscription.quantity)
    if same_interval:
        new = replace(new, left=left, whole=whole)
    costs_more = checkout.costs_more(after, subscription)
    return {
        "offer": offer,
        "before": before,
        "subscription": subscription,
        "costs_more": costs_more,
        "same_interval": same_interval,
        "credits": credits_of([new], [old]) if costs_more else 0,
        "due": money.full(new.of_money - old.of_money, after.currency),
    }
