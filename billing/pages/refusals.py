"""What a billing page says when something can't be bought, and the redirect to Stripe when it can."""

import logging
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect

from billing import gateway
from billing.errors import AccountClosed, AlreadySubscribed, BillingError, ChangeUnderWay, NotForSale, NotSubscribed

log = logging.getLogger(__name__)


def to_stripe(request: HttpRequest, address: Callable[[], str]) -> HttpResponse:
    """Redirect to the `address` of a page of Stripe's, or back to Billing with why there is none."""
    try:
        response = HttpResponseRedirect(address())
    except (BillingError, gateway.PaymentError) as error:
        return back(request, words_of(error))
    response.status_code = 303  # the browser goes on with GET
    return response


def back(request: HttpRequest, words: str, to: str = "billing") -> HttpResponse:
    """Redirect to our page `to`, which then shows `words`."""
    messages.error(request, words)
    return redirect(to)


def words_of(error: Exception) -> str:
    """Return what a person is told of `error`. One that is neither billing's nor the gateway's is raised again."""
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
            log.warning("Stripe cannot be reached: %s", error)
            return "Stripe can't be reached at the moment. Nothing was charged; try again in a minute."
        case gateway.PaymentRefused():
            log.warning("Stripe refused: %s", error)
            return f"Stripe did not accept that, and nothing changed. It says: “{error}”"
    raise error
