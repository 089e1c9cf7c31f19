"""Identifiers that look like Stripe's."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_PREFIXES = {
    "account": "acct_",
    "billing_portal.configuration": "bpc_",
    "billing_portal.session": "bps_",
    "balance_transaction": "txn_",
    "charge": "ch_",
    "checkout.session": "cs_test_",
    "coupon": "",
    "customer": "cus_",
    "discount": "di_",
    "dispute": "du_",
    "event": "evt_",
    "invoice": "in_",
    "invoice_payment": "inpay_",
    "invoiceitem": "ii_",
    "item": "li_",
    "line_item": "il_",
    "payment_intent": "pi_",
    "payment_method": "pm_",
    "price": "price_",
    "product": "prod_",
    "promotion_code": "promo_",
    "refund": "re_",
    "request": "req_",
    "subscription": "sub_",
    "subscription_item": "si_",
    "webhook_endpoint": "we_",
}


def new(kind: str) -> str:
    """Return a fresh id for an object of this kind. Sessions open pages without a login, so theirs are long."""
    length = 58 if kind in {"checkout.session", "billing_portal.session"} else 24
    return _PREFIXES[kind] + token(length)


def token(length: int) -> str:
    """Return `length` random letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
