"""Credits, payments, events and the catalogue in the admin. What staff may do is decided in `billing.staff`."""

from billing.admin import audit, catalogue, events, ledger, mails, payments

__all__ = ["audit", "catalogue", "events", "ledger", "mails", "payments"]
