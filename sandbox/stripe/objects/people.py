"""Customers and their payment methods."""

from __future__ import annotations

from sandbox.stripe.methods import TestMethod
from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj

NO_ADDRESS: Obj = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}


def customer(*, created: int) -> Obj:
    """Return a customer about whom nothing is known yet."""
    return {
        "id": ids.new("customer"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "email": None,
        "invoice_prefix": ids.token(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def billing_details(email: str | None) -> Obj:
    """Return who pays, as far as it is known."""
    return {"address": dict(NO_ADDRESS), "email": email, "name": None, "phone": None, "tax_id": None}


def payment_method(method: TestMethod, *, customer: str | None, email: str | None, created: int) -> Obj:
    """Return a payment method; `customer` is None for one that isn't saved."""
    details = _bank(method) if method.bank else _card(method, created)
    return {
        "id": ids.new("payment_method"),
        "object": "payment_method",
        "allow_redisplay": "limited" if customer else "unspecified",
        "billing_details": billing_details(email),
        "created": created,
        "customer": customer,
        "livemode": False,
        "metadata": {},
        "type": method.type,
        method.type: details,
        "_method": method.number,
    }


def _card(method: TestMethod, created: int) -> Obj:
    return {
        "brand": method.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": method.brand,
        "exp_month": 12,
        "exp_year": expiry_year(created),
        "fingerprint": f"simulated{method.last4}",
        "funding": "credit",
        "generated_from": None,
        "last4": method.last4,
        "networks": {"available": [method.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def expiry_year(created: int) -> int:
    """Return the year in which a simulated card runs out: four years on."""
    return 1970 + created // 31_556_952 + 4


def _bank(method: TestMethod) -> Obj:
    return {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "SIMULATED BANK",
        "financial_connections_account": None,
        "fingerprint": f"simulated{method.last4}",
        "last4": method.last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": None,
    }
