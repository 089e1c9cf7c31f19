from django.db import migrations, models

from kit.migrations import AddIndexConcurrently

UNFINISHED = models.Q(status__in=["queued", "submitting", "drawing"])


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("generator", "0050_cancel_asked_at"),
    ]

    operations = [
        AddIndexConcurrently(
            "generation",
            models.Index(fields=["deadline_at"], condition=UNFINISHED, name="generation_deadline"),
        ),
        AddIndexConcurrently(
            "generation",
            models.Index(
                fields=["cancel_asked_at"],
                condition=models.Q(cancel_asked_at__isnull=False, cancel_refused_at=None) & UNFINISHED,
                name="generation_to_cancel",
            ),
        ),
    ]
