from django.db import migrations, models

from kit.migrations import AddIndexConcurrently, AddUniqueConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("generator", "0037_uploads_end"),
    ]

    operations = [
        AddIndexConcurrently(
            "upload",
            models.Index(
                fields=["deleted_at"],
                condition=models.Q(deleted_at__isnull=False, purged_at=None),
                name="upload_to_purge",
            ),
        ),
        AddUniqueConcurrently(
            "upload",
            models.UniqueConstraint(
                fields=["wallet", "sha256"], condition=models.Q(deleted_at=None), name="upload_kept_once"
            ),
        ),
    ]
