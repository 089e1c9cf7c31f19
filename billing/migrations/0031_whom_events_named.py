"""Take out of the events that are on record whom they named, as new ones come in without."""

from django.db import migrations

from billing.stripe import record

CHUNK = 500


def forget(apps, schema_editor):
    """In parts, each of which commits: an upgrade that is interrupted here goes on where it was."""
    events = apps.get_model("billing", "StripeEvent").objects.order_by("pk")
    last = ""
    while chunk := list(events.filter(pk__gt=last).only("payload")[:CHUNK]):
        for event in chunk:
            event.payload = record.without_person(event.payload)
        events.bulk_update(chunk, ["payload"])
        last = chunk[-1].pk


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0030_portal_configuration")]
    operations = [migrations.RunPython(forget, migrations.RunPython.noop)]
