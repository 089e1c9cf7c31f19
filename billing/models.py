"""Wallets, the grants that credits come from, and the append-only entries that move them.

A balance is the sum of a wallet's entries; `Wallet.balance` and `CreditGrant.remaining` are that sum kept at
hand, so that one conditional UPDATE decides who gets the last credit.
"""

from typing import Any, ClassVar, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Product(models.Model):
    """Something for sale that an operator edits. Prices are in minor units (cents) of `currency`."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    credits = models.PositiveIntegerField()
    price = models.PositiveIntegerField(default=0, help_text="Minor units, as in 900 for 9.00.")
    currency = models.CharField(max_length=3, default="usd", help_text="ISO 4217, lower case.")
    active = models.BooleanField(default=True, help_text="Off: no longer sold; whoever has it keeps it.")
    order = models.PositiveSmallIntegerField(default=0)
    stripe_product_id = models.CharField(max_length=255, blank=True, editable=False)

    class Meta:
        abstract = True
        ordering = ["order", "price"]

    def __str__(self) -> str:
        return self.name


class Plan(Product):
    """What a wallet is entitled to: credits each period, and limits. The plan without a price is the free one."""

    class Interval(models.TextChoices):
        ONCE = "", "Once"
        MONTH = "month", "Month"
        YEAR = "year", "Year"

    interval = models.CharField(max_length=8, choices=Interval, blank=True, default=Interval.MONTH)
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Generate requests a minute; empty: the site's default."
    )
    max_in_flight = models.PositiveIntegerField(
        null=True, blank=True, help_text="Unfinished images at a time; empty: as many as there are credits."
    )

    class Meta(Product.Meta):
        constraints = [
            models.CheckConstraint(
                condition=Q(price=0, interval="") | Q(price__gt=0, interval__in=["month", "year"]),
                name="plan_is_free_or_recurring",
            )
        ]


class Pack(Product):
    """Credits that are bought once and never expire."""

    class Meta(Product.Meta):
        constraints = [models.CheckConstraint(condition=Q(price__gt=0), name="pack_has_a_price")]


class StripePrice(models.Model):
    """A price that Stripe knows. A changed price is a new row; subscribers stay on the row they came in at."""

    stripe_id = models.CharField(max_length=255, unique=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="stripe_prices")
    pack = models.ForeignKey(Pack, on_delete=models.PROTECT, null=True, blank=True, related_name="stripe_prices")
    amount = models.PositiveIntegerField(help_text="Minor units.")
    currency = models.CharField(max_length=3)
    retired_at = models.DateTimeField(null=True, blank=True, help_text="Since then nothing is sold at it.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(plan=None) ^ Q(pack=None), name="price_of_a_plan_or_a_pack"),
        ]

    def __str__(self) -> str:
        return self.stripe_id


class Wallet(models.Model):
    """What a user's credits belong to."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="wallet")
    balance = models.PositiveIntegerField(default=0, help_text="Credits that can be spent now.")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True, help_text="Empty: the free plan.")
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Generate requests a minute; empty: as the plan says."
    )
    stripe_customer_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    low_balance_at = models.DateTimeField(null=True, blank=True, help_text="When a mail last said that few are left.")
    crossed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the balance crossed LOW_BALANCE_CREDITS; empty: that was seen to."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(balance__gte=0), name="account_balance_not_negative")]
        indexes = [models.Index(fields=["crossed_at"], condition=Q(crossed_at__isnull=False), name="account_crossed")]
        permissions = [  # what `billing.staff` asks for
            ("grant_few", "Can grant credits up to SUPPORT_GRANT_LIMIT in one act"),
            ("grant_any", "Can grant any number of credits"),
            ("take_credits", "Can take credits"),
            ("return_credit", "Can return the credit of an image"),
            ("change_limits", "Can change somebody's plan and rate limit"),
            ("suspend_user", "Can suspend and restore people"),
            ("revoke_key", "Can revoke people's API keys"),
            ("retry_event", "Can try a Stripe event again"),
            ("assign_role", "Can give people a role"),
            ("resend_mail", "Can send a mail again that failed"),
        ]

    def __str__(self) -> str:
        return str(self.user)

    @property
    def requests_per_minute(self) -> int:
        """How many generate requests its person may make a minute: their own limit, the plan's, or the site's."""
        own_then_plans = (self.rate_limit, self.plan.rate_limit if self.plan else None)
        return next((limit for limit in own_then_plans if limit is not None), int(settings.RATE_LIMIT_PER_MINUTE))


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


