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
        CODE = "code", "Redeemed code"

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
    dispute = models.ForeignKey(
        "billing.Dispute",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="grants",
        db_index=False,
        help_text="That keeps its credits back, those included that return to it.",
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
            models.Index(fields=["created_at"], condition=Q(source="welcome"), name="grant_welcome"),
            models.Index(fields=["created_at"], name="grant_created"),
            models.Index(fields=["dispute"], condition=Q(dispute__isnull=False), name="grant_dispute"),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()}: {self.remaining} of {self.amount}"

    @property
    def is_frozen(self) -> bool:
        return self.dispute_id is not None

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
    """How much of a payment was paid back by then, and what that claims of the credits that the payment brought.

    Amounts of money are minor units. What the refunds of a grant claim together goes by the last of them that stands:
    its share of the payment. So many small ones claim what one large one does.
    """

    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="refunds")
    charge = models.CharField(max_length=255, blank=True, help_text="Stripe's id of what was paid back.")
    refunded = models.PositiveIntegerField(help_text="Paid back so far, with this refund.")
    paid = models.PositiveIntegerField(help_text="What the whole payment was.")
    credits = models.PositiveIntegerField(default=0, help_text="That it claims beyond what earlier refunds do.")
    owed = models.PositiveIntegerField(default=0, help_text="Of these were out when it came: taken as they return.")
    failed_at = models.DateTimeField(null=True, blank=True, help_text="Since then it claims nothing.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["grant", "refunded"], condition=Q(failed_at=None), name="refund_once_while_it_stands"
            ),
            models.CheckConstraint(condition=Q(owed__lte=F("credits")), name="refund_owes_what_it_claims"),
        ]
        indexes = [models.Index(fields=["charge"], name="refund_charge")]

    def __str__(self) -> str:
        return f"{self.charge or self.grant}: {self.refunded} of {self.paid}"


class CreditEntry(Written):
    """One change of a wallet's balance.

    `reference` names the business event that brought it, and happens once. What only follows from another entry has
    none: `of` leads to that, and each entry is ended once.

        hold ◀─of─ settle ◀─of─ release (staff return what was spent)
        hold ◀─of─ release (no image)
        claw_back ◀─of─ restore (the refund failed, the dispute was won)
    """

    ABOUT = ("of__of", "of__refund", "of__dispute", "refund", "dispute")  # what `about` reads

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
    reference = models.CharField(max_length=200, unique=True, null=True, blank=True)
    of = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="ends",
        db_index=False,
        help_text="What it settles, releases, returns or restores.",
    )
    refund = models.ForeignKey(
        Refund, on_delete=models.PROTECT, null=True, blank=True, related_name="entries", db_index=False
    )
    dispute = models.ForeignKey(
        "billing.Dispute", on_delete=models.PROTECT, null=True, blank=True, related_name="entries", db_index=False
    )
    cause = models.CharField(max_length=300, help_text="Why, for people.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["wallet", "-id"], name="entry_history"),
            models.Index(fields=["created_at"], name="entry_day"),
            models.Index(fields=["refund"], condition=Q(refund__isnull=False), name="entry_refund"),
            models.Index(fields=["dispute"], condition=Q(dispute__isnull=False), name="entry_dispute"),
        ]
        constraints = [models.UniqueConstraint(fields=["of"], condition=Q(of__isnull=False), name="entry_ends_once")]
        verbose_name_plural = "credit entries"

    def __str__(self) -> str:
        return f"{self.amount:+d} {self.reference or self.get_kind_display()}"

    @property
    def about(self) -> str:
        """The reference of the business event that it goes back to, "" where only time has passed."""
        if self.of is not None:
            return self.of.about
        if self.refund is not None:
            return f"refund:{self.refund.charge}"
        if self.dispute is not None:
            return f"dispute:{self.dispute.stripe_id}"
        return self.reference or ""


class CreditLine(Written):
    """The share of an entry that went into or came out of one grant."""

    entry = models.ForeignKey(CreditEntry, on_delete=models.PROTECT, related_name="lines")
    grant = models.ForeignKey(CreditGrant, on_delete=models.PROTECT, related_name="lines")
    amount = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry", "grant"], name="line_once_per_grant")]

    def __str__(self) -> str:
        return f"{self.amount:+d}"
