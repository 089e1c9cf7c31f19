"""Payment intents, charges, refunds, disputes and their balance transactions. Amounts are minor units."""

from __future__ import annotations

from sandbox.stripe.methods import Refusal, TestMethod
from sandbox.stripe.objects.blanks import blank
from sandbox.stripe.objects.people import billing_details, expiry_year
from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj


def payment_intent(*, amount: int, currency: str, customer: str | None, created: int) -> Obj:
    """Return an intent that waits for a payment method."""
    identity = ids.new("payment_intent")
    return {
        "id": identity,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{identity}_secret_{ids.token(24)}",
        "confirmation_method": "automatic",
        "created": created,
        "currency": currency,
        "customer": customer,
        "description": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def charge(intent: Obj, *, method: TestMethod, method_id: str, email: str | None, url: str, created: int) -> Obj:
    """Return a charge of the whole intent, still without an outcome."""
    identity = ids.new("charge")
    return {
        "id": identity,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": billing_details(email),
        "calculated_statement_descriptor": "SIMULATED",
        "captured": False,
        "created": created,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method_id,
        "payment_method_details": method_details(method, created),
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": f"{url}/stripe/receipt/{identity}",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "pending",
        "transfer_data": None,
        "transfer_group": None,
    }


def method_details(method: TestMethod, created: int) -> Obj:
    """Return what a charge says about how it was paid."""
    if method.bank:
        return {
            "type": method.type,
            method.type: {
                "account_holder_type": "individual",
                "account_type": "checking",
                "bank_name": "SIMULATED BANK",
                "fingerprint": None,
                "last4": method.last4,
                "payment_reference": None,
                "routing_number": "110000000",
            },
        }
    return {
        "type": "card",
        "card": {
            "amount_authorized": None,
            "authorization_code": None,
            "brand": method.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "US",
            "exp_month": 12,
            "exp_year": expiry_year(created),
            "fingerprint": f"simulated{method.last4}",
            "funding": "credit",
            "installments": None,
            "last4": method.last4,
            "mandate": None,
            "network": method.brand,
            "network_token": {"used": False},
            "network_transaction_id": None,
            "regulated_status": "unregulated",
            "three_d_secure": None,
            "wallet": None,
        },
    }


def outcome(refusal: Refusal | None) -> Obj:
    """Return a charge's outcome."""
    approved = refusal is None
    return {
        "advice_code": None if approved else "try_again_later",
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network" if approved else "declined_by_network",
        "reason": refusal.decline_code if refusal else None,
        "risk_level": "normal",
        "seller_message": "Payment complete." if approved else "The bank did not return any further details.",
        "type": "authorized" if approved else "issuer_declined",
    }


def payment_error(refusal: Refusal, *, charge: str, method: Obj) -> Obj:
    """Return `last_payment_error`."""
    return {
        "charge": charge,
        "code": refusal.code,
        "decline_code": refusal.decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{refusal.code.replace('_', '-')}",
        "message": refusal.message,
        "payment_method": method,
        "type": "card_error",
    }


def refund(charge: Obj, *, amount: int, reason: str | None, created: int) -> Obj:
    """Return a refund that the bank accepted."""
    return {
        "id": ids.new("refund"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "destination_details": {
            "card": {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"},
            "type": "card",
        },
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


_EVIDENCE = blank(
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal "
    "customer_communication customer_email_address customer_name customer_purchase_ip customer_signature "
    "duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt "
    "refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation "
    "shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number "
    "uncategorized_file uncategorized_text"
)
EVIDENCE_DAYS = 14


def dispute(charge: Obj, *, amount: int, reason: str, status: str, created: int) -> Obj:
    """Return a dispute, or an inquiry when `status` begins with `warning_`."""
    return {
        "id": ids.new("dispute"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": created,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**_EVIDENCE, "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": created + EVIDENCE_DAYS * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": status.startswith("warning_"),
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge["payment_method_details"].get("card", {}).get("brand", "visa"),
                "case_type": "inquiry" if status.startswith("warning_") else "chargeback",
                "network_reason_code": "10",
            },
            "type": "card",
        },
        "reason": reason,
        "status": status,
    }


def balance_transaction(*, source: str, amount: int, fee: int, currency: str, words: str, created: int) -> Obj:
    """Return money moving on the simulated balance; `amount` is negative for what leaves."""
    fees = [{"amount": fee, "application": None, "currency": currency, "description": words, "type": "stripe_fee"}]
    return {
        "id": ids.new("balance_transaction"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": created,
        "balance_type": "payments",
        "created": created,
        "currency": currency,
        "description": words,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": fees if fee else [],
        "net": amount - fee,
        "reporting_category": "dispute" if amount < 0 else "dispute_reversal",
        "source": source,
        "status": "available",
        "type": "adjustment",
    }
