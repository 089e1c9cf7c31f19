from django.db import migrations, models
from django.db.models import Q

from kit.migrations import AddIndexConcurrently, AddUniqueConcurrently

INDEXES = [
    models.Index(fields=["wallet", "-is_awaited", "id"], condition=Q(status="queued"), name="generation_turns"),
    models.Index(fields=["upstream_id"], condition=~Q(upstream_id=""), name="generation_upstream"),
    models.Index(fields=["due_at"], condition=Q(needs_thumbnails=True), name="generation_thumbnails"),
    models.Index(fields=["finished_at"], condition=Q(may_have_files=True), name="generation_leftovers"),
]


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("generator", "0010_files_of_failures"),
    ]

    operations = [
        *(AddIndexConcurrently("generation", index) for index in INDEXES),
        AddUniqueConcurrently(
            "generation",
            models.UniqueConstraint(
                fields=["upstream_id"], condition=Q(status="drawing") & ~Q(upstream_id=""), name="generation_drawn_once"
            ),
        ),
    ]
