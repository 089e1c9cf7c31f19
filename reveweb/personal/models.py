"""Long work for one person: packing an export, deleting an account. The row is the truth about it, and its queue."""

import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


def new_token() -> str:
    """Return an unguessable name, 192 random bits."""
    return secrets.token_urlsafe(24)


class PersonalTask(models.Model):
    """One export or deletion. Only `personal.jobs` changes `state`."""

    class Kind(models.TextChoices):
        EXPORT = "export", "Export"
        DELETION = "deletion", "Deletion"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        DROPPED = "dropped", "Dropped"  # its file expired, or another task took its place

    OPEN = (State.WAITING, State.RUNNING)
    EXPIRING = (State.DONE, State.FAILED)  # one that failed may leave a part of its file

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="personal_tasks")
    kind = models.CharField(max_length=8, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    token = models.CharField(max_length=40, unique=True, default=new_token, editable=False)
    step = models.CharField(max_length=80, blank=True, help_text="What is being done, for its person.")
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    file_size = models.PositiveBigIntegerField(null=True, help_text="Bytes of the packed export.")

    claim = models.CharField(max_length=32, blank=True, help_text="The worker that has it.")
    due_at = models.DateTimeField(
        default=timezone.now, help_text="When a worker should look next; while one works on it, when its claim lapses."
    )
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)

    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True, help_text="When an export's file is deleted.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(state__in=["waiting", "running"]), name="personal_task_one_at_a_time"
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=["waiting", "running"]), name="personal_task_due"),
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=["done", "failed"], expires_at__isnull=False),
                name="personal_task_expiring",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}, {self.get_state_display()}"

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.state in self.OPEN

    @property
    def percent(self) -> int:
        """How far it is, 0 to 100."""
        return min(100, self.done * 100 // self.total) if self.total else 0

    @property
    def file_path(self) -> str:
        """Where the private storage has an export's file."""
        return f"exports/{self.token}.zip"
