"""Images that were asked for at once share their key, and no longer add `:2` and so on to it."""

import hashlib
import json

from django.db import migrations
from django.db.models import Max

AT_ONCE = 5_000
MOST = 9  # more were never asked for at once


def share(apps, schema_editor):
    Generation = apps.get_model("generator", "Generation")
    last = Generation.objects.aggregate(last=Max("pk"))["last"] or 0
    for start in range(0, last + 1, AT_ONCE):
        some = Generation.objects.filter(pk__gte=start, pk__lt=start + AT_ONCE, position=1)
        moved = []
        for generation in some.filter(idempotency_key__regex=r".:[2-9]$"):
            key, _, position = generation.idempotency_key.rpartition(":")
            if _is_of_a_group(Generation, generation, key):
                generation.idempotency_key, generation.position = key, int(position)
                moved.append(generation)
        Generation.objects.bulk_update(moved, ["idempotency_key", "position"], batch_size=500)


def _is_of_a_group(Generation, generation, key):
    """Tell a group's image from one whose caller ended a key like that. A deleted image has no words left to tell by."""
    if generation.api_key_id is None and key.startswith("studio:"):
        return True
    keys = [key, *(f"{key}:{position}" for position in range(2, MOST + 1))]
    group = Generation.objects.filter(
        wallet=generation.wallet_id, idempotency_key__in=keys, request_digest=generation.request_digest
    )
    return any(_is_asked_with_others(one) for one in group)


def _is_asked_with_others(generation):
    words = [generation.prompt, generation.negative_prompt, generation.aspect_ratio]
    asked = ([*words, wait, count] for wait in (True, False) for count in range(2, MOST + 1))
    return generation.request_digest in {hashlib.sha256(json.dumps(one).encode()).hexdigest() for one in asked}


class Migration(migrations.Migration):

    atomic = False  # it can be run again

    dependencies = [
        ("generator", "0017_not_asked_for_as_before"),
    ]

    operations = [
        migrations.RunPython(share, migrations.RunPython.noop, elidable=True),
    ]
