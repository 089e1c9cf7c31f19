"""Pages that compose several apps."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from billing import ledger
from billing.pages import offers
from generator.ask import drafts
from reveweb.pages.landing import pictures

EXAMPLES = (
    ("A lighthouse keeper’s kitchen at dawn, steam rising from a copper kettle", "3:2"),
    ("A concert poster with the words “Night Garden” in hand-painted letters", "2:3"),
    ("A paper-cut fox crossing a river of folded blue ribbons", "16:9"),
)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show what the site is."""
    context = {"examples": EXAMPLES, "shots": pictures(), **_prices(request)}
    return render(request, "home.html", context)


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Take the landing page's prompt, one of its ideas or one of its pictures to the studio, by way of signing up.

    Nothing is drawn yet: the studio shows the words, and what pressing Generate costs.
    """
    drafts.keep(request.session, _wanted(request))
    if request.user.is_authenticated:
        return redirect("create")
    return redirect(f"{reverse('account_signup')}?{urlencode({'next': reverse('create')})}")


@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    """Show what credits cost: plans and packs as the operator keeps them."""
    return render(request, "billing/pricing.html", _prices(request))


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
        "LOGO_TEXT": settings.LOGO_TEXT,
        "STATIC_URL": settings.STATIC_URL,
        "SUPPORT_EMAIL": settings.SUPPORT_EMAIL,
        "request_id": getattr(request, "id", ""),
    }
    return HttpResponse(render_to_string("errors/500.html", context), status=500)


def _wanted(request: HttpRequest) -> dict[str, str]:
    """Return the studio's settings that a form of the landing page asks for."""
    if shot := pictures().get(request.POST.get("picture", "")):
        return {"prompt": shot.prompt, "aspect_ratio": shot.aspect_ratio}
    chosen = request.POST.get("idea", "")
    for number, (prompt, aspect_ratio) in enumerate(EXAMPLES):
        if chosen == str(number):
            return {"prompt": prompt, "aspect_ratio": aspect_ratio}
    return {"prompt": request.POST.get("prompt", "").replace("\x00", "")}


def _prices(request: HttpRequest) -> dict[str, Any]:
    """What a page needs to show plans and packs."""
    wallet = ledger.wallet_of(request.user.pk) if request.user.pk else None
    return {"plans": offers.plans(wallet), "packs": offers.packs(), "welcome_credits": settings.WELCOME_CREDITS}
