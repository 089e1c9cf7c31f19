"""Backups that are made by themselves: a row for each night."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class NightlyBackup(models.Model):
    """One night's backup: the row is its queue (`kit.due`), and what came of it. Only `backup.nights` writes it."""

    night = models.DateField(unique=True)
    due_at = models.DateTimeField(
        default=timezone.now, help_text="When it is begun next; while it is made, when its claim lapses."
    )
    claim = models.CharField(max_length=16, blank=True, default="", help_text="The process that makes it.")
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    done_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True, help_text="When it was given up.")
    place = models.CharField(max_length=1200, blank=True, default="", help_text="Where it lies.")
    size = models.BigIntegerField(null=True, blank=True, help_text="Bytes.")

    class Meta:
        indexes = [models.Index(fields=["-night"], condition=Q(done_at__isnull=False), name="nightly_backup_done")]

    def __str__(self) -> str:
        return f"Backup of {self.night}"
