"""What Stripe's billing portal offers: nothing that would change what a subscription sells.

Plans are changed on our own pages, which say what that brings. The account's default configuration, which is made in
Stripe's dashboard, may let people switch prices, and buy a subscription several times.
"""

from django.conf import settings

from billing import gateway, identity
from billing.models import StripeAccount

FEATURES: gateway.PortalFeatures = {
    "customer_update": {"enabled": True, "allowed_updates": ["name", "address", "tax_id"]},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": True, "mode": "at_period_end", "proration_behavior": "none"},
    "subscription_update": {"enabled": False},
}


def configuration() -> str:
    """Return the id of the portal's configuration that is ours, as it has to be, made if it is not there.

    Raises PaymentUnavailable, PaymentRefused.
    """
    account = identity.account()
    known = account.portal_configuration
    legal = {"terms_of_service_url": settings.TERMS_URL, "privacy_policy_url": settings.PRIVACY_URL}
    try:
        kept = gateway.keep_portal_configuration(known, FEATURES, legal)
    except gateway.PaymentRefused:
        if not known:
            raise
        kept = gateway.keep_portal_configuration("", FEATURES, legal)  # it is not there any more
    if kept != known:
        StripeAccount.objects.filter(pk=account.pk).update(portal_configuration=kept)
    return kept
