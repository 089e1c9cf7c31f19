"""The inbox of Stripe's events: each is stored once, and a worker handles it until it is in the books."""

import contextlib
import logging
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from billing import gateway, identity
from billing.models import StripeEvent
from billing.shapes import Event
from billing.stripe import events, record
from kit import broker, due
from kit.metrics import Counter
from kit.pages import delete_by_pages

log = logging.getLogger(__name__)

HANDLED = Counter("reveweb_stripe_events_total", "Events of Stripe's that were tried.", "type", "outcome")

LEASE = timedelta(minutes=2)  # how long one try may take before another worker may try
LONGEST_PAUSE = timedelta(hours=1)
AWAY_PAUSE = timedelta(minutes=2)  # while Stripe is away: somebody has paid, and waits for their credits
UNHANDLED = Q(handled_at=None)
IGNORED_KEPT = timedelta(days=90)


def store(event: Event) -> bool:
    """Store a verified event, without whom it names, and hand it to a worker; False when it was stored before."""
    values = {
        "type": event["type"],
        "api_version": event.get("api_version") or "",
        "livemode": event.get("livemode"),
        "account": identity.known(),
        "payload": record.without_person(event),
    }
    _, is_new = StripeEvent.objects.get_or_create(id=event["id"], defaults=values)
    if is_new:
        broker.tell_on_commit("billing.tasks.handle_event", event["id"])
    return is_new


def tidy() -> None:
    """Drop events that were ignored, as other sites at the same Stripe account send them without end.

    Only long after Stripe would send one again or `reconcile_stripe` would find it: 30 days.
    """
    old = timezone.now() - IGNORED_KEPT
    delete_by_pages(StripeEvent.objects.filter(handled_at__lt=old, received_at__lt=old).exclude(ignored=""))


def handle(event_id: str) -> bool:
    """Try one stored event; True when it is handled, now or before. A failure is kept with it and tried again later."""
    event = due.claim(StripeEvent.objects.filter(UNHANDLED), event_id, lease=LEASE)
    if event is None:
        return StripeEvent.objects.filter(id=event_id).exclude(handled_at=None).exists()
    try:
        events.apply(event)
    except due.LostClaim:
        return False  # it took longer than its lease, and another worker has it
    except Exception as error:
        most = AWAY_PAUSE if isinstance(error, gateway.PaymentUnavailable) else LONGEST_PAUSE
        pause = due.growing_pause(event.attempts - 1, most=most)
        log.warning("%s: %r, again in %s", event, error, pause)
        with contextlib.suppress(due.LostClaim):
            due.put_off(event, error, still=UNHANDLED, pause=pause)
        HANDLED.add(type=event.type, outcome="failed")
        return False
    HANDLED.add(type=event.type, outcome="handled")
    return True


def handle_due(limit: int = 100) -> int:
    """Try every unhandled event that is due and return how many were handled."""
    waiting = StripeEvent.objects.filter(handled_at=None, due_at__lte=timezone.now()).order_by("received_at")
    return sum(handle(event_id) for event_id in list(waiting.values_list("id", flat=True)[:limit]))
