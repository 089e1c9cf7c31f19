"""An account at Stripe is noted with the name under which we dealt with it; a customer's row is there before its id."""

from django.db import migrations, models


def fill(apps, schema_editor):
    name = apps.get_model("billing", "Installation").objects.values_list("name", flat=True).first()
    apps.get_model("billing", "StripeAccount").objects.update(installation=name or "")


class Migration(migrations.Migration):
    dependencies = [("billing", "0028_refunds_by_staff")]

    operations = [
        migrations.AddField(
            "stripeaccount",
            "installation",
            models.CharField(
                blank=True, default="", help_text="The name under which we dealt with it.", max_length=32
            ),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.RemoveConstraint("stripeaccount", "stripe_account_once"),
        migrations.AlterField(
            "stripecustomer",
            "stripe_id",
            models.CharField(blank=True, max_length=255, null=True, unique=True),
        ),
        migrations.AddField(
            "stripecustomer",
            "idempotency_key",
            models.CharField(
                blank=True, default="", help_text="Under which Stripe is asked to make it.", max_length=64
            ),
            preserve_default=False,
        ),
    ]
