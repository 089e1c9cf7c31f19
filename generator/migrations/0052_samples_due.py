from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("generator", "0051_generation_by_deadline"),
    ]

    operations = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                fields=["status", "due_at"], condition=models.Q(is_test=True), name="generation_tests_due"
            ),
        ),
    ]
