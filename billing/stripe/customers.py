"""Who a wallet's person is at Stripe."""

from billing import gateway, identity
from billing.models import StripeCustomer, Wallet


def living(wallet: Wallet) -> StripeCustomer | None:
    """Return the wallet's customer at the account in use, if there is one. Raises PaymentError."""
    return wallet.customers.filter(account=identity.account(), gone_at=None).first()


def customer_of(wallet: Wallet) -> str:
    """Return the id of the wallet's customer, created the first time; concurrent calls get the same one.

    Raises PaymentUnavailable, PaymentRefused.
    """
    if known := living(wallet):
        return known.stripe_id
    email, name = wallet.user.email, wallet.user.name
    account = identity.account()
    stripe_id = gateway.create_customer(
        email=email, name=name, wallet_id=wallet.pk, installation=identity.installation()
    )
    values = {"stripe_id": stripe_id, "email": email, "name": name}
    row, _ = StripeCustomer.objects.get_or_create(wallet=wallet, account=account, gone_at=None, defaults=values)
    return row.stripe_id


def wallet_of(customer_id: str | None) -> Wallet | None:
    """Return whose wallet a customer of ours pays for; None for anybody else's."""
    row = StripeCustomer.objects.select_related("wallet__user").filter(stripe_id=customer_id or "-").first()
    return row.wallet if row else None
