"""A customer was deleted at Stripe."""

from billing.errors import NotOurs
from billing.models import StripeCustomer
from billing.shapes import Customer
from billing.stripe import customers
from billing.stripe.events.shared import Books


def customer_deleted(customer: Customer) -> Books | None:
    """Forget a customer that is gone; the next purchase makes another."""
    if not StripeCustomer.objects.filter(stripe_id=customer["id"]).exists():
        raise NotOurs("Not a customer that this installation made")

    def write() -> None:
        customers.forget(customer["id"])

    return write
