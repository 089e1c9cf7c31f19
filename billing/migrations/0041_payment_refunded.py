from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("billing", "0040_margin_of_days"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="payment",
            index=models.Index(condition=models.Q(("refunded__gt", 0)), fields=["grant"], name="payment_refunded"),
        ),
    ]
