"""Redirects to Stripe's pages, and the outcome of a checkout.

Nothing here grants a credit: only Stripe's events do. Forms that lead to Stripe are answered with a redirect to its
hosts, which a `form-action` of the site's Content-Security-Policy has to allow.
"""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.models import Pack, Plan
from billing.pages import offers
from billing.pages.refusals import back, to_stripe
from billing.pages.wallet import wallet_of
from billing.stripe import checkout, orders
from kit.http.requests import site_of, without_nul


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def start_checkout(request: HttpRequest) -> HttpResponse:
    """Show what is about to be bought; a POST redirects to Stripe's checkout for it."""
    fields = request.POST if request.method == "POST" else request.GET
    product = _product(fields.get("kind", ""), fields.get("slug", ""))
    wallet = wallet_of(request)
    if product is None or not settings.PAYMENTS:
        return back(request, "That is not for sale. Here is what is.", to="pricing")
    if request.method == "POST":
        return to_stripe(request, lambda: checkout.start(wallet=wallet, product=product, site=site_of(request)))
    if isinstance(product, Plan) and checkout.live_subscription(wallet):
        return redirect("billing")
    return render(request, "billing/checkout.html", {"offer": offers.Offer(product, "buy")})


@login_required
@require_POST
def open_portal(request: HttpRequest) -> HttpResponse:
    """Redirect to Stripe's portal: card, invoices, cancel, resume."""
    wallet = wallet_of(request)
    return to_stripe(request, lambda: checkout.portal(wallet=wallet, site=site_of(request)))


@login_required
@never_cache
@require_safe
def success(request: HttpRequest) -> HttpResponse:
    """Where Stripe sends a browser after a checkout: the order's actual state. Nothing is granted here."""
    progress = orders.progress_of(wallet_of(request), request.GET.get("session", ""))
    if progress is None:
        return render(request, "billing/unknown_checkout.html", status=404)
    return render(request, "billing/success.html", {"progress": progress})


@login_required
@never_cache
@require_safe
def success_state(request: HttpRequest) -> HttpResponse:
    """The same as data, for the page's script."""
    progress = orders.progress_of(wallet_of(request), request.GET.get("session", ""))
    if progress is None:
        return JsonResponse(
            {"error": {"code": "not_found", "message": "This checkout is not one of yours."}}, status=404
        )
    html = render_to_string("billing/progress.html", {"progress": progress}, request)
    return JsonResponse({"state": progress.state, "done": progress.is_final, "html": html})


def _product(kind: str, slug: str) -> Plan | Pack | None:
    slug = without_nul(slug)[:40]
    if kind == "plan":
        return Plan.objects.filter(slug=slug, active=True, price__gt=0).first()
    return Pack.objects.filter(slug=slug, active=True).first() if kind == "pack" else None
