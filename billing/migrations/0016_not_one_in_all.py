"""A subscription or order at another Stripe account stands in nobody's way."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0015_one_at_an_account")]

    operations = [
        migrations.RemoveConstraint("subscription", "subscription_one_live"),
        migrations.RemoveConstraint("order", "order_one_open_for_a_plan"),
    ]