class AppendOnly(models.QuerySet[Any]):
    """Rows that are written once: history is corrected by a further entry, never by a change."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Entries are never changed.")

    def delete(self) -> NoReturn:
        raise TypeError("Entries are never deleted.")


class Written(models.Model):
    """A row of the history: written once, then only read."""

    objects: ClassVar[models.Manager[Any]] = AppendOnly.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("Entries are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Entries are never deleted.")


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


class Subscription(models.Model):
    """A Stripe subscription as it last stood there. A wallet has at most one that is live."""

    # Stripe's statuses; those of LIVE hold the wallet's place.
    LIVE = ("trialing", "active", "past_due", "unpaid", "paused", "incomplete")
    ENTITLED = ("trialing", "active", "past_due")  # these give the plan's limits

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="subscriptions")
    stripe_id = models.CharField(max_length=255, unique=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, related_name="subscriptions")
    price_id = models.CharField(max_length=255, blank=True)
    item_id = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=32)
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True, help_text="When it ends, if it was cancelled.")
    changing_at = models.DateTimeField(
        null=True, blank=True, help_text="A change of plan has been under way at Stripe since then."
    )
    read_at = models.DateTimeField(null=True, blank=True, help_text="When Stripe was asked for what stands here.")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["wallet"],
                condition=Q(status__in=("trialing", "active", "past_due", "unpaid", "paused")),
                name="subscription_one_live",
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan or 'Unknown plan'}, {self.status}"


class Order(models.Model):
    """One hosted checkout, from the click to its end."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        PENDING = "pending", "Paid, money on its way"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Expired"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="orders")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="orders")
    pack = models.ForeignKey(Pack, on_delete=models.PROTECT, null=True, blank=True, related_name="orders")
    stripe_session_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    url = models.TextField(blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    stripe_invoice_id = models.CharField(max_length=255, blank=True, help_text="The first invoice of a plan.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["wallet"], condition=Q(status="open", pack=None), name="order_one_open_for_a_plan"
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan or self.pack}, {self.get_status_display()}"


class Payment(models.Model):
    """Money that arrived: what refunds and disputes are matched with. Amounts are in minor units."""

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="payments")
    reference = models.CharField(max_length=255, unique=True, help_text="`checkout:cs_…` or `invoice:in_…`")
    payment_intent = models.CharField(max_length=255, null=True, blank=True, unique=True)
    amount = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    refunded = models.PositiveIntegerField(default=0)
    read_at = models.DateTimeField(null=True, blank=True, help_text="When Stripe was asked what is refunded.")
    description = models.CharField(max_length=200)
    grant = models.OneToOneField(CreditGrant, on_delete=models.PROTECT, null=True, blank=True, related_name="payment")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.description}: {self.amount / 100:.2f} {self.currency.upper()}"


class Dispute(models.Model):
    """A payment that its payer's bank questions."""

    stripe_id = models.CharField(max_length=255, unique=True)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="disputes")
    status = models.CharField(max_length=40)
    reason = models.CharField(max_length=80, blank=True)
    amount = models.PositiveIntegerField(help_text="Minor units.")
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.stripe_id}, {self.status}"


class StripeEvent(models.Model):
    """A webhook as it came in; handled when the books have followed it."""

    id = models.CharField(primary_key=True, max_length=255)
    type = models.CharField(max_length=100)
    api_version = models.CharField(max_length=40, blank=True)
    payload = models.JSONField()
    received_at = models.DateTimeField(default=timezone.now)
    handled_at = models.DateTimeField(null=True, blank=True)
    claim = models.CharField(max_length=16, blank=True, help_text="The token of the worker that has it.")
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, help_text="When it is tried next.")
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["-received_at"]
        indexes = [models.Index(fields=["due_at"], condition=Q(handled_at=None), name="event_unhandled")]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


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
        ]

    def __str__(self) -> str:
        return self.reference


class AuditRecord(Written):
    """What a member of staff did, to whom, and why. Never edited."""

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="audit_records"
    )
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, null=True, blank=True, related_name="audit_records")
    action = models.CharField(max_length=60)
    reason = models.CharField(max_length=300)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"
