"""Prices say what they bring, rows of Stripe's whose they are there, and grants which subscription they belong to."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models import Q

import billing.models.identity

ACTS = ("add", "change", "delete", "view")


def rename_permissions(apps, old, new):
    Permission = apps.get_model("auth", "Permission")
    for act in ACTS:
        known = Permission.objects.filter(content_type__app_label="billing", codename=f"{act}_{old}")
        known.update(codename=f"{act}_{new}", name=f"Can {act} {new}")


def forwards(apps, schema_editor):
    """Let roles keep what they were allowed; after the migrations Django would add new permissions beside."""
    rename_permissions(apps, "stripeprice", "price")


def backwards(apps, schema_editor):
    rename_permissions(apps, "price", "stripeprice")


def to(model, related_name, **options):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, related_name=related_name, to=f"billing.{model}", **options
    )


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0011_claims"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="Installation",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ("name", models.CharField(default=billing.models.identity.new_name, max_length=32)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={"constraints": [models.CheckConstraint(condition=Q(id=1), name="installation_is_one")]},
        ),
        migrations.CreateModel(
            name="StripeAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("stripe_id", models.CharField(blank=True, help_text="acct_…", max_length=255)),
                ("livemode", models.BooleanField()),
                (
                    "key_digest",
                    models.CharField(blank=True, help_text="Of the key that last opened it.", max_length=64),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("stripe_id", "livemode"), name="stripe_account_once")]
            },
        ),
        migrations.CreateModel(
            name="StripeCustomer",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("stripe_id", models.CharField(max_length=255, unique=True)),
                ("email", models.CharField(blank=True, help_text="As Stripe was told last.", max_length=254)),
                ("name", models.CharField(blank=True, help_text="As Stripe was told last.", max_length=255)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "gone_at",
                    models.DateTimeField(blank=True, help_text="Since when Stripe knows it no more.", null=True),
                ),
                ("account", to("stripeaccount", "customers")),
                ("wallet", to("wallet", "customers")),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=Q(gone_at=None), fields=("wallet", "account"), name="customer_one_living_per_account"
                    )
                ],
            },
        ),
        migrations.RenameModel("StripePrice", "Price"),
        migrations.RunPython(forwards, backwards),
        migrations.AlterField("price", "plan", to("plan", "prices", null=True, blank=True)),
        migrations.AlterField("price", "pack", to("pack", "prices", null=True, blank=True)),
        migrations.AddField("price", "account", to("stripeaccount", "prices", null=True)),
        migrations.AddField("price", "stripe_product_id", models.CharField(blank=True, default="", max_length=255)),
        migrations.AddField(
            "price",
            "interval",
            models.CharField(
                blank=True, choices=[("", "Once"), ("month", "Month"), ("year", "Year")], default="", max_length=8
            ),
        ),
        migrations.AddField("price", "credits", models.PositiveIntegerField(null=True)),
        migrations.RenameField("subscription", "price_id", "stripe_price_id"),
        migrations.AddField(
            "subscription", "account", to("stripeaccount", "subscriptions", null=True, db_index=False)
        ),
        migrations.AddField("subscription", "price", to("price", "subscriptions", null=True, db_index=False)),
        migrations.AddField("subscription", "quantity", models.PositiveIntegerField(default=1)),
        migrations.AddField("order", "account", to("stripeaccount", "orders", null=True, db_index=False)),
        migrations.AddField("order", "price", to("price", "orders", null=True, blank=True, db_index=False)),
        migrations.AddField(
            "order",
            "idempotency_key",
            models.CharField(blank=True, default="", help_text="Under which Stripe was asked last.", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            "order",
            "params",
            models.JSONField(blank=True, default=dict, help_text="What Stripe was asked under that key."),
        ),
        migrations.AddField("payment", "account", to("stripeaccount", "payments", null=True, db_index=False)),
        migrations.AddField("payment", "price", to("price", "payments", null=True, blank=True, db_index=False)),
        migrations.AddField("payment", "quantity", models.PositiveIntegerField(default=1)),
        migrations.AddField(
            "payment",
            "credits",
            models.PositiveIntegerField(blank=True, help_text="That were sold for it.", null=True),
        ),
        migrations.AddField(
            "payment", "subscription", to("subscription", "payments", null=True, blank=True, db_index=False)
        ),
        migrations.AddField(
            "payment",
            "stripe_invoice_id",
            models.CharField(blank=True, default="", max_length=255),
            preserve_default=False,
        ),
        migrations.AddField(
            "stripeevent", "account", to("stripeaccount", "events", null=True, blank=True, db_index=False)
        ),
        migrations.AddField("stripeevent", "livemode", models.BooleanField(blank=True, null=True)),
        migrations.AddField(
            "stripeevent",
            "ignored",
            models.CharField(blank=True, default="", help_text="Why the books do not follow it.", max_length=200),
            preserve_default=False,
        ),
        migrations.AddField(
            "creditgrant", "subscription", to("subscription", "grants", null=True, blank=True, db_index=False)
        ),
        migrations.AddField(
            "creditgrant",
            "period_start",
            models.DateTimeField(blank=True, help_text="Of the plan's period that brought them.", null=True),
        ),
        migrations.AddField(
            "creditgrant",
            "period_end",
            models.DateTimeField(blank=True, help_text="Without the days of grace.", null=True),
        ),
    ]
