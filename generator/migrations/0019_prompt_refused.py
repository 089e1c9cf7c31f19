"""A refusal of the prompt has a code of its own; `invalid_request` is a field that is wrong."""

from django.db import migrations
from django.db.models import Max

AT_ONCE = 5_000


def rename(apps, schema_editor):
    Generation = apps.get_model("generator", "Generation")
    last = Generation.objects.aggregate(last=Max("pk"))["last"] or 0
    for start in range(0, last + 1, AT_ONCE):
        some = Generation.objects.filter(pk__gte=start, pk__lt=start + AT_ONCE)
        some.filter(status="failed", error_code="invalid_request").update(error_code="prompt_refused")


class Migration(migrations.Migration):

    atomic = False  # it can be run again

    dependencies = [
        ("generator", "0018_presses"),
    ]

    operations = [
        migrations.RunPython(rename, migrations.RunPython.noop, elidable=True),
    ]
