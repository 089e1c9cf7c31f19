from django.db import migrations, models

from kit.migrations import AddUniqueConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("generator", "0015_position"),
    ]

    operations = [
        AddUniqueConcurrently(
            "generation",
            models.UniqueConstraint(fields=["wallet", "idempotency_key", "position"], name="generation_asked_once"),
        ),
    ]
