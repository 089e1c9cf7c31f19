"""Deliveries: rows that are claimed, sent by the courier, put off, and kept for a month.

    pending ──claim──▶ claimed ──settle──▶ delivered | pending, later | failed
       ▲                 │                               │
       └─────lapses──────┘            resend ◀───────────┘

As in `kit.due`: whoever claims gets a token, and what a late worker writes under a lapsed one changes nothing. Only
that a message was taken is a fact, whoever has it by then: nothing is sent after it.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from billing.models import Wallet
from generator.jobs.announcements import TOPIC
from generator.models import WebhookDelivery, WebhookEndpoint
from generator.webhooks import endpoints, messages, signing
from generator.webhooks.post import Reply
from generator.webhooks.retries import Retries
from kit import wakeups
from kit.metrics import Counter
from kit.pages import delete_by_pages

LEASE = timedelta(seconds=60)  # longer than any try takes
KEPT = timedelta(days=30)
RECENTLY = timedelta(minutes=1)  # how exactly it is known when an endpoint last answered, or failed
RESENT_AT_ONCE = 10_000

SENT = Counter("reveweb_webhooks_total", "Webhook messages that were tried.", "outcome")
State = WebhookDelivery.State


@dataclass(frozen=True)
class Waiting:
    """A row that is due, as far as it has to be known to say whose turn it is."""

    pk: int
    wallet_id: int
    host: str
    lane: str


@dataclass(frozen=True)
class Parcel:
    """A claimed message, ready to be sent."""

    pk: int
    claim: str
    message_id: str
    url: str
    body: str
    secrets: tuple[str, ...]
    wallet_id: int
    host: str
    lane: str


@dataclass(frozen=True)
class Outcome:
    """What came of sending a parcel."""

    parcel: Parcel
    reply: Reply


def due(now: datetime, *, without: tuple[Iterable[int], Iterable[str], Iterable[str]], limit: int) -> list[Waiting]:
    """Return what is due, the longest overdue first, `without` some accounts, hosts and lanes."""
    wallets, hosts, lanes = without
    waiting = WebhookDelivery.objects.filter(state=State.PENDING, due_at__lte=now)
    found = waiting.exclude(wallet__in=wallets).exclude(host__in=hosts).exclude(lane__in=lanes).order_by("due_at")
    return [Waiting(*row) for row in found.values_list("pk", "wallet_id", "host", "lane")[:limit]]


def claim(pks: Sequence[int]) -> list[Parcel]:
    """Take those of these deliveries that are still due, and write what is to be sent.

    What is not to be sent any more ends here, as when its account was suspended since.
    """
    if not pks:
        return []
    now, token = timezone.now(), secrets.token_hex(8)
    still = WebhookDelivery.objects.filter(pk__in=pks, state=State.PENDING, due_at__lte=now)
    if not still.update(claim=token, due_at=now + LEASE, attempts=F("attempts") + 1, tried_at=now):
        return []
    taken = WebhookDelivery.objects.filter(pk__in=pks, claim=token).order_by("pk")
    rows = list(taken.select_related("endpoint", "wallet__user", "generation"))
    models = messages.models_of(row.generation for row in rows if row.generation)
    signers: dict[int, tuple[str, ...]] = {}
    parcels = []
    for row in rows:
        if words := _unwanted(row):
            _held(row).update(state=State.FAILED, claim="", ended_at=now, last_error=words)
        elif row.endpoint and row.endpoint.state == WebhookEndpoint.State.PAUSED:
            _held(row).update(state=State.HELD, claim="", attempts=F("attempts") - 1)
        else:
            try:
                signed_with = _secrets(row, signers, now)
            except signing.NoSecret as error:
                _held(row).update(state=State.FAILED, claim="", ended_at=now, last_error=str(error))
                continue
            parcels.append(_parcel(row, messages.body_of(row, models), signed_with))
    return parcels


def release() -> int:
    """Send what is held though its endpoint listens; return how many that were.

    An image that ended, or a message that was claimed, in the moment of a resume may have seen it paused still.
    """
    now = timezone.now()
    held = WebhookDelivery.objects.filter(state=State.HELD, endpoint__state=WebhookEndpoint.State.ACTIVE)
    return held.update(state=State.PENDING, claim="", due_at=now, begun_at=now, failures=0)


def settle(outcomes: Sequence[Outcome], retries: Retries) -> None:
    """Write down what came of some parcels, all together."""
    now = timezone.now()
    with transaction.atomic():
        answered: set[int] = set()
        failing: set[int] = set()
        gone: set[int] = set()
        rows = WebhookDelivery.objects.filter(state=State.PENDING).in_bulk([one.parcel.pk for one in outcomes])
        # In one order, so that two workers cannot wait for each other.
        for outcome in sorted(outcomes, key=lambda one: one.parcel.pk):
            reply, row = outcome.reply, rows.get(outcome.parcel.pk)
            if row is None:
                continue
            SENT.add(outcome="taken" if reply.is_taken else "failed")
            told: dict[str, object] = {
                "url": outcome.parcel.url,
                "status": reply.status,
                "answer": reply.answer,
                "milliseconds": reply.milliseconds,
            }
            if reply.is_taken:
                _unended(row).update(state=State.DELIVERED, claim="", ended_at=now, last_error="", **told)
                answered.add(row.endpoint_id or 0)
            elif row.claim == outcome.parcel.claim:
                _put_off(row, outcome, retries, now, told)
                (gone if reply.is_gone else failing).add(row.endpoint_id or 0)
        _note_answers(answered, now)
        _note_failures(failing - answered - gone, now)
        for endpoint in WebhookEndpoint.objects.filter(pk__in=gone).select_related("wallet__user").order_by("pk"):
            endpoints.switch_off(endpoint, WebhookEndpoint.Reason.GONE)


def _put_off(row: WebhookDelivery, outcome: Outcome, retries: Retries, now: datetime, told: dict[str, object]) -> None:
    reply, failures = outcome.reply, row.failures + 1
    pause = retries.pause(failures, begun=row.begun_at, now=now, asked=reply.retry_after)
    values = {**told, "claim": "", "failures": failures, "last_error": reply.error}
    if reply.is_gone or pause is None:
        _held(row).update(state=State.FAILED, ended_at=now, **values)
    else:
        _held(row).update(due_at=now + pause, **values)


def _note_answers(pks: set[int], now: datetime) -> None:
    if pks:
        news = Q(last_success_at=None) | Q(last_success_at__lt=now - RECENTLY) | Q(failing_since__isnull=False)
        WebhookEndpoint.objects.filter(news, pk__in=pks).update(last_success_at=now, failing_since=None)


def _note_failures(pks: set[int], now: datetime) -> None:
    if not pks:
        return
    failing = WebhookEndpoint.objects.filter(pk__in=pks)
    # Days on which nothing was tried are no days of failure: after them a row of failures begins anew.
    quiet = Q(last_failure_at=None) | Q(last_failure_at__lt=now - endpoints.QUIET)
    failing.filter(Q(failing_since=None) | quiet).update(failing_since=now, last_failure_at=now)
    failing.filter(last_failure_at__lt=now - RECENTLY).update(last_failure_at=now)
    lost = failing.filter(failing_since__lte=now - endpoints.FAILING)
    for endpoint in lost.select_related("wallet__user").order_by("pk"):
        endpoints.switch_off(endpoint, WebhookEndpoint.Reason.FAILING)


def resend(delivery: WebhookDelivery) -> bool:
    """Send a message again that has ended, with a day of its own; False when it waits, or has nowhere to go."""
    return bool(_resend(WebhookDelivery.objects.filter(pk=delivery.pk, state__in=(State.DELIVERED, State.FAILED))))


def resend_failed(wallet: Wallet, endpoint: WebhookEndpoint | None = None) -> int:
    """Send all again that failed, of an account or of one endpoint, the newest where they are many; return how many."""
    failed = WebhookDelivery.objects.filter(wallet=wallet, state=State.FAILED)
    if endpoint is not None:
        failed = failed.filter(endpoint=endpoint)
    newest = failed.order_by("-pk").values_list("pk", flat=True)[:RESENT_AT_ONCE]
    return sum(
        _resend(WebhookDelivery.objects.filter(pk__in=some, state=State.FAILED)) for some in _by(500, list(newest))
    )


def give_up_all(words: str) -> int:
    """End every message that was still to be sent, for the reason in `words`; return how many there were."""
    unsent = WebhookDelivery.objects.filter(state__in=(State.PENDING, State.HELD))
    return unsent.update(state=State.FAILED, claim="", ended_at=timezone.now(), last_error=words)


def purge() -> int:
    """Drop what ended a month ago, and endpoints that were deleted once nothing is left of them.

    What a paused endpoint holds is kept, however long that is: it goes out when its owner resumes it.
    """
    before = timezone.now() - KEPT
    # Nothing ends before it is there, and of the two only `created_at` has an index.
    done = delete_by_pages(WebhookDelivery.objects.filter(created_at__lt=before, ended_at__lt=before))
    gone = WebhookEndpoint.objects.filter(state=WebhookEndpoint.State.DELETED, deliveries=None)
    WebhookEndpoint.objects.filter(pk__in=list(gone.values_list("pk", flat=True)[:RESENT_AT_ONCE])).delete()
    return done


@transaction.atomic
def _resend(ended: QuerySet[WebhookDelivery]) -> int:
    reachable = Q(endpoint=None) | Q(endpoint__state__in=WebhookEndpoint.LISTENING)
    now = timezone.now()
    pks = list(ended.filter(reachable).values_list("pk", flat=True))
    sent = ended.filter(pk__in=pks).update(
        state=State.PENDING, claim="", due_at=now, begun_at=now, failures=0, ended_at=None
    )
    if sent:
        wakeups.publish_on_commit(TOPIC)
    return sent


def _unwanted(row: WebhookDelivery) -> str:
    """Say why a message is not to be sent any more; "" where it is."""
    user = row.wallet.user
    if not user.is_active or user.deleted_at is not None:
        return "The account was suspended."
    if row.endpoint and row.endpoint.state not in WebhookEndpoint.LISTENING:
        is_off = row.endpoint.state == WebhookEndpoint.State.OFF
        return endpoints.SWITCHED_OFF if is_off else endpoints.DELETED
    if row.generation and row.generation.deleted_at is not None:
        return "The image was deleted before it was told of."
    return ""


def _secrets(row: WebhookDelivery, signers: dict[int, tuple[str, ...]], now: datetime) -> tuple[str, ...]:
    if row.endpoint:
        return signing.good_secrets(row.endpoint, now)
    if row.wallet_id not in signers:
        signers[row.wallet_id] = signing.good_secrets(signing.signer_of(row.wallet), now)
    return signers[row.wallet_id]


def _parcel(row: WebhookDelivery, body: str, signed_with: tuple[str, ...]) -> Parcel:
    url = row.endpoint.url if row.endpoint else row.url
    return Parcel(row.pk, row.claim, row.public_id, url, body, signed_with, row.wallet_id, row.host, row.lane)


def _held(row: WebhookDelivery) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(pk=row.pk, claim=row.claim, state=State.PENDING)


def _unended(row: WebhookDelivery) -> QuerySet[WebhookDelivery]:
    return WebhookDelivery.objects.filter(pk=row.pk, state=State.PENDING)


def _by(size: int, pks: list[int]) -> Iterable[list[int]]:
    return (pks[start : start + size] for start in range(0, len(pks), size))
