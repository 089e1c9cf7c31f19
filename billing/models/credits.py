"""The grants that credits come from, and the append-only entries that move them.

A balance is the sum of a wallet's entries; `Wallet.balance` and `CreditGrant.remaining` are that sum kept at
hand, so that one conditional UPDATE decides who gets the last credit.
"""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from billing.models.history import Written
from billing.models.wallets import Wallet

PERIOD_GRACE = timedelta(days=3)  # a renewal may arrive late; the old credits wait for it


class CreditGrant(models.Model):
    """Credits that came in together and are spent until there are none left or they expire."""

    class Source(models.TextChoices):
        WELCOME = "welcome", "Welcome credits"
        PLAN = "plan", "Plan period"
        PACK = "pack", "Credit pack"
        STAFF = "staff", "Granted by staff"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="grants")
    source = models.CharField(max_length=16, choices=Source)
    amount = models.PositiveIntegerField()
    remaining = models.PositiveIntegerField()
    subscription = models.ForeignKey(
        "billing.Subscription", on_delete=models.PROTECT, null=True, blank=True, related_name="grants", db_index=False
    )
    period_start = models.DateTimeField(null=True, blank=True, help_text="Of the plan's period that brought them.")
    period_end = models.DateTimeField(null=True, blank=True, help_text="Without the days of grace.")
    expires_at = models.DateTimeField(null=True, blank=True)
    frozen_by = models.CharField(
        max_length=120, blank=True, help_text="The dispute that keeps its credits back, as an entry's reference."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(remaining__gte=0, remaining__lte=F("amount")), name="grant_remaining_within_amount"
            )
        ]
        indexes = [
            models.Index(fields=["wallet", "expires_at", "id"], condition=Q(remaining__gt=0), name="grant_spendable"),
            models.Index(fields=["expires_at"], condition=Q(remaining__gt=0), name="grant_expiring"),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()}: {self.remaining} of {self.amount}"

    @property
    def is_frozen(self) -> bool:
        return bool(self.frozen_by)

    @property
    def use_by(self) -> datetime | None:
        """Until when people are told to use it: the end of a plan's period, without the days of grace."""
        is_of_period = self.period_end and self.expires_at == self.period_end + PERIOD_GRACE
        return self.period_end if is_of_period else self.expires_at

    @property
    def is_over(self) -> bool:
        """Its time is up, and within seconds the sweep writes it off."""
        return self.expires_at is not None and self.expires_at <= timezone.now()


class Refund(models.Model):
    """What a refund, in whole or in part, claims of the credits that its payment brought. One that fails is deleted."""

    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="refunds")
    reference = models.CharField(max_length=200, unique=True, help_text="Of the entry that took what there was.")
    refunded = models.PositiveIntegerField(help_text="Minor units paid back so far, with this refund.")
    owed = models.PositiveIntegerField(help_text="Credits that were out when it came: they are taken as they return.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.reference


class CreditEntry(Written):
    """One change of a wallet's balance. `reference` names the business event and can happen only once."""

    class Kind(models.TextChoices):
        GRANT = "grant", "Granted"
        HOLD = "hold", "Set aside"
        SETTLE = "settle", "Spent"
        RELEASE = "release", "Returned"
        EXPIRE = "expire", "Expired"
        TAKE = "take", "Taken"
        CLAW_BACK = "claw_back", "Taken back"
        RESTORE = "restore", "Restored"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=16, choices=Kind)
    amount = models.IntegerField(help_text="Signed credits.")
    balance_after = models.PositiveIntegerField()
    reference = models.CharField(max_length=200, unique=True)
    cause = models.CharField(max_length=300, help_text="Why, for people.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["wallet", "-id"], name="entry_history"),
            models.Index(fields=["created_at"], name="entry_day"),
        ]
        verbose_name_plural = "credit entries"

    def __str__(self) -> str:
        return f"{self.amount:+d} {self.reference}"


class CreditLine(Written):
    """The share of an entry that went into or came out of one grant."""

    entry = models.ForeignKey(CreditEntry, on_delete=models.PROTECT, related_name="lines")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="lines")
    amount = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry", "grant"], name="line_once_per_grant")]

    def __str__(self) -> str:
        return f"{self.amount:+d}"
