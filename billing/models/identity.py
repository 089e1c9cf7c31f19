"""Who we are: this installation, the Stripe account it sells through, and who its customers are there."""

import secrets

from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models.wallets import Wallet


def new_name() -> str:
    """Return a name for an installation that no other has."""
    return secrets.token_hex(6)


class Installation(models.Model):
    """The one row that names this installation at Stripe; a restored backup that runs beside its original gets another.

    It outlives a change of SECRET_KEY.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=32, default=new_name)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="installation_is_one")]

    def __str__(self) -> str:
        return self.name


class StripeAccount(models.Model):
    """An account at Stripe in one of its modes. Ids of Stripe's mean something within one only.

    One without an id is from before accounts were noted; it gets its id when Stripe is first asked about what it has.
    An installation that got another name has nothing to do with what it made under the earlier one.
    """

    stripe_id = models.CharField(max_length=255, blank=True, help_text="acct_…")
    livemode = models.BooleanField()
    installation = models.CharField(max_length=32, blank=True, help_text="The name under which we dealt with it.")
    key_digest = models.CharField(max_length=64, blank=True, help_text="Of the key that last opened it.")
    portal_configuration = models.CharField(
        max_length=255, blank=True, help_text="bpc_…, which says what the billing portal offers."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stripe_id", "livemode", "installation"], name="stripe_account_once")
        ]

    def __str__(self) -> str:
        return f"{self.stripe_id or 'An earlier account'}, {'live' if self.livemode else 'test'}"


class StripeCustomer(models.Model):
    """Who a wallet's person is at Stripe. Only customers that we made; one that is gone is kept for the books.

    The row comes first and says what Stripe is asked for, so that a lost answer loses no customer.
    """

    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="customers")
    account = models.ForeignKey(StripeAccount, on_delete=models.PROTECT, related_name="customers")
    stripe_id = models.CharField(max_length=255, unique=True, null=True, blank=True)  # empty: it is being made
    idempotency_key = models.CharField(max_length=64, blank=True, help_text="Under which Stripe is asked to make it.")
    email = models.CharField(max_length=254, blank=True, help_text="As Stripe was told last.")
    name = models.CharField(max_length=255, blank=True, help_text="As Stripe was told last.")
    created_at = models.DateTimeField(default=timezone.now)
    gone_at = models.DateTimeField(null=True, blank=True, help_text="Since when Stripe knows it no more.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["created_at"], name="customer_created"),
            models.Index(fields=["email"], name="customer_email"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["wallet", "account"], condition=Q(gone_at=None), name="customer_one_living_per_account"
            )
        ]

    def __str__(self) -> str:
        return self.stripe_id or "Being made"
