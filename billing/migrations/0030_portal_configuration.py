"""The configuration of the billing portal that is ours at a Stripe account."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0029_under_a_name")]

    operations = [
        migrations.AddField(
            "stripeaccount",
            "portal_configuration",
            models.CharField(blank=True, help_text="bpc_…, which says what the billing portal offers.", max_length=255),
        ),
    ]
