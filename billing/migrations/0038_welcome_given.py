"""How many welcome credits were given lately is counted without reading all grants."""

from django.db import migrations, models
from django.db.models import Q

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0038_admin_size")]

    operations = [
        AddIndexConcurrently(
            "creditgrant", models.Index(fields=["created_at"], condition=Q(source="welcome"), name="grant_welcome")
        ),
    ]
