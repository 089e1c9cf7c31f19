"""Webhooks: where an account wants to be told of its images, and each message on its way there."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models import Wallet
from generator.models.generation import Generation
from generator.models.tokens import random_characters


class WebhookEvent(models.TextChoices):
    """What is told. The values are what messages call it."""

    COMPLETED = "image.completed", "Image completed"
    FAILED = "image.failed", "Image failed"


def all_events() -> list[str]:
    return list(WebhookEvent.values)


def new_endpoint_id() -> str:
    """Return a fresh `we_…`."""
    return "we_" + random_characters(20)


def new_message_id() -> str:
    """Return a fresh `msg_…`, with 142 random bits."""
    return "msg_" + random_characters(24)


class Signing(models.Model):
    """A secret that messages are signed with, and the one before it for as long as that is still good. Both sealed."""

    secret = models.CharField(max_length=300)
    old_secret = models.CharField(max_length=300, blank=True, default="")
    old_until = models.DateTimeField(null=True, blank=True, help_text="Until when messages are signed with it too.")

    class Meta:
        abstract = True


class WebhookSigner(Signing):
    """The secret of an account's messages that go to addresses which single requests name."""

    wallet = models.OneToOneField(Wallet, on_delete=models.CASCADE, related_name="webhook_signer")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Signer of {self.wallet_id}"


class WebhookEndpoint(Signing):
    """An address that is told of every image of an account. Only `webhooks.endpoints` writes it."""

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"  # by its owner: what happens meanwhile is held
        OFF = "off", "Switched off"  # by us
        DELETED = "deleted", "Deleted"

    class Reason(models.TextChoices):
        FAILING = "failing", "It failed for days"
        GONE = "gone", "It answered 410 Gone"

    LISTENING = (State.ACTIVE, State.PAUSED)

    public_id = models.CharField(max_length=40, unique=True, default=new_endpoint_id)
    wallet = models.ForeignKey(Wallet, on_delete=models.CASCADE, related_name="webhook_endpoints", db_index=False)
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=200, blank=True, default="")
    events = models.JSONField(default=all_events)
    state = models.CharField(max_length=8, choices=State, default=State.ACTIVE)
    off_because = models.CharField(max_length=8, choices=Reason, blank=True, default="")
    failing_since = models.DateTimeField(
        null=True, blank=True, help_text="The first failure since the last success, or since it was quiet."
    )
    last_failure_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["wallet", "id"], condition=~Q(state="deleted"), name="endpoint_kept"),
            models.Index(fields=["id"], condition=Q(state="deleted"), name="endpoint_deleted"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_active(self) -> bool:
        return self.state == self.State.ACTIVE

    @property
    def is_paused(self) -> bool:
        return self.state == self.State.PAUSED

    @property
    def is_off(self) -> bool:
        return self.state == self.State.OFF


class WebhookDelivery(models.Model):
    """One message to one address: the row is the truth about it, and the queue it waits in.

    It names its image and not the words to send, which are written anew for each try. `endpoint` is empty where the
    request named `url`, `generation` where somebody sent a test event.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Waiting"
        HELD = "held", "Held"  # its endpoint is paused
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    public_id = models.CharField(max_length=40, unique=True, default=new_message_id, help_text="The webhook-id.")
    wallet = models.ForeignKey(Wallet, on_delete=models.CASCADE, related_name="webhook_deliveries", db_index=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, on_delete=models.CASCADE, null=True, blank=True, related_name="deliveries", db_index=False
    )
    generation = models.ForeignKey(
        Generation, on_delete=models.CASCADE, null=True, blank=True, related_name="webhook_deliveries", db_index=False
    )
    event = models.CharField(max_length=20, choices=WebhookEvent)
    url = models.CharField(max_length=500, help_text="Where it went last; that of an endpoint may change.")
    host = models.CharField(max_length=255, help_text="Of which only so many are told at a time.")
    lane = models.CharField(max_length=280, help_text="Account and host, which take turns.")

    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    due_at = models.DateTimeField(default=timezone.now)
    claim = models.CharField(max_length=16, blank=True, default="")
    begun_at = models.DateTimeField(default=timezone.now, help_text="From when on it has a day.")
    failures = models.PositiveSmallIntegerField(default=0, help_text="Since then.")
    attempts = models.PositiveIntegerField(default=0)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Of the last answer.")
    answer = models.CharField(max_length=300, blank=True, default="", help_text="How the last answer began.")
    last_error = models.CharField(max_length=300, blank=True, default="")
    milliseconds = models.PositiveIntegerField(null=True, blank=True, help_text="What the last try took.")
    created_at = models.DateTimeField(default=timezone.now)
    tried_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "endpoint", "event"],
                condition=Q(generation__isnull=False, endpoint__isnull=False),
                name="delivery_once",
            ),
            models.UniqueConstraint(
                fields=["generation", "event"],
                condition=Q(generation__isnull=False, endpoint=None),
                name="delivery_once_by_request",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="pending"), name="delivery_due"),
            models.Index(fields=["wallet", "-id"], name="delivery_log"),
            models.Index(fields=["wallet", "-id"], condition=Q(state="failed"), name="delivery_failed"),
            models.Index(fields=["endpoint", "-id"], name="delivery_by_endpoint"),
            models.Index(
                fields=["endpoint"], condition=Q(state__in=["pending", "held"]), name="delivery_unsent_by_endpoint"
            ),
            models.Index(fields=["created_at"], name="delivery_age"),
        ]

    def __str__(self) -> str:
        return self.public_id
