"""The free plan, Basic, and three packs: a start that operators edit in the admin."""

from django.db import migrations

PLANS = [
    # slug, name, credits, price in US cents, interval, order
    ("free", "Free", 3, 0, "", 0),
    ("basic", "Basic", 100, 900, "month", 1),
]
PACKS = [
    # slug, name, credits, price in US cents, order
    ("pack-50", "50 credits", 50, 500, 0),
    ("pack-200", "200 credits", 200, 1800, 1),
    ("pack-1000", "1,000 credits", 1000, 8000, 2),
]


def seed(apps, schema_editor):
    plan, pack = apps.get_model("billing", "Plan"), apps.get_model("billing", "Pack")
    for slug, name, credits, price, interval, order in PLANS:
        values = {"name": name, "credits": credits, "price": price, "interval": interval, "order": order}
        plan.objects.get_or_create(slug=slug, defaults=values)
    for slug, name, credits, price, order in PACKS:
        values = {"name": name, "credits": credits, "price": price, "order": order}
        pack.objects.get_or_create(slug=slug, defaults=values)


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_payments")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
