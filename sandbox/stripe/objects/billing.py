"""Subscriptions, invoices, their lines and payments. Amounts are minor units, moments Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.stripe.objects.blanks import blank
from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj

NO_TAX: Obj = {"disabled_reason": None, "enabled": False, "liability": None, "provider": None, "status": None}


def subscription(*, customer: str, currency: str, created: int) -> Obj:
    """Return an incomplete subscription without items."""
    return {
        "id": ids.new("subscription"),
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": created,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": {"proration_discounts": "included"}, "type": "flexible", "updated_at": created},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": created,
        "currency": currency,
        "customer": customer,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": {"object": "list", "data": [], "has_more": False, "total_count": 0, "url": ""},
        "latest_invoice": None,
        "livemode": False,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": created,
        "status": "incomplete",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
    }


def subscription_item(*, subscription: str, price: str, quantity: int, start: int, end: int) -> Obj:
    """Return an item of one price; the current period lives here since basil."""
    return {
        "id": ids.new("subscription_item"),
        "object": "subscription_item",
        "billed_until": end,
        "billing_thresholds": None,
        "created": start,
        "current_period_end": end,
        "current_period_start": start,
        "discounts": [],
        "metadata": {},
        "price": price,
        "quantity": quantity,
        "subscription": subscription,
        "tax_rates": [],
    }


@dataclass(frozen=True, slots=True)
class Bill:
    """What an invoice is about."""

    customer: Obj
    currency: str
    reason: str
    subscription: Obj | None
    start: int
    end: int


def invoice(bill: Bill, *, created: int) -> Obj:
    """Return a draft without lines."""
    identity = ids.new("invoice")
    parent = None
    if bill.subscription is not None:
        parent = {
            "quote_details": None,
            "subscription_details": {
                "metadata": dict(bill.subscription["metadata"]),
                "subscription": bill.subscription["id"],
            },
            "type": "subscription_details",
        }
    zeros = blank(
        "amount_due amount_overpaid amount_paid amount_paid_off_stripe amount_remaining amount_shipping attempt_count "
        "post_payment_credit_notes_amount pre_payment_credit_notes_amount starting_balance subtotal "
        "subtotal_excluding_tax total total_excluding_tax",
        0,
    )
    nothing = blank(
        "account_tax_ids application automatically_finalizes_at customer_address customer_phone customer_shipping "
        "custom_fields default_payment_method default_source description due_date effective_at ending_balance footer "
        "from_invoice hosted_invoice_url invoice_pdf last_finalization_error latest_revision next_payment_attempt "
        "number on_behalf_of receipt_number rendering shipping_cost shipping_details statement_descriptor test_clock "
        "webhooks_delivered_at"
    )
    return {
        "id": identity,
        "object": "invoice",
        **zeros,
        **nothing,
        "account_country": "US",
        "account_name": "Simulated account",
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": dict(NO_TAX),
        "billing_reason": bill.reason,
        "collection_method": "charge_automatically",
        "created": created,
        "currency": bill.currency,
        "customer": bill.customer["id"],
        "customer_email": bill.customer["email"],
        "customer_name": bill.customer["name"],
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "lines": {
            "object": "list",
            "data": [],
            "has_more": False,
            "total_count": 0,
            "url": f"/v1/invoices/{identity}/lines",
        },
        "livemode": False,
        "metadata": {},
        "parent": parent,
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": bill.end,
        "period_start": bill.start,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    }


def line(
    *, price: Obj, amount: int, quantity: int, start: int, end: int, words: str, parent: Obj, metadata: Obj
) -> Obj:
    """Return an invoice line; `parent` is one of the two below."""
    return {
        "id": ids.new("line_item"),
        "object": "line_item",
        "amount": amount,
        "currency": price["currency"],
        "description": words,
        "discount_amounts": [],
        "discountable": parent["type"] == "subscription_item_details",
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": dict(metadata),
        "parent": parent,
        "period": {"end": end, "start": start},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price["id"], "product": price["product"]},
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subtotal": amount,
        "taxes": [],
    }


def of_item(*, subscription: str, item: str) -> Obj:
    """Return the parent of a line for a period of a subscription item."""
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": subscription,
        "subscription_item": item,
    }
    return {"invoice_item_details": None, "subscription_item_details": details, "type": "subscription_item_details"}


def of_invoice_item(*, invoice_item: str, subscription: str | None, proration: bool) -> Obj:
    """Return the parent of a line that was added: a proration, or a one-off purchase."""
    details = {
        "invoice_item": invoice_item,
        "proration": proration,
        "proration_details": {"credited_items": None},
        "subscription": subscription,
    }
    return {"invoice_item_details": details, "subscription_item_details": None, "type": "invoice_item_details"}


def invoice_payment(invoice: Obj, *, payment_intent: str, created: int) -> Obj:
    """Return the link between an invoice and the intent that is to pay it."""
    return {
        "id": ids.new("invoice_payment"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": invoice["amount_due"],
        "created": created,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": payment_intent, "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
