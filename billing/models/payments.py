"""What Stripe told us: subscriptions, checkouts, payments, disputes, and its events as they came in."""

from django.db import models
from django.db.models import BooleanField, ExpressionWrapper, F, Q
from django.utils import timezone

from billing.models.catalogue import Pack, Plan
from billing.models.credits import CreditGrant
from billing.models.identity import StripeAccount
from billing.models.prices import Price
from billing.models.wallets import Wallet


class Subscription(models.Model):
    """A Stripe subscription as it last stood there. A wallet has at most one that is live at an account."""

    # Stripe's statuses; those of LIVE hold the wallet's place.
    LIVE = ("trialing", "active", "past_due", "unpaid", "paused", "incomplete")
    ENTITLED = ("trialing", "active", "past_due")  # these give the plan's limits

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="subscriptions")
    account = models.ForeignKey(StripeAccount, on_delete=models.PROTECT, related_name="subscriptions", db_index=False)
    stripe_id = models.CharField(max_length=255, unique=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, related_name="subscriptions")
    price = models.ForeignKey(Price, on_delete=models.PROTECT, null=True, related_name="subscriptions", db_index=False)
    quantity = models.PositiveIntegerField(default=1)
    stripe_price_id = models.CharField(max_length=255, blank=True)
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
        indexes = [models.Index(fields=["created_at"], name="subscription_created")]
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "account"],
                condition=Q(status__in=("trialing", "active", "past_due", "unpaid", "paused")),
                name="subscription_one_live_at_account",
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan or 'Unknown plan'}, {self.status}"

    @property
    def amount(self) -> int:
        """What each of its periods costs as it was sold, in minor units."""
        return self.price.amount * self.quantity if self.price else 0

    @property
    def credits(self) -> int:
        """What each of its periods brings as it was sold."""
        return self.price.credits * self.quantity if self.price else 0


class Order(models.Model):
    """One hosted checkout, from the click to its end."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        PENDING = "pending", "Paid, money on its way"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Expired"

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="orders")
    account = models.ForeignKey(StripeAccount, on_delete=models.PROTECT, related_name="orders", db_index=False)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="orders")
    pack = models.ForeignKey(Pack, on_delete=models.PROTECT, null=True, blank=True, related_name="orders")
    price = models.ForeignKey(
        Price, on_delete=models.PROTECT, null=True, blank=True, related_name="orders", db_index=False
    )
    idempotency_key = models.CharField(max_length=64, blank=True, help_text="Under which Stripe was asked last.")
    params = models.JSONField(default=dict, blank=True, help_text="What Stripe was asked under that key.")
    stripe_session_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    url = models.TextField(blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.OPEN)
    stripe_invoice_id = models.CharField(max_length=255, blank=True, help_text="The first invoice of a plan.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["created_at"], name="order_created")]
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "account"],
                condition=Q(status="open", pack=None),
                name="order_one_open_plan_at_account",
            )
        ]

    def __str__(self) -> str:
        return f"{self.plan or self.pack}, {self.get_status_display()}"


class Payment(models.Model):
    """Money that arrived: what refunds and disputes are matched with. Amounts are in minor units.

    `price`, `quantity` and `credits` are as sold; they are empty where that is not known any more.
    """

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="payments")
    account = models.ForeignKey(
        StripeAccount, on_delete=models.PROTECT, null=True, related_name="payments", db_index=False
    )
    reference = models.CharField(max_length=255, unique=True, help_text="`checkout:cs_…` or `invoice:in_…`")
    payment_intent = models.CharField(max_length=255, null=True, blank=True, unique=True)
    amount = models.PositiveIntegerField()
    currency = models.CharField(max_length=3)
    price = models.ForeignKey(
        Price, on_delete=models.PROTECT, null=True, blank=True, related_name="payments", db_index=False
    )
    quantity = models.PositiveIntegerField(default=1)
    credits = models.PositiveIntegerField(null=True, blank=True, help_text="That were sold for it.")
    subscription = models.ForeignKey(
        Subscription, on_delete=models.PROTECT, null=True, blank=True, related_name="payments", db_index=False
    )
    stripe_invoice_id = models.CharField(max_length=255, blank=True)
    refunded = models.PositiveIntegerField(default=0)
    read_at = models.DateTimeField(null=True, blank=True, help_text="When Stripe was asked what is refunded.")
    description = models.CharField(max_length=200)
    grant = models.OneToOneField(CreditGrant, on_delete=models.PROTECT, null=True, blank=True, related_name="payment")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["created_at", "currency", "amount"], name="payment_day"),
            models.Index(fields=["account"], name="payment_account"),
            models.Index(fields=["grant"], condition=Q(refunded__gt=0), name="payment_refunded"),
        ]

    def __str__(self) -> str:
        return f"{self.description}, {self.reference}"


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
    account = models.ForeignKey(
        StripeAccount, on_delete=models.PROTECT, null=True, blank=True, related_name="events", db_index=False
    )
    livemode = models.BooleanField(null=True, blank=True)
    ignored = models.CharField(max_length=200, blank=True, help_text="Why the books do not follow it.")
    received_at = models.DateTimeField(default=timezone.now)
    handled_at = models.DateTimeField(null=True, blank=True)
    claim = models.CharField(max_length=16, blank=True, help_text="The token of the worker that has it.")
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now, help_text="When it is tried next.")
    last_error = models.TextField(blank=True)

    class Meta:
        ordering = ["-received_at"]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(handled_at=None), name="event_unhandled"),
            models.Index(fields=["received_at"], name="event_received"),
            models.Index(fields=["received_at"], condition=Q(handled_at=None), name="event_waiting"),
            models.Index(
                ExpressionWrapper(Q(handled_at=None), BooleanField()).desc(),
                F("received_at").desc(),
                name="event_listed",
            ),
            models.Index(fields=["type", "received_at"], name="event_type"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
