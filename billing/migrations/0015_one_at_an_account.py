"""One live subscription and one open order for a plan at each Stripe account."""

from django.db import migrations, models
from django.db.models import Q

from kit.migrations import AddUniqueConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0014_sold_for_good")]

    operations = [
        AddUniqueConcurrently(
            "subscription",
            models.UniqueConstraint(
                fields=["wallet", "account"],
                condition=Q(status__in=("trialing", "active", "past_due", "unpaid", "paused")),
                name="subscription_one_live_at_account",
            ),
        ),
        AddUniqueConcurrently(
            "order",
            models.UniqueConstraint(
                fields=["wallet", "account"],
                condition=Q(status="open", pack=None),
                name="order_one_open_plan_at_account",
            ),
        ),
    ]
