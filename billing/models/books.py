"""What is kept so that the books open at once: sums of days that are over, and what comparisons found."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class BooksDay(models.Model):
    """What was written on one day that is over, added up. Days are in UTC; only `reveweb.books` writes it.

    Entries are append-only, so these sums can be counted anew at any time and are the same. Credits:

        sold + staff + welcome + other − spent + returned − expired − taken
            = the change of what people have, with what is set aside for images that are under way
    """

    CREDITS = ("sold", "staff", "welcome", "other", "spent", "returned", "expired", "taken")

    day = models.DateField(unique=True)
    sold = models.BigIntegerField(default=0, help_text="Of plans and packs.")
    staff = models.BigIntegerField(default=0)
    welcome = models.BigIntegerField(default=0)
    other = models.BigIntegerField(default=0, help_text="Granted from any other source.")
    spent = models.BigIntegerField(default=0, help_text="Holds that were settled.")
    returned = models.BigIntegerField(default=0, help_text="That had been spent, by staff.")
    expired = models.BigIntegerField(default=0)
    taken = models.BigIntegerField(default=0, help_text="By staff, refunds and disputes, less what these restored.")
    aside = models.BigIntegerField(default=0, help_text="The change of what is set aside: held and not ended.")
    astray = models.BigIntegerField(default=0, help_text="By how much balances moved otherwise than entries say.")
    took = models.JSONField(default=dict, help_text="Payments by currency, in minor units.")
    costs = models.JSONField(default=dict, help_text="Tries that ended, by currency, in millionths; '' is credits.")
    margin = models.JSONField(
        null=True, blank=True, help_text="By model and upstream, as sold; empty where it was not counted yet."
    )
    counted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "books days"

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"

    @property
    def change(self) -> int:
        """By how much what people have changed, with what is set aside."""
        came = self.sold + self.staff + self.welcome + self.other + self.returned
        return came - self.spent - self.expired - self.taken


class Comparison(models.Model):
    """One look through the whole ledger for figures that do not follow from its entries. At most one is running."""

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    is_running = models.BooleanField(default=True)
    step = models.CharField(max_length=80, blank=True, help_text="What is being compared.")
    done = models.PositiveSmallIntegerField(default=0, help_text="Steps.")
    steps = models.PositiveSmallIntegerField(default=0)
    found = models.PositiveIntegerField(default=0)
    words = models.JSONField(default=list, help_text="The first of what was found.")
    wallets = models.JSONField(default=list, help_text="The first of those with figures that can be repaired.")
    error = models.CharField(max_length=300, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    heard_at = models.DateTimeField(default=timezone.now, help_text="When it last got on.")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_running"], condition=Q(is_running=True), name="comparison_one_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M}: {self.found}"
