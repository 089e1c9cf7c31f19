"""Stripe's HTTP conventions: forms, parameters, errors, idempotency, lists and expansion."""
