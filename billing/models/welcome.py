"""Welcome credits that were held back, and how many were given to each network."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models.wallets import Wallet


class HeldWelcome(models.Model):
    """The welcome credits that somebody did not get, and why. They get them with another address, or from staff."""

    class Reason(models.TextChoices):
        DISPOSABLE = "disposable", "Disposable address"
        MAILBOX = "mailbox", "Mailbox had them already"
        NETWORK = "network", "Too many from one network"

    wallet = models.OneToOneField(Wallet, on_delete=models.CASCADE, related_name="held_welcome")
    reason = models.CharField(max_length=16, choices=Reason)
    credits = models.PositiveIntegerField()
    held_at = models.DateTimeField(default=timezone.now)
    given_at = models.DateTimeField(null=True, blank=True, help_text="When they were given after all.")

    class Meta:
        ordering = ["-held_at", "-pk"]
        verbose_name = "welcome held back"
        verbose_name_plural = "welcomes held back"
        indexes = [
            models.Index(fields=["-held_at", "-id"], name="held_welcome_newest"),
            models.Index(fields=["reason", "-held_at"], condition=Q(given_at=None), name="held_welcome_standing"),
        ]

    def __str__(self) -> str:
        return f"{self.credits} credits: {self.get_reason_display()}"


class WelcomeDay(models.Model):
    """How many people of a network were welcomed on a day (UTC). Dropped after two days."""

    network = models.CharField(max_length=43)
    day = models.DateField()
    given = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["network", "day"], name="welcome_day_once")]
        indexes = [models.Index(fields=["day"], name="welcome_day")]

    def __str__(self) -> str:
        return f"{self.given} from {self.network} on {self.day}"
