"""Checkout sessions, their line items, and portal sessions and configurations."""

from __future__ import annotations

from sandbox.stripe.objects.blanks import blank
from sandbox.stripe.objects.people import NO_ADDRESS
from sandbox.stripe.state import ids
from sandbox.stripe.state.store import Obj


def checkout_session(*, mode: str, url: str, created: int, expires_at: int) -> Obj:
    """Return an open session; `url` is where the hosted pages live."""
    identity = ids.new("checkout.session")
    nothing = blank(
        "after_expiration allow_promotion_codes amount_subtotal amount_total billing_address_collection cancel_url "
        "client_reference_id client_secret collected_information consent consent_collection currency "
        "currency_conversion customer customer_account customer_creation customer_details customer_email "
        "integration_identifier invoice invoice_creation locale optional_items origin_context payment_intent "
        "payment_link payment_method_configuration_details recovered_from setup_intent shipping_address_collection "
        "shipping_cost submit_type subscription success_url wallet_options"
    )
    return {
        "id": identity,
        "object": "checkout.session",
        **nothing,
        "adaptive_pricing": {"enabled": False},
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "branding_settings": {
            "background_color": "#faf8f4",
            "border_style": "rounded",
            "button_color": "#7a5c3e",
            "display_name": "Simulated account",
            "font_family": "default",
            "icon": None,
            "logo": None,
        },
        "created": created,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "discounts": [],
        "expires_at": expires_at,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": {},
        "mode": mode,
        "payment_method_collection": "always" if mode == "subscription" else "if_required",
        "payment_method_options": {},
        "payment_method_types": ["card", "us_bank_account"],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "saved_payment_method_options": None,
        "shipping_options": [],
        "status": "open",
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{url}/stripe/checkout/{identity}",
    }


def customer_details(*, email: str | None, name: str | None) -> Obj:
    """Return who paid, as the session tells it."""
    return {
        "address": dict(NO_ADDRESS),
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [],
    }


def line_item(*, price: Obj, quantity: int, words: str) -> Obj:
    """Return one line of a session."""
    amount = price["unit_amount"] * quantity
    return {
        "id": ids.new("item"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": words,
        "metadata": {},
        "price": price["id"],
        "quantity": quantity,
    }


def portal_session(*, customer: str, configuration: str, return_url: str | None, url: str, created: int) -> Obj:
    """Return a session whose URL opens the portal as this customer."""
    identity = ids.new("billing_portal.session")
    return {
        "id": identity,
        "object": "billing_portal.session",
        "configuration": configuration,
        "created": created,
        "customer": customer,
        "customer_account": None,
        "flow": None,
        "livemode": False,
        "locale": None,
        "on_behalf_of": None,
        "return_url": return_url,
        "url": f"{url}/stripe/portal/{identity}",
    }


_REASONS = [
    "too_expensive",
    "missing_features",
    "switched_service",
    "unused",
    "other",
]


def portal_configuration(*, created: int, is_default: bool) -> Obj:
    """Return a configuration in which everything is allowed but switching plans, as on a new account."""
    return {
        "id": ids.new("billing_portal.configuration"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None},
        "created": created,
        "default_return_url": None,
        "features": {
            "customer_update": {"allowed_updates": ["email"], "enabled": is_default},
            "invoice_history": {"enabled": is_default},
            "payment_method_update": {"enabled": is_default, "payment_method_configuration": None},
            "subscription_cancel": {
                "cancellation_reason": {"enabled": False, "options": list(_REASONS)},
                "enabled": is_default,
                "mode": "at_period_end",
                "proration_behavior": "none",
            },
            "subscription_update": {
                "billing_cycle_anchor": None,
                "default_allowed_updates": [],
                "enabled": False,
                "products": [],
                "proration_behavior": "none",
                "schedule_at_period_end": {"conditions": []},
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": is_default,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": created,
    }


def webhook_endpoint(*, url: str, enabled_events: list[str], secret: str, identity: str, created: int) -> Obj:
    """Return an enabled endpoint; its secret is shown by the call that creates it, and never again."""
    return {
        "id": identity or ids.new("webhook_endpoint"),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": created,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secret": secret,
    }


def invoice_item(*, line: Obj, customer: str, subscription: str, identity: str, created: int) -> Obj:
    """Return a proration that waits for the next invoice, or has come with one."""
    return {
        "id": identity,
        "object": "invoiceitem",
        "amount": line["amount"],
        "currency": line["currency"],
        "customer": customer,
        "date": created,
        "description": line["description"],
        "discountable": False,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": line["amount"],
        "parent": {"subscription_details": {"subscription": subscription}, "type": "subscription_details"},
        "period": line["period"],
        "pricing": line["pricing"],
        "proration": True,
        "quantity": line["quantity"],
        "quantity_decimal": line["quantity_decimal"],
        "tax_rates": [],
        "test_clock": None,
        "_line": line,
        "_subscription": subscription,
    }
