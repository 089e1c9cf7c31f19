"""Billing's rows, by what they are about."""

from billing.models.audit import AuditRecord
from billing.models.books import BooksDay, Comparison
from billing.models.bulk import Bulk, BulkLine
from billing.models.catalogue import Pack, Plan, Product
from billing.models.codes import Code, CodeOffer, Redemption
from billing.models.credits import CreditEntry, CreditGrant, CreditLine, Refund
from billing.models.history import AppendOnly, Written
from billing.models.identity import Installation, StripeAccount, StripeCustomer
from billing.models.mails import OutgoingMail
from billing.models.payments import Dispute, Order, Payment, StripeEvent, Subscription
from billing.models.prices import Price
from billing.models.refunds import StaffRefund
from billing.models.wallets import Wallet
from billing.models.welcome import HeldWelcome, WelcomeDay

__all__ = [
    "AppendOnly",
    "AuditRecord",
    "BooksDay",
    "Bulk",
    "BulkLine",
    "Code",
    "CodeOffer",
    "Comparison",
    "CreditEntry",
    "CreditGrant",
    "CreditLine",
    "Dispute",
    "HeldWelcome",
    "Installation",
    "Order",
    "OutgoingMail",
    "Pack",
    "Payment",
    "Plan",
    "Price",
    "Product",
    "Redemption",
    "Refund",
    "StaffRefund",
    "StripeAccount",
    "StripeCustomer",
    "StripeEvent",
    "Subscription",
    "Wallet",
    "WelcomeDay",
    "Written",
]
