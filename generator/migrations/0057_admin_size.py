"""The admin's lists answer at once, however many rows there are."""

from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("generator", "0056_pause"),
    ]

    operations = [
        AddIndexConcurrently(
            "attempt",
            models.Index(condition=models.Q(("ended_at__isnull", False)), fields=["ended_at"], name="attempt_ended"),
        ),
        AddIndexConcurrently(
            "generation",
            models.Index(fields=["created_at"], name="generation_created"),
        ),
    ]
