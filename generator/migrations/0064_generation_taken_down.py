from django.db import migrations, models
from django.db.models import Q

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("generator", "0063_trace"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="generation",
            index=models.Index(
                fields=["file_token"],
                condition=Q(taken_down_at__isnull=False),
                name="generation_taken_down",
            ),
        ),
    ]
