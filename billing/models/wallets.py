"""A wallet: what a person's credits belong to."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models.catalogue import Plan


class Wallet(models.Model):
    """What a user's credits belong to."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="wallet")
    balance = models.PositiveIntegerField(default=0, help_text="Credits that can be spent now.")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, blank=True, help_text="Empty: the free plan.")
    rate_limit = models.PositiveIntegerField(
        null=True, blank=True, help_text="Generate requests a minute; empty: as the plan says."
    )
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
            ("refund_payment", "Can pay a payment back, in whole or in part"),
            ("return_credit", "Can return the credit of an image"),
            ("change_limits", "Can change somebody's plan and rate limit"),
            ("suspend_user", "Can suspend and restore people"),
            ("revoke_key", "Can revoke people's API keys"),
            ("retry_event", "Can try a Stripe event again"),
            ("assign_role", "Can give people a role"),
            ("resend_mail", "Can send a mail again that failed"),
            ("repair_books", "Can bring kept figures in line with the ledger's entries"),
        ]

    def __str__(self) -> str:
        return str(self.user)

    @property
    def requests_per_minute(self) -> int:
        """How many generate requests its person may make a minute: their own limit, the plan's, or the site's."""
        own_then_plans = (self.rate_limit, self.plan.rate_limit if self.plan else None)
        return next((limit for limit in own_then_plans if limit is not None), int(settings.RATE_LIMIT_PER_MINUTE))
