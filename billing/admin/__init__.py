"""Credits, payments, events and the catalogue in the admin. What staff may do is decided in `billing.staff`."""

from billing.admin import audit, bulk, catalogue, codes, events, ledger, mails, payments, welcome

__all__ = ["audit", "bulk", "catalogue", "codes", "events", "ledger", "mails", "payments", "welcome"]
