from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("billing", "0038_welcome_given")]

    operations = [
        AddIndexConcurrently("redemption", models.Index(fields=["created_at"], name="redemption_age")),
    ]
