"""Billing's rows, by what they are about."""

from billing.models.audit import AuditRecord
from billing.models.catalogue import Pack, Plan, Product
from billing.models.credits import CreditEntry, CreditGrant, CreditLine, Refund
from billing.models.history import AppendOnly, Written
from billing.models.identity import Installation, StripeAccount, StripeCustomer
from billing.models.mails import OutgoingMail
from billing.models.payments import Dispute, Order, Payment, StripeEvent, Subscription
from billing.models.prices import Price
from billing.models.refunds import StaffRefund
from billing.models.wallets import Wallet

__all__ = [
    "AppendOnly",
    "AuditRecord",
    "CreditEntry",
    "CreditGrant",
    "CreditLine",
    "Dispute",
    "Installation",
    "Order",
    "OutgoingMail",
    "Pack",
    "Payment",
    "Plan",
    "Price",
    "Product",
    "Refund",
    "StaffRefund",
    "StripeAccount",
    "StripeCustomer",
    "StripeEvent",
    "Subscription",
    "Wallet",
    "Written",
]
