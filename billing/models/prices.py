"""What was sold at which terms: prices, which are written once."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models.catalogue import Pack, Plan
from billing.models.identity import StripeAccount


class Price(models.Model):
    """What something is sold at: a price that Stripe knows, and the credits it brings. Written once, never edited.

    A plan or pack that is changed gets a new row; whoever bought at this one keeps its terms. Amounts are in minor
    units. A plan's comes again every `interval`.
    """

    stripe_id = models.CharField(max_length=255, unique=True)
    stripe_product_id = models.CharField(max_length=255, blank=True)
    account = models.ForeignKey(StripeAccount, on_delete=models.PROTECT, related_name="prices")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="prices")
    pack = models.ForeignKey(Pack, on_delete=models.PROTECT, null=True, blank=True, related_name="prices")
    amount = models.PositiveIntegerField(help_text="Minor units.")
    currency = models.CharField(max_length=3)
    interval = models.CharField(max_length=8, choices=Plan.Interval, blank=True)
    credits = models.PositiveIntegerField(help_text="What one of it brings, for each period if it recurs.")
    retired_at = models.DateTimeField(null=True, blank=True, help_text="Since then nothing is sold at it.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(plan=None) ^ Q(pack=None), name="price_of_a_plan_or_a_pack"),
        ]
        indexes = [models.Index(fields=["stripe_product_id"], name="price_of_product")]

    def __str__(self) -> str:
        return self.stripe_id

    @property
    def product(self) -> Plan | Pack:
        """What is sold at it."""
        product = self.plan or self.pack
        assert product  # as the constraint says
        return product
