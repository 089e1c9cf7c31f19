"""What is for sale: plans and packs, as they stand now."""

from django.db import models
from django.db.models import Q


class Product(models.Model):
    """Something for sale that an operator edits. Prices are in minor units (cents) of `currency`."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    credits = models.PositiveIntegerField()
    price = models.PositiveIntegerField(default=0, help_text="Minor units, as in 900 for 9.00.")
    currency = models.CharField(max_length=3, default="usd", help_text="ISO 4217, lower case.")
    active = models.BooleanField(default=True, help_text="Off: no longer sold; whoever has it keeps it.")
    order = models.PositiveSmallIntegerField(default=0)

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
