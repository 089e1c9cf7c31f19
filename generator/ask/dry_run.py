"""What a request would cost, told without asking for anything: no row, no credit and no place in a limit changes.

A prompt that breaks a rule counts as it does when it is meant: nobody is to try out the rules for nothing.
"""

from dataclasses import dataclass

from billing import ledger
from generator.ask import admission, limits, prices, rules
from generator.ask.admission import ImageRequest
from generator.ask.callers import Caller
from generator.ask.prices import Quote
from generator.errors import PromptNotAllowed, UpstreamPaused
from generator.jobs import caps
from generator.upstreams import routing


@dataclass(frozen=True)
class Estimate:
    """What all of a request costs, in credits, beside what is left; `is_affordable` counts the key's cap too."""

    quote: Quote
    credits: int
    balance: int
    is_affordable: bool


def estimate(caller: Caller, request: ImageRequest) -> Estimate:
    """Return what `request` costs now. Raises InvalidRequest, IntakePaused and UpstreamPaused, as admission would,
    and for a prompt that breaks a rule RateLimited and LimiterUnavailable.

    A test key is told what a live one would pay; it can always afford that, for it pays nothing.
    """
    is_test = caller.api_key.is_test
    try:
        quote = prices.quote(request, only=caller.api_key.image_models)
    except PromptNotAllowed as error:
        rules.note(error.rule)
        limits.take(limits.generate_window(caller.wallet, caller.api_key), request.count)
        raise
    if not is_test and not routing.is_open(quote.model, request.operation):
        raise UpstreamPaused
    admission.check_count(caller.wallet, caller.api_key, request)
    admission.check_pictures(request)
    credits = quote.credits * request.count
    balance = ledger.write_off_expired(caller.wallet)
    lefts = [balance, *(cap.left for cap in caps.of(caller.api_key))]
    if caller.token is not None:
        lefts.append(balance := caller.left())
    affordable = is_test or all(left is None or left >= credits for left in lefts)
    return Estimate(quote, credits, balance, affordable)
