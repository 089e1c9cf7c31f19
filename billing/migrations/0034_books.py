import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0033_audit_by_actor"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BooksDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("day", models.DateField(unique=True)),
                ("sold", models.BigIntegerField(default=0, help_text="Of plans and packs.")),
                ("staff", models.BigIntegerField(default=0)),
                ("welcome", models.BigIntegerField(default=0)),
                ("other", models.BigIntegerField(default=0, help_text="Granted from any other source.")),
                ("spent", models.BigIntegerField(default=0, help_text="Holds that were settled.")),
                ("returned", models.BigIntegerField(default=0, help_text="That had been spent, by staff.")),
                ("expired", models.BigIntegerField(default=0)),
                ("taken", models.BigIntegerField(default=0, help_text="By staff, refunds and disputes, less what these restored.")),
                ("aside", models.BigIntegerField(default=0, help_text="The change of what is set aside: held and not ended.")),
                ("astray", models.BigIntegerField(default=0, help_text="By how much balances moved otherwise than entries say.")),
                ("took", models.JSONField(default=dict, help_text="Payments by currency, in minor units.")),
                ("costs", models.JSONField(default=dict, help_text="Tries that ended, by currency, in millionths; '' is credits.")),
                ("counted_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "verbose_name_plural": "books days",
            },
        ),
        migrations.AlterModelOptions(
            name="wallet",
            options={"permissions": [("grant_few", "Can grant credits up to SUPPORT_GRANT_LIMIT in one act"), ("grant_any", "Can grant any number of credits"), ("take_credits", "Can take credits"), ("refund_payment", "Can pay a payment back, in whole or in part"), ("return_credit", "Can return the credit of an image"), ("change_limits", "Can change somebody's plan and rate limit"), ("suspend_user", "Can suspend and restore people"), ("revoke_key", "Can revoke people's API keys"), ("retry_event", "Can try a Stripe event again"), ("assign_role", "Can give people a role"), ("resend_mail", "Can send a mail again that failed"), ("repair_books", "Can bring kept figures in line with the ledger's entries")]},
        ),
        migrations.CreateModel(
            name="Comparison",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("is_running", models.BooleanField(default=True)),
                ("step", models.CharField(blank=True, help_text="What is being compared.", max_length=80)),
                ("done", models.PositiveSmallIntegerField(default=0, help_text="Steps.")),
                ("steps", models.PositiveSmallIntegerField(default=0)),
                ("found", models.PositiveIntegerField(default=0)),
                ("words", models.JSONField(default=list, help_text="The first of what was found.")),
                ("wallets", models.JSONField(default=list, help_text="The first of those with figures that can be repaired.")),
                ("error", models.CharField(blank=True, max_length=300)),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("heard_at", models.DateTimeField(default=django.utils.timezone.now, help_text="When it last got on.")),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("actor", models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [models.UniqueConstraint(condition=models.Q(("is_running", True)), fields=("is_running",), name="comparison_one_at_a_time")],
            },
        ),
    ]
