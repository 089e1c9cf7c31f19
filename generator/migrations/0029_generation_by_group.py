from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("generator", "0028_upstreams"),
    ]

    operations = [
        AddIndexConcurrently(
            "generation",
            models.Index(
                fields=["group"], condition=models.Q(group__isnull=False), name="generation_by_group"
            ),
        ),
    ]
