"""What a billing page says when something can't be bought, and the redirect to Stripe when it can."""

import logging
from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect

from billing import gateway
from billing.errors import AccountClosed, AlreadySubscribed, BillingError, ChangeUnderWay, NotForSale, NotSubscribed

log = logging.getLogger(__name__)

# Why banks refuse cards, by https://docs.stripe.com/declines/codes. What is not here is better not explained: that a
# card was reported stolen is nothing to tell whoever holds it.
CONFIRM = (
    "Your bank wants you to confirm this payment, which can't be done here. Put another card on file, then try again."
)
LIMIT = "Your card has reached its limit for now. Use another one, or try again tomorrow."
BANK = "Your card's bank had a problem with this payment. Try again in a few minutes."
CARDS = {
    "authentication_required": CONFIRM,
    "card_not_supported": "Your card can't be used for payments like this one. Use another one.",
    "card_velocity_exceeded": LIMIT,
    "currency_not_supported": "Your card can't pay in this currency. Use another one.",
    "expired_card": "Your card has expired. Put a current one on file, then try again.",
    "insufficient_funds": "There is not enough money on your card.",
    "issuer_not_available": BANK,
    "processing_error": BANK,
    "subscription_payment_intent_requires_action": CONFIRM,
    "try_again_later": BANK,
    "withdrawal_count_limit_exceeded": LIMIT,
}
UNEXPLAINED = "Your card's bank declined the payment. Ask them why, or use another card."


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
        case gateway.Unclear():
            log.warning("Stripe was asked and did not answer: %s", error)
            return (
                "Stripe did not answer in time, so it is not certain whether this was done. Look here again in a "
                "minute. Doing it again is safe: nothing is charged twice."
            )
        case gateway.PaymentUnavailable():
            log.warning("Stripe cannot be reached: %s", error)
            return "Stripe can't be reached at the moment. Nothing was charged; try again in a minute."
        case gateway.CardRefused():
            log.warning("A card was refused, %s: %s", error.code, error)
            return f"{CARDS.get(error.code, UNEXPLAINED)} Nothing was charged, and nothing changed."
        case gateway.PaymentRefused():
            log.error("Stripe refused: %s", error)
            return "Stripe did not accept that, and nothing changed. Nothing was charged; if it stays so, tell us."
    raise error
