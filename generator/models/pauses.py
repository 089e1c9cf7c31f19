"""When nothing new is taken on, because the operator wants it so."""

from datetime import datetime

from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from generator.models.upstreams import ImageModel


class Pause(models.Model):
    """Takes on no new images, of one model or of all; what runs is finished. A row each, which goes as it is ended."""

    MESSAGE_MAX_LENGTH = 200

    model = models.ForeignKey(
        ImageModel, on_delete=models.CASCADE, null=True, blank=True, related_name="pauses", help_text="Empty: all."
    )
    message = models.CharField(max_length=MESSAGE_MAX_LENGTH, blank=True, help_text="What people and programs read.")
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(null=True, blank=True, help_text="Empty: until it is ended here.")

    class Meta:
        constraints = [models.UniqueConstraint(Coalesce(F("model"), Value(0)), name="pause_once_for_each")]

    def __str__(self) -> str:
        return str(self.model) if self.model_id else "All models"

    def holds(self, now: datetime) -> bool:
        """Tell whether it keeps anything out at this moment."""
        return self.until is None or self.until > now
