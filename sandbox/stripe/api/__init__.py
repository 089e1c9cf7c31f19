"""The endpoints, one module per resource; each lists its calls in `CALLS`."""

from __future__ import annotations

from functools import cache

from sandbox.stripe.api import (
    catalog,
    checkout_sessions,
    customers,
    disputes,
    events,
    invoices,
    payments,
    portal,
    refunds,
    subscriptions,
    webhook_endpoints,
)
from sandbox.stripe.wire.calls import Call

_MODULES = (
    customers,
    catalog,
    checkout_sessions,
    subscriptions,
    invoices,
    payments,
    refunds,
    disputes,
    portal,
    events,
    webhook_endpoints,
)


@cache
def calls() -> tuple[Call, ...]:
    """Return every call the stand-in answers."""
    return tuple(call for module in _MODULES for call in module.CALLS)
