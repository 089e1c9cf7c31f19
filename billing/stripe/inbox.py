"""The inbox of Stripe's events: each is stored once, and a worker handles it until it is in the books."""

import logging
from datetime import timedelta

from django.utils import timezone

from billing import gateway
from billing.models import StripeEvent
from billing.stripe import events
from kit import broker

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=2)  # how long one try may take before another worker may try


def store(event: gateway.Data) -> bool:
    """Keep a verified event and hand it to a worker; False when it was kept before."""
    values = {"type": event["type"], "api_version": event.get("api_version") or "", "payload": event}
    _, is_new = StripeEvent.objects.get_or_create(id=event["id"], defaults=values)
    if is_new:
        broker.tell_on_commit("billing.tasks.handle_event", event["id"])
    return is_new


def handle(event_id: str) -> bool:
    """Try one stored event; True when it is handled, now or before. A failure is kept with it and tried again later."""
    now = timezone.now()
    claimed = StripeEvent.objects.filter(id=event_id, handled_at=None, due_at__lte=now).update(due_at=now + LEASE)
    if not claimed:
        return StripeEvent.objects.filter(id=event_id).exclude(handled_at=None).exists()
    event = StripeEvent.objects.get(id=event_id)
    try:
        events.apply(event)
    except Exception as error:
        wait = min(3600, 5 * 2 ** min(event.attempts, 10))
        words = f"{type(error).__name__}: {error}"[:2000].replace("\x00", "")
        log.warning("%s: %r, again in %s s", event, error, wait)
        StripeEvent.objects.filter(pk=event.pk).update(
            attempts=event.attempts + 1,
            last_error=words.encode("utf-8", "replace").decode(),
            due_at=timezone.now() + timedelta(seconds=wait),
        )
        return False
    return True


def handle_due(limit: int = 100) -> int:
    """Try every unhandled event that is due and return how many were handled."""
    due = StripeEvent.objects.filter(handled_at=None, due_at__lte=timezone.now()).order_by("received_at")
    return sum(handle(event_id) for event_id in list(due.values_list("id", flat=True)[:limit]))
