"""Refunds that staff ask Stripe for."""

from datetime import timedelta
from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models.payments import Payment

LATE = timedelta(minutes=10)  # Stripe tells of what it did within seconds


def new_key() -> str:
    """Return an idempotency key that was never used."""
    return uuid4().hex


class StaffRefund(models.Model):
    """What staff wanted to pay back of a payment. On record before Stripe is asked, so that it is paid back once.

    While it is `asked` it is a queue of `kit.due`. The books do not follow it but Stripe's events, as for any refund.
    """

    class Status(models.TextChoices):
        ASKED = "asked", "Waits for Stripe"
        MADE = "made", "Made"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed at the bank"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="staff_refunds")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="staff_refunds"
    )
    amount = models.PositiveIntegerField(help_text="Minor units.")
    reason = models.CharField(max_length=300)
    nonce = models.UUIDField(unique=True, help_text="Of the form: one that is sent twice asks once.")
    idempotency_key = models.CharField(max_length=64, default=new_key, help_text="Under which Stripe is asked.")
    status = models.CharField(max_length=8, choices=Status, default=Status.ASKED)
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When Stripe was first asked.")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When Stripe made or refused it.")
    claim = models.CharField(max_length=16, blank=True, help_text="The token of whoever is asking Stripe.")
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, help_text="When Stripe is asked next.")
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "refund"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="staff_refund_of_something"),
            models.UniqueConstraint(fields=["payment"], condition=Q(status="asked"), name="staff_refund_one_at_a_time"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(status="asked"), name="staff_refund_asked")]

    def __str__(self) -> str:
        return f"{self.stripe_id or self.get_status_display()} of {self.payment_id}"

    @property
    def is_late(self) -> bool:
        """The books should have heard of it long ago."""
        return self.is_on_its_way and self.ended_at is not None and self.ended_at < timezone.now() - LATE

    @property
    def is_on_its_way(self) -> bool:
        """Stripe has made it, and the books have not heard of it yet."""
        if self.status != self.Status.MADE or self.asked_at is None:
            return False
        return self.payment.read_at is None or self.payment.read_at < self.asked_at
