"""Codes that bring credits: what is offered, the codes themselves, and who redeemed which."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from billing.models.history import Written
from billing.models.wallets import Wallet


class CodeOffer(models.Model):
    """What codes bring and to whom: one promo code for many people, or a batch of codes for one use each.

    Never edited but to switch it off: whoever holds a code was promised these terms.
    """

    class Kind(models.TextChoices):
        PROMO = "promo", "Promo code"
        BATCH = "batch", "Redemption codes"

    kind = models.CharField(max_length=8, choices=Kind)
    name = models.CharField(max_length=60, help_text="As people see it in their credit history.")
    note = models.CharField(max_length=300, blank=True, help_text="For staff: what it is for.")
    credits = models.PositiveIntegerField(help_text="That each use brings.")
    credits_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="For how many days after redeeming they can be used; empty: for good."
    )
    starts_at = models.DateTimeField(default=timezone.now)
    ends_at = models.DateTimeField(null=True, blank=True, help_text="Until when it can be redeemed; empty: for good.")
    new_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Only for accounts that are at most so many days old; empty: for all."
    )
    is_once = models.BooleanField(default=True, help_text="Each person redeems it, or one code of it, once.")
    nonce = models.UUIDField(unique=True, help_text="Of the form: one that is sent twice makes it once.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    created_at = models.DateTimeField(default=timezone.now)
    off_at = models.DateTimeField(null=True, blank=True, help_text="Since then nobody can redeem it.")

    class Meta:
        verbose_name = "code"
        ordering = ["-id"]
        permissions = [("manage_codes", "Can make codes that bring credits, and switch them off")]
        constraints = [models.CheckConstraint(condition=Q(credits__gt=0), name="code_offer_brings_something")]

    def __str__(self) -> str:
        return self.name


class Code(models.Model):
    """One code. Of those made in a batch only a hash is kept, for whoever has the code has its credits."""

    offer = models.ForeignKey(CodeOffer, on_delete=models.PROTECT, related_name="codes")
    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the code as `spelling.folded` has it.")
    shown = models.CharField(max_length=40, help_text="A promo code whole; of others the last four characters.")
    most = models.PositiveIntegerField(help_text="How often it can be redeemed in all.")
    redeemed = models.PositiveIntegerField(default=0)
    off_at = models.DateTimeField(null=True, blank=True, help_text="Since then nobody can redeem it.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(most__gt=0, redeemed__lte=F("most")), name="code_redeemed_within_most")
        ]

    def __str__(self) -> str:
        return self.shown


class Redemption(Written):
    """Somebody's use of a code. The credits are the entry `code:<code>:<wallet>` of their ledger."""

    offer = models.ForeignKey(CodeOffer, on_delete=models.PROTECT, related_name="redemptions")
    code = models.ForeignKey(Code, on_delete=models.PROTECT, related_name="redemptions", db_index=False)
    wallet = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="redemptions")
    mailbox = models.CharField(max_length=64, help_text="SHA-256 of the mailbox, whichever way its address is written.")
    is_once = models.BooleanField(help_text="As the offer says.")
    credits = models.PositiveIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["created_at"], name="redemption_age")]
        constraints = [
            models.UniqueConstraint(fields=["code", "wallet"], name="redemption_once_a_code"),
            models.UniqueConstraint(
                fields=["offer", "wallet"], condition=Q(is_once=True), name="redemption_once_a_person"
            ),
            models.UniqueConstraint(
                fields=["offer", "mailbox"], condition=Q(is_once=True), name="redemption_once_a_mailbox"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.credits}"
