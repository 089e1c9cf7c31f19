"""The endpoints, by resource; each module lists its calls in `calls`."""

from __future__ import annotations

from functools import cache

from sandbox.stripe.api import (
    account,
    catalog,
    checkout_sessions,
    customers,
    invoices,
    payments,
    portal,
    promotions,
    subscriptions,
    webhook_endpoints,
)
from sandbox.stripe.wire.calls import Calls

_MODULES = (
    account,
    customers,
    catalog,
    checkout_sessions,
    subscriptions,
    invoices,
    payments,
    portal,
    promotions,
    webhook_endpoints,
)


@cache
def calls() -> Calls:
    """Return every call the stand-in answers."""
    return Calls(call for module in _MODULES for call in module.calls)
