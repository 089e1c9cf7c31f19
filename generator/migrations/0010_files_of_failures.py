"""A failed generation notes that files of it may be left, and no two drawings have one id at the upstream."""

from django.db import migrations, models
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone


def end_repeated_drawings(apps, schema_editor):
    """Have the next sweep fail every drawing but the first that has one and the same id: their credits return."""
    drawings = apps.get_model("generator", "Generation").objects.filter(status="drawing").exclude(upstream_id="")
    number = Window(RowNumber(), partition_by=F("upstream_id"), order_by=F("id").asc())
    repeated = [pk for pk, nth in drawings.annotate(nth=number).values_list("pk", "nth") if nth > 1]
    for start in range(0, len(repeated), 500):
        some = drawings.filter(pk__in=repeated[start : start + 500])
        some.update(upstream_id="", deadline_at=timezone.now())


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0009_claims_and_extras"),
    ]

    operations = [
        migrations.AddField(
            model_name="generation",
            name="may_have_files",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="It failed while it was drawn: files of it may lie in storage.",
            ),
        ),
        migrations.RunPython(end_repeated_drawings, migrations.RunPython.noop),
    ]
