"""Acts of staff on many rows: what is to be done, and a line for each row with what became of it."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class Bulk(models.Model):
    """One act on many rows. The row is the queue: a worker claims it (`kit.due`) and does its lines one by one.

    CHECKING ──▶ READY ──confirm──▶ RUNNING ──▶ DONE
        │          │                 ▲  │
        ▼          │           resume│  │pause
     FAULTY        │                 │  ▼
        └──────────┴──cancel──▶ CANCELLED ◀── PAUSED
    """

    class State(models.TextChoices):
        CHECKING = "checking", "Being checked"
        FAULTY = "faulty", "Has faults"
        READY = "ready", "To be confirmed"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"

    WORKED = (State.CHECKING, State.RUNNING)  # by a worker
    OPEN = (State.CHECKING, State.FAULTY, State.READY)  # nothing was done yet

    act = models.CharField(max_length=40, help_text="One of `billing.bulk.kinds`.")
    source = models.CharField(max_length=300, help_text="The file, or the filter in words.")
    values = models.JSONField(default=dict, help_text="What is the same for all lines, as how many credits.")
    reason = models.CharField(max_length=300, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False)
    state = models.CharField(max_length=12, choices=State, default=State.READY)
    file = models.BinaryField(null=True, help_text="Compressed, until it was checked.")
    file_digest = models.CharField(max_length=64, blank=True)
    total = models.PositiveIntegerField(default=0, help_text="Lines.")
    counts = models.JSONField(default=dict, help_text="How its lines ended, once it has.")
    due_at = models.DateTimeField(default=timezone.now)
    claim = models.CharField(max_length=32, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "act on many"
        verbose_name_plural = "acts on many"
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(state__in=["checking", "running"]), name="bulk_to_be_worked_on"
            ),
            models.Index(fields=["file_digest"], condition=~models.Q(file_digest=""), name="bulk_of_a_file"),
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.pk}"


class BulkLine(models.Model):
    """One row of an act on many. Whoever moves it from WAITING does it, in the same transaction: so it is done once."""

    class State(models.TextChoices):
        FAULTY = "faulty", "Wrong"
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        SKIPPED = "skipped", "Nothing to do"
        FAILED = "failed", "Failed"

    bulk = models.ForeignKey(Bulk, on_delete=models.CASCADE, related_name="lines", db_index=False)
    number = models.PositiveIntegerField(help_text="Of a file its line.")
    target = models.CharField(max_length=255, help_text="The key of the row that it is about.")
    label = models.CharField(max_length=320, help_text="What people know that row by.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", help_text="Whose it is."
    )
    values = models.JSONField(default=dict, help_text="What is this line's own.")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    words = models.CharField(max_length=300, blank=True, help_text="What is wrong, or became of it.")

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["bulk", "number"], name="bulk_line_once")]
        indexes = [models.Index(fields=["bulk", "state", "number"], name="bulk_line_next")]

    def __str__(self) -> str:
        return f"{self.number}: {self.label}"
