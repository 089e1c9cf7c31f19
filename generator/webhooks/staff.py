"""What staff do with messages to people's servers."""

from django.db import transaction

from accounts.models import User
from billing.staff import acts
from generator.models import WebhookDelivery
from generator.webhooks import deliveries


def may_resend(actor: User) -> bool:
    """Tell whether `actor` may send messages again: whoever may so with mails, and sees messages."""
    return acts.may(actor, "resend_mail") and actor.has_perm("generator.view_webhookdelivery")


@transaction.atomic
def resend(*, actor: User, delivery: WebhookDelivery, reason: str) -> bool:
    """Send a message again that has ended; False when it waits or has nowhere to go.

    Leaves a record. Raises PermissionDenied, and ValueError for a reason that is empty or too long.
    """
    reason = acts.permitted(actor, "resend_mail", delivery.wallet.user, reason)
    before = {"message": delivery.public_id, "state": delivery.state}
    begun = deliveries.resend(delivery)
    if begun:
        told = {"message": delivery.public_id, "state": WebhookDelivery.State.PENDING.value}
        acts.record(actor, acts.Act.RESEND_WEBHOOK, reason, wallet=delivery.wallet, before=before, after=told)
    return begun
