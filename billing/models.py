"""Accounts, the grants that credits come from, and the append-only entries that move them.

A balance is the sum of an account's entries; `Account.balance` and `CreditGrant.remaining` are that sum kept at
hand, so that one conditional UPDATE decides who gets the last credit.
"""

from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Account(models.Model):
    """What a user's credits belong to."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="account")
    balance = models.PositiveIntegerField(default=0, help_text="Credits that can be spent now.")
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Generate requests a minute; empty: the site's default."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(balance__gte=0), name="account_balance_not_negative")]

    def __str__(self) -> str:
        return str(self.user)


class CreditGrant(models.Model):
    """A bucket of credits that came in together and is spent until it is empty or expires."""

    class Source(models.TextChoices):
        WELCOME = "welcome", "Welcome credits"
        PLAN = "plan", "Plan period"
        PACK = "pack", "Credit pack"
        STAFF = "staff", "Granted by staff"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="grants")
    source = models.CharField(max_length=16, choices=Source)
    amount = models.PositiveIntegerField()
    remaining = models.PositiveIntegerField()
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(remaining__gte=0, remaining__lte=F("amount")), name="grant_remaining_within_amount"
            )
        ]
        indexes = [
            models.Index(fields=["account", "expires_at", "id"], condition=Q(remaining__gt=0), name="grant_spendable"),
            models.Index(fields=["expires_at"], condition=Q(remaining__gt=0), name="grant_expiring"),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()}: {self.remaining} of {self.amount}"


class AppendOnly(models.QuerySet[Any]):
    """Rows that are written once: history is corrected by a further entry, never by a change."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Entries are never changed.")

    def delete(self) -> NoReturn:
        raise TypeError("Entries are never deleted.")


class CreditEntry(models.Model):
    """One change of an account's balance. `reference` names the business event and can happen only once."""

    class Kind(models.TextChoices):
        GRANT = "grant", "Granted"
        HOLD = "hold", "Set aside"
        SETTLE = "settle", "Spent"
        RELEASE = "release", "Returned"
        EXPIRE = "expire", "Expired"
        TAKE = "take", "Taken"

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries")
    kind = models.CharField(max_length=16, choices=Kind)
    amount = models.IntegerField(help_text="Signed credits.")
    balance_after = models.PositiveIntegerField()
    reference = models.CharField(max_length=120, unique=True)
    cause = models.CharField(max_length=300, help_text="Why, for people.")
    created_at = models.DateTimeField(default=timezone.now)
    objects: ClassVar[models.Manager["CreditEntry"]] = AppendOnly.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["account", "-id"], name="entry_history")]
        verbose_name_plural = "credit entries"

    def __str__(self) -> str:
        return f"{self.amount:+d} {self.reference}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("Entries are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Entries are never deleted.")


class CreditLine(models.Model):
    """The share of an entry that went into or came out of one grant."""

    entry = models.ForeignKey(CreditEntry, on_delete=models.PROTECT, related_name="lines")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="lines")
    amount = models.IntegerField()
    objects: ClassVar[models.Manager["CreditLine"]] = AppendOnly.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry", "grant"], name="line_once_per_grant")]

    def __str__(self) -> str:
        return f"{self.amount:+d}"
