"""Where Stripe keeps the invoice or receipt of a payment."""

from billing import gateway, patience
from billing.errors import NoDocument
from billing.models import Payment


@patience.within(patience.CLICK_SECONDS)
def address_of(payment: Payment) -> str:
    """Return the address of a payment's invoice as a file, of its page, or of a receipt where there is no invoice.

    Raises NoDocument, PaymentUnavailable, PaymentRefused.
    """
    if invoice_id := _invoice_of(payment):
        invoice = gateway.glance_at_invoice(invoice_id)
        if address := invoice["invoice_pdf"] or invoice["hosted_invoice_url"]:
            return address
    charges = gateway.glance_at_charges(payment.payment_intent) if payment.payment_intent else []
    receipts = (charge["receipt_url"] for charge in charges if charge["status"] == "succeeded")
    if address := next((address for address in receipts if address), None):
        return address
    raise NoDocument(payment.reference)


def _invoice_of(payment: Payment) -> str:
    """Return the id of a payment's invoice; of a pack's the checkout knows it where the books do not yet."""
    kind, _, stripe_id = payment.reference.partition(":")
    if kind == "invoice":
        return stripe_id
    return payment.stripe_invoice_id or gateway.glance_at_checkout(stripe_id)["invoice"] or ""
