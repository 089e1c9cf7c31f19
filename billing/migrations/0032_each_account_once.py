"""An account at Stripe is noted once for each mode and name."""

from django.db import migrations, models

from kit.migrations import AddUniqueConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0031_whom_events_named")]

    operations = [
        AddUniqueConcurrently(
            "stripeaccount",
            models.UniqueConstraint(fields=("stripe_id", "livemode", "installation"), name="stripe_account_once"),
        ),
    ]
