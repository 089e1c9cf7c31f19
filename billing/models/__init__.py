"""Billing's rows, by what they are about."""

from billing.models.audit import AuditRecord
from billing.models.catalogue import Pack, Plan, Product, StripePrice
from billing.models.credits import CreditEntry, CreditGrant, CreditLine, Refund
from billing.models.history import AppendOnly, Written
from billing.models.mails import OutgoingMail
from billing.models.payments import Dispute, Order, Payment, StripeEvent, Subscription
from billing.models.wallets import Wallet

__all__ = [
    "AppendOnly",
    "AuditRecord",
    "CreditEntry",
    "CreditGrant",
    "CreditLine",
    "Dispute",
    "Order",
    "OutgoingMail",
    "Pack",
    "Payment",
    "Plan",
    "Product",
    "Refund",
    "StripeEvent",
    "StripePrice",
    "Subscription",
    "Wallet",
    "Written",
]
