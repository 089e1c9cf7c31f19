"""Pages that compose several apps."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from billing import ledger, offers

EXAMPLES = (
    "A lighthouse keeper's kitchen at dawn, steam rising from a copper kettle",
    "A concert poster with the words “Night Garden” in hand-painted letters",
    "A paper-cut fox crossing a river of folded blue ribbons",
)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show what the site is."""
    return render(request, "home.html", {"examples": EXAMPLES, "welcome_credits": settings.WELCOME_CREDITS})


@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    """Show what credits cost: plans and packs as the operator keeps them."""
    account = ledger.account_of(request.user.pk) if request.user.pk else None
    context = {
        "plans": offers.plans(account),
        "packs": offers.packs(),
        "welcome_credits": settings.WELCOME_CREDITS,
        "default_rate": settings.RATE_LIMIT_PER_MINUTE,
    }
    return render(request, "billing/pricing.html", context)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400"""
    return render(request, "errors/400.html", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403"""
    return render(request, "errors/403.html", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404"""
    return render(request, "errors/404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, rendered without session, database or static files' manifest: any of them may be what broke."""
    context = {
        "SITE_NAME": settings.SITE_NAME,
        "STATIC_URL": settings.STATIC_URL,
        "request_id": getattr(request, "id", ""),
    }
    return HttpResponse(render_to_string("errors/500.html", context), status=500)
