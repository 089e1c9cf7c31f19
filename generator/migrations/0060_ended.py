from django.db import migrations, models
from django.db.models import Q

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("generator", "0058_ends"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="generation",
            index=models.Index(
                fields=["finished_at"],
                condition=Q(finished_at__isnull=False, is_test=False),
                name="generation_ended",
            ),
        ),
    ]
