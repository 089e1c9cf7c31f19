"""What somebody was told of, and the calls that tell it to other programs."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Alert(models.Model):
    """One trouble from its beginning to its end; while it lasts there is one row of its name."""

    name = models.CharField(max_length=120, help_text="Of the trouble.")
    words = models.CharField(max_length=500)
    cure = models.CharField(max_length=500, blank=True)
    began_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True, blank=True, help_text="When it had lasted long enough to be told.")
    seen_at = models.DateTimeField(default=timezone.now, help_text="When some worker saw it last.")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="When that had lasted long enough.")

    class Meta:
        ordering = ("-began_at",)
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=Q(ended_at=None), name="alert_once_while_it_lasts")
        ]
        indexes = [models.Index(fields=["-began_at"], name="alert_latest")]

    def __str__(self) -> str:
        return self.words


class AlertCall(models.Model):
    """A call of ALERT_WEBHOOK_URL that tells of an alert's beginning or its end. A queue, as in `kit.due`."""

    class Kind(models.TextChoices):
        BEGAN = "began", "It began"
        ENDED = "ended", "It is over"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="calls")
    kind = models.CharField(max_length=5, choices=Kind)
    due_at = models.DateTimeField(default=timezone.now)
    claim = models.CharField(max_length=16, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    sent_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True, help_text="When it was given up.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "kind"], name="alert_told_once")]
        indexes = [models.Index(fields=["due_at"], condition=Q(sent_at=None, failed_at=None), name="alertcall_due")]

    def __str__(self) -> str:
        return f"{self.alert_id}: {self.get_kind_display()}"
