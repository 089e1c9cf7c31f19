"""What of Stripe's events is kept: what happened, and not to whom.

Handlers ask Stripe for what an event is about: a copy of somebody's name and address would be of no use here, and would
outlive their account. Much of it is of people whom only another site on the same Stripe account knows.
"""

from collections.abc import Mapping
from typing import Any, cast

from billing.shapes import Event

KEPT = frozenset(
    """
    account active amount amount_captured amount_due amount_paid amount_refunded amount_remaining amount_subtotal
    amount_total api_version attempt_count billing_reason cancel_at cancel_at_period_end canceled_at captured charge
    code created currency current_period_end current_period_start customer data decline_code deleted disputed end
    ended_at expires_at failure_code has_more id interval interval_count invoice items latest_charge latest_invoice
    lines livemode metadata mode next_payment_attempt object paid parent payment payment_intent payment_status payments
    period price price_details pricing product quantity reason recurring refund refunded start status subscription
    subscription_details subtotal total type unit_amount
    """.split()  # noqa: SIM905 (words are easier to read)
)
OURS = ("account", "installation", "order", "product")  # what we write into metadata ourselves


def without_person(event: Event) -> Event:
    """Return an event without anything that names a person."""
    return cast(Event, _kept(event))


def _kept(value: Any, name: str = "") -> Any:
    if name == "metadata":
        return {key: value[key] for key in OURS if key in value} if value and "installation" in value else {}
    if isinstance(value, Mapping):
        return {key: _kept(part, key) for key, part in value.items() if key in KEPT}
    if isinstance(value, list):
        return [_kept(part) for part in value]
    return value
