"""What staff want to pay back is on record before Stripe is asked."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models
from django.db.models import Q

import billing.models.refunds

PERMISSIONS = [
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
]


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0027_no_strings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions("wallet", {"permissions": PERMISSIONS}),
        migrations.CreateModel(
            name="StaffRefund",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("amount", models.PositiveIntegerField(help_text="Minor units.")),
                ("reason", models.CharField(max_length=300)),
                (
                    "nonce",
                    models.UUIDField(help_text="Of the form: one that is sent twice asks once.", unique=True),
                ),
                (
                    "idempotency_key",
                    models.CharField(
                        default=billing.models.refunds.new_key,
                        help_text="Under which Stripe is asked.",
                        max_length=64,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("asked", "Waits for Stripe"),
                            ("made", "Made"),
                            ("refused", "Refused"),
                            ("failed", "Failed at the bank"),
                        ],
                        default="asked",
                        max_length=8,
                    ),
                ),
                ("stripe_id", models.CharField(blank=True, max_length=255, null=True, unique=True)),
                (
                    "asked_at",
                    models.DateTimeField(blank=True, help_text="When Stripe was first asked.", null=True),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "ended_at",
                    models.DateTimeField(blank=True, help_text="When Stripe made or refused it.", null=True),
                ),
                (
                    "claim",
                    models.CharField(blank=True, help_text="The token of whoever is asking Stripe.", max_length=16),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                (
                    "due_at",
                    models.DateTimeField(default=django.utils.timezone.now, help_text="When Stripe is asked next."),
                ),
                ("last_error", models.TextField(blank=True)),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="staff_refunds",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="staff_refunds", to="billing.payment"
                    ),
                ),
            ],
            options={
                "verbose_name": "refund",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(condition=Q(status="asked"), fields=["due_at"], name="staff_refund_asked"),
                ],
                "constraints": [
                    models.CheckConstraint(condition=Q(amount__gt=0), name="staff_refund_of_something"),
                    models.UniqueConstraint(
                        condition=Q(status="asked"), fields=("payment",), name="staff_refund_one_at_a_time"
                    ),
                ],
            },
        ),
    ]
