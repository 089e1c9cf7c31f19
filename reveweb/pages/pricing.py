"""What credits cost."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from billing import ledger
from billing.pages import offers


@require_safe
def pricing(request: HttpRequest) -> HttpResponse:
    """Show what credits cost: plans and packs as the operator keeps them."""
    return render(request, "billing/pricing.html", prices(request))


def prices(request: HttpRequest) -> dict[str, Any]:
    """What a page needs to show plans and packs."""
    wallet = ledger.wallet_of(request.user.pk) if request.user.pk else None
    return {"plans": offers.plans(wallet), "packs": offers.packs(), "welcome_credits": settings.WELCOME_CREDITS}
