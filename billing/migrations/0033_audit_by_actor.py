"""What a member of staff granted in the last 24 hours is found at once, however long they have been here."""

from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0032_each_account_once")]

    operations = [
        AddIndexConcurrently("auditrecord", models.Index(fields=["actor", "created_at"], name="audit_actor_time")),
    ]
