"""Mails on their way out."""

from django.db import models
from django.db.models import BooleanField, ExpressionWrapper, F, Q
from django.utils import timezone

from billing.models.wallets import Wallet


class OutgoingMail(models.Model):
    """A mail that was queued; its reference makes sure that it is queued once."""

    reference = models.CharField(max_length=255, unique=True)
    wallet = models.ForeignKey(Wallet, on_delete=models.CASCADE, null=True, blank=True, related_name="mails")
    to = models.EmailField(max_length=254, blank=True, help_text="Empty: the account's address when it is sent.")
    template = models.CharField(max_length=80)
    context = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True, help_text="When it was given up.")
    claim = models.CharField(max_length=16, blank=True, help_text="The token of the worker that has it.")
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, help_text="When it is tried next.")
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name = "mail"
        indexes = [
            models.Index(fields=["due_at"], condition=Q(sent_at=None, failed_at=None), name="mail_due"),
            models.Index(fields=["failed_at"], condition=Q(failed_at__isnull=False), name="mail_failed"),
            models.Index(fields=["created_at"], name="mail_created"),
            models.Index(
                ExpressionWrapper(Q(failed_at=None), BooleanField()), F("created_at").desc(), name="mail_listed"
            ),
            models.Index(fields=["to"], condition=~Q(to=""), name="mail_to"),
        ]

    def __str__(self) -> str:
        return self.reference
