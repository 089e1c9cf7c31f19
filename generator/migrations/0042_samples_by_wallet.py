from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("generator", "0041_seeds_and_samples"),
    ]

    operations = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                fields=["browser_token"], condition=models.Q(browser_token__isnull=False), name="generation_by_token"
            ),
        ),
        AddIndexConcurrently(
            "generation",
            models.Index(fields=["wallet", "-id"], condition=models.Q(is_test=True), name="generation_tests"),
        ),
    ]
