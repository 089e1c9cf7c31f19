"""What of images and webhooks staff can do to many at once, as one act that a worker works off."""

from billing.bulk import kinds
from billing.bulk.kinds import Kind, Target
from billing.errors import NothingToDo
from billing.models import Bulk, BulkLine
from generator.library import showcase
from generator.models import Generation, WebhookDelivery
from generator.webhooks import staff

TAKE_OFF = "take_off_explore"
RESEND = "resend_webhook"


def register() -> None:
    """Let these be done by `billing.bulk`."""
    kinds.register(
        Kind(
            TAKE_OFF,
            "Take off Explore",
            "image",
            may=showcase.may_take_off,
            target=lambda image: Target(str(image.pk), image.public_id, image.wallet.user_id),
            do=_take_off,
            note="Their owners can’t put them back. Public links to them go on working.",
            is_dangerous=True,
        )
    )
    kinds.register(
        Kind(
            RESEND,
            "Send again",
            "webhook message",
            may=staff.may_resend,
            target=lambda message: Target(
                str(message.pk), f"{message.event} {message.public_id}", message.wallet.user_id
            ),
            do=_resend,
            note="Those that are on their way, or whose endpoint is switched off, are left alone.",
        )
    )


def _take_off(bulk: Bulk, line: BulkLine) -> str:
    found = list(Generation.objects.filter(pk=int(line.target)))
    if not showcase.take_off(actor=bulk.actor, generations=found, reason=bulk.reason):
        raise NothingToDo("It is not on Explore.")
    return "Taken off"


def _resend(bulk: Bulk, line: BulkLine) -> str:
    message = WebhookDelivery.objects.select_related("wallet__user").get(pk=int(line.target))
    if not staff.resend(actor=bulk.actor, delivery=message, reason=bulk.reason):
        raise NothingToDo("On its way already, or its endpoint is off.")
    return "On its way again"
