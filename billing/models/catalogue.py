"""What is sold: plans, packs, and the prices that Stripe knows."""

from django.db import models
from django.db.models import Q
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
