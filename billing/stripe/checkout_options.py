"""What an operator has chosen for the hosted checkout: promotion codes, taxes, and an invoice for every purchase."""

from django.conf import settings

from billing import gateway


def of_purchase(metadata: dict[str, str]) -> gateway.CheckoutParams:
    """Return the parameters of a checkout that sells something once; its invoice has `metadata`, as all of ours.

    A subscription makes invoices by itself.
    """
    return {**of_any(), "invoice_creation": {"enabled": True, "invoice_data": {"metadata": metadata}}}


def of_any() -> gateway.CheckoutParams:
    """Return the parameters of every checkout.

    Taxes need the payer's address and, for a company's tax id, its name: Checkout asks for them and writes them down.
    """
    params: gateway.CheckoutParams = {}
    if settings.STRIPE_PROMOTION_CODES:
        params["allow_promotion_codes"] = True
    if settings.STRIPE_TAX:
        params["automatic_tax"] = {"enabled": True}
        params["tax_id_collection"] = {"enabled": True}
        params["customer_update"] = {"address": "auto", "name": "auto"}
    return params
