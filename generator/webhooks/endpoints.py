"""The addresses that an account is told at: kept by its owner, switched off by us when they fail for days.

Whoever changes one holds its row, so that nothing is sent to an address that was paused or deleted before.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from billing import ledger
from billing.models import Wallet
from billing.outbox import mail
from generator.errors import EndpointNotFound, TooManyEndpoints
from generator.jobs.announcements import TOPIC, lane_of
from generator.models import ENDPOINT_ID, WebhookDelivery, WebhookEndpoint, WebhookEvent, WebhookSigner
from generator.webhooks import signing
from kit import wakeups
from kit.http.callbacks import host_of
from kit.pages import delete_by_pages

MOST_ENDPOINTS = 10  # of an account
FAILING = timedelta(days=3)  # without one success, after which an endpoint is switched off
QUIET = timedelta(hours=24)  # without a try, after which it is not known any more that an endpoint fails
SWITCHED_OFF = "The endpoint was switched off."
DELETED = "The endpoint was deleted."

State = WebhookEndpoint.State
Reason = WebhookEndpoint.Reason
Delivery = WebhookDelivery


def of(wallet: Wallet) -> QuerySet[WebhookEndpoint]:
    """The account's endpoints, the oldest first."""
    return WebhookEndpoint.objects.filter(wallet=wallet).exclude(state=State.DELETED).order_by("pk")


def find(wallet: Wallet, public_id: str) -> WebhookEndpoint:
    """Return one of the account's endpoints. Raises EndpointNotFound."""
    found = of(wallet).filter(public_id=public_id).first() if ENDPOINT_ID.fullmatch(public_id) else None
    if found is None:
        raise EndpointNotFound
    return found


def add(wallet: Wallet, *, url: str, description: str = "", events: Sequence[str] = ()) -> WebhookEndpoint:
    """Add an endpoint, told of `events` or of all. Raises TooManyEndpoints."""
    with ledger.books(wallet):  # two at once would both find room
        if of(wallet).count() >= MOST_ENDPOINTS:
            raise TooManyEndpoints(MOST_ENDPOINTS)
        return WebhookEndpoint.objects.create(
            wallet=wallet,
            url=url,
            description=description,
            events=in_order(events),
            secret=signing.new_secret(),
        )


def edit(endpoint: WebhookEndpoint, *, url: str, description: str, events: Sequence[str]) -> None:
    """Change where an endpoint is and what it is told; another address begins with a clean record."""
    values: dict[str, object] = {"url": url, "description": description, "events": in_order(events)}
    if url != endpoint.url:
        values |= {"failing_since": None}
    _kept(endpoint).update(**values)


def rotate(endpoint: WebhookEndpoint) -> None:
    """Give an endpoint another secret; messages are signed with both for a day."""
    _kept(endpoint).filter(secret=endpoint.secret).update(**signing.rotated(endpoint))


def rotate_signer(wallet: Wallet) -> None:
    """Give the account another secret for addresses that requests name; messages are signed with both for a day."""
    signer = signing.signer_of(wallet)
    type(signer).objects.filter(pk=signer.pk, secret=signer.secret).update(**signing.rotated(signer))


@transaction.atomic
def pause(endpoint: WebhookEndpoint) -> None:
    """Send nothing there until `resume`; what happens meanwhile is held."""
    if _kept(endpoint).filter(state=State.ACTIVE).update(state=State.PAUSED):
        waiting = Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.PENDING, claim="")
        waiting.update(state=Delivery.State.HELD)


@transaction.atomic
def resume(endpoint: WebhookEndpoint) -> None:
    """Send there again, what was held first: each message has another day. Also what we had switched off."""
    stopped = _kept(endpoint).filter(state__in=(State.PAUSED, State.OFF))
    if stopped.update(state=State.ACTIVE, off_because="", failing_since=None):
        now = timezone.now()
        held = Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.HELD)
        held.update(state=Delivery.State.PENDING, due_at=now, begun_at=now, failures=0)
        wakeups.publish_on_commit(TOPIC)


@transaction.atomic
def delete(endpoint: WebhookEndpoint) -> None:
    """Delete an endpoint; its messages stay on record for as long as all do."""
    if _kept(endpoint).update(state=State.DELETED, secret="", old_secret="", old_until=None):
        _end_unsent(endpoint, DELETED)


@transaction.atomic
def switch_off(endpoint: WebhookEndpoint, reason: Reason) -> bool:
    """Send nothing there any more, and tell the owner; False when that was so already."""
    moved = _kept(endpoint).filter(state__in=WebhookEndpoint.LISTENING).update(state=State.OFF, off_because=reason)
    if moved:
        _end_unsent(endpoint, SWITCHED_OFF)
        mail.queue(
            endpoint.wallet,
            "webhook_off",
            reference=f"webhook_off:{endpoint.public_id}:{timezone.now():%Y-%m-%dT%H:%M}",
            url=endpoint.url,
            reason=str(reason),
            path=reverse("webhook", args=[endpoint.public_id]),
        )
    return bool(moved)


@transaction.atomic
def send_test(endpoint: WebhookEndpoint) -> WebhookDelivery:
    """Queue a message with an image that does not exist, marked as a test."""
    host = host_of(endpoint.url)
    event = endpoint.events[0] if endpoint.events else WebhookEvent.COMPLETED
    delivery = Delivery.objects.create(
        wallet_id=endpoint.wallet_id,
        endpoint=endpoint,
        event=event,
        url=endpoint.url,
        host=host,
        lane=lane_of(endpoint.wallet_id, host),
    )
    wakeups.publish_on_commit(TOPIC)
    return delivery


def forget(wallet: Wallet) -> None:
    """Remove all that is known of where an account wanted to be told, as it is closed."""
    delete_by_pages(WebhookDelivery.objects.filter(wallet=wallet))
    WebhookEndpoint.objects.filter(wallet=wallet).delete()
    WebhookSigner.objects.filter(wallet=wallet).delete()
    wallet.groups.exclude(webhook_url="").update(webhook_url="")


def in_order(events: Sequence[str]) -> list[str]:
    """Return the events that are named, in our order; all of them where none is."""
    return [event for event in WebhookEvent.values if event in events or not events]


def _kept(endpoint: WebhookEndpoint) -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.filter(pk=endpoint.pk).exclude(state=State.DELETED)


def _end_unsent(endpoint: WebhookEndpoint, words: str) -> None:
    unsent = Delivery.objects.filter(endpoint=endpoint, state__in=(Delivery.State.PENDING, Delivery.State.HELD))
    unsent.update(state=Delivery.State.FAILED, claim="", ended_at=timezone.now(), last_error=words)
