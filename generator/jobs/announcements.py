"""Whom to tell that generations have ended: rows, put down in the transaction that ends them, and sent later.

It costs one statement for all that ended together, and a second one only where somebody wants to be told. An image
has one row for each address (unique constraints), so that nobody is told twice of the same.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import FilteredRelation, Q

from generator.models import Generation, WebhookDelivery, WebhookEndpoint, WebhookEvent
from kit import wakeups
from kit.http.callbacks import host_of

TOPIC = "webhooks"  # that something is to be sent
_MOST = 400  # in a statement

State = WebhookDelivery.State


def announce(pks: Sequence[int]) -> int:
    """Put down a delivery for everybody who wants to know that these generations have ended; return how many.

    To be called in the transaction that ended them. A test image is told only to the address that its request named.
    """
    rows = [row for start in range(0, len(pks), _MOST) for row in _rows(pks[start : start + _MOST])]
    if rows:
        WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_MOST)
        wakeups.publish_on_commit(TOPIC)
    return len(rows)


def lane_of(wallet_id: int, host: str) -> str:
    """Name the queue in which an account's messages to one host stand."""
    return f"{wallet_id}:{host}"


def _rows(pks: Sequence[int]) -> Iterator[WebhookDelivery]:
    listening = Q(wallet__webhook_endpoints__state__in=WebhookEndpoint.LISTENING)
    wanted = (
        Generation.objects.filter(pk__in=pks, status__in=(Generation.Status.COMPLETED, Generation.Status.FAILED))
        .annotate(told=FilteredRelation("wallet__webhook_endpoints", condition=listening))
        .filter(Q(group__webhook_url__gt="") | Q(told__isnull=False))
        .values_list(
            "pk", "wallet_id", "status", "is_test", "group__webhook_url",
            "told__pk", "told__state", "told__url", "told__events",
        )
    )  # fmt: skip
    named: set[int] = set()
    for pk, wallet_id, status, is_test, own_url, endpoint, state, url, events in wanted:
        is_drawn = status == Generation.Status.COMPLETED
        event = WebhookEvent.COMPLETED if is_drawn else WebhookEvent.FAILED
        if own_url and pk not in named:
            named.add(pk)
            yield _row(wallet_id, own_url, generation_id=pk, event=event)
        if endpoint is not None and not is_test and event in events:
            held = State.HELD if state == WebhookEndpoint.State.PAUSED else State.PENDING
            yield _row(wallet_id, url, generation_id=pk, event=event, endpoint_id=endpoint, state=held)


def _row(wallet_id: int, url: str, **fields: Any) -> WebhookDelivery:
    host = host_of(url)
    return WebhookDelivery(wallet_id=wallet_id, url=url, host=host, lane=lane_of(wallet_id, host), **fields)
