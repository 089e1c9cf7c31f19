"""Dashboard → Billing: the way to a payment's invoice or receipt, which lies at Stripe."""

import logging

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing import gateway
from billing.errors import NoDocument
from billing.pages.refusals import back
from billing.pages.wallet import wallet_of
from billing.stripe import documents

AWAY = "Your invoices are at Stripe, which can't be reached at the moment."

log = logging.getLogger(__name__)


@login_required
@never_cache
@require_safe
def document(request: HttpRequest, number: int) -> HttpResponse:
    """Redirect to the invoice or receipt of a payment of one's own."""
    payment = get_object_or_404(wallet_of(request).payments, pk=number)
    try:
        return HttpResponseRedirect(documents.address_of(payment))
    except (NoDocument, gateway.PaymentRefused) as error:  # as one of an account that the key does not open any more
        log.warning("There is no invoice of %s: %s", payment.reference, error)
        words = f"There is no invoice for “{payment.description}” at Stripe any more."
        return back(request, f"{words} Write to {settings.SUPPORT_EMAIL or 'us'}, and you get one.")
    except gateway.PaymentUnavailable as error:
        log.warning("Stripe cannot be reached: %s", error)
        return back(
            request, "Your invoices are at Stripe, which can't be reached at the moment. Try again in a minute."
        )
