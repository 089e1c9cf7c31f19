"""What an operator has chosen for the hosted checkout: codes, taxes, terms, and an invoice for every purchase."""

from django.conf import settings

from billing import gateway

CUSTOM_TEXT_MAX = 1200  # https://docs.stripe.com/payments/checkout/customization/policies


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
    if accepted := _accepted():
        params["custom_text"] = {"submit": {"message": accepted}}
    return params


def _accepted() -> str:
    """Return what payers accept by paying, in Markdown; "" where there are neither terms nor a privacy policy.

    Not Stripe's `consent_collection`: it is refused unless the account has the address of its terms in the dashboard.
    """
    documents = (("terms of use", settings.TERMS_URL), ("privacy policy", settings.PRIVACY_URL))
    links = [f"our [{words}]({_in_markdown(url)})" for words, url in documents if url]
    text = f"By paying you accept {' and '.join(links)}."
    return text if links and len(text) <= CUSTOM_TEXT_MAX else ""  # what is too long would be refused with the sale


def _in_markdown(url: str) -> str:
    return url.replace("(", "%28").replace(")", "%29")
