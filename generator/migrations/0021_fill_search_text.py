"""Note each prompt as a search compares it, whatever the case and composition of its letters."""

from django.db import migrations
from django.db.models import Max

from kit.text import folded

AT_ONCE = 2_000


def fill(apps, schema_editor):
    Generation = apps.get_model("generator", "Generation")
    last = Generation.objects.aggregate(last=Max("pk"))["last"] or 0
    for start in range(0, last + 1, AT_ONCE):
        some = Generation.objects.filter(pk__gte=start, pk__lt=start + AT_ONCE, search_text="").exclude(prompt="")
        found = list(some.only("prompt"))
        for generation in found:
            generation.search_text = folded(generation.prompt)
        Generation.objects.bulk_update(found, ["search_text"], batch_size=500)


class Migration(migrations.Migration):

    atomic = False  # it can be run again

    dependencies = [
        ("generator", "0020_search_text"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
