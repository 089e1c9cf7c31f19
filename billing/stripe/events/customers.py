"""A customer was deleted at Stripe."""

from billing.shapes import Customer
from billing.stripe import customers, ours
from billing.stripe.events.shared import Books


def customer_deleted(customer: Customer) -> Books | None:
    """Forget a customer that is gone; the next purchase makes another."""
    ours.check_customer(customer)

    def write() -> None:
        customers.forget(customer["id"])

    return write
