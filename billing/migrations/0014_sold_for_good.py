"""What `0013` filled is there for good; what it came from goes."""

import django.db.models.deletion
from django.db import migrations, models


def account(related_name, **options):
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, related_name=related_name, to="billing.stripeaccount", **options
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0013_fill_what_was_sold")]

    operations = [
        migrations.AlterField("price", "account", account("prices")),
        migrations.AlterField("price", "stripe_product_id", models.CharField(blank=True, max_length=255)),
        migrations.AlterField(
            "price",
            "interval",
            models.CharField(blank=True, choices=[("", "Once"), ("month", "Month"), ("year", "Year")], max_length=8),
        ),
        migrations.AlterField(
            "price",
            "credits",
            models.PositiveIntegerField(help_text="What one of it brings, for each period if it recurs."),
        ),
        migrations.AddIndex("price", models.Index(fields=["stripe_product_id"], name="price_of_product")),
        migrations.AlterField("subscription", "account", account("subscriptions", db_index=False)),
        migrations.AlterField("order", "account", account("orders", db_index=False)),
        migrations.RemoveField("wallet", "stripe_customer_id"),
        migrations.RemoveField("plan", "stripe_product_id"),
        migrations.RemoveField("pack", "stripe_product_id"),
    ]
