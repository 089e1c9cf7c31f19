"""The offer of a new installation: a plan is cheaper for each credit than a pack, and does more.

Whoever sells already, or has touched the catalogue, keeps all of it as it is.
"""

from django.db import migrations
from django.db.models import Q

SEEDED = {  # as 0003 put it in: slug → name, credits, price in US cents, interval, order
    "free": ("Free", 3, 0, "", 0),
    "basic": ("Basic", 100, 900, "month", 1),
    "pack-50": ("50 credits", 50, 500, None, 0),
    "pack-200": ("200 credits", 200, 1800, None, 1),
    "pack-1000": ("1,000 credits", 1000, 8000, None, 2),
}
PLANS = {"basic": {"rate_limit": 30}}
YEARLY = {"name": "Basic yearly", "credits": 1200, "price": 9000, "interval": "year", "order": 2, "rate_limit": 30}
PACKS = {"pack-50": {"price": 600}, "pack-200": {"price": 2200}, "pack-1000": {"price": 9500}}


def renew(apps, schema_editor):
    plan, pack = apps.get_model("billing", "Plan"), apps.get_model("billing", "Pack")
    rows = [*plan.objects.all(), *pack.objects.all()]
    if {row.slug for row in rows} != set(SEEDED) or not all(_is_untouched(apps, row) for row in rows):
        return
    for model, changes in ((plan, PLANS), (pack, PACKS)):
        for slug, values in changes.items():
            model.objects.filter(slug=slug).update(**values)
    if not apps.get_model("billing", "Wallet").objects.exists():  # whoever is here already keeps what they may do
        plan.objects.filter(slug="free").update(max_in_flight=10)
    plan.objects.create(slug="basic-yearly", **YEARLY)


def _is_untouched(apps, row):
    """Tell whether a plan or pack is as it was put in, nothing names it, and no member of staff ever changed it."""
    values = (row.name, row.credits, row.price, getattr(row, "interval", None), row.order)
    limits = (getattr(row, "rate_limit", None), getattr(row, "max_in_flight", None))
    if values != SEEDED[row.slug] or (row.currency, row.active, *limits) != ("usd", True, None, None):
        return False
    if any(_names(one, row) for one in row._meta.related_objects):
        return False
    records = apps.get_model("billing", "AuditRecord").objects
    return not records.filter(Q(before__slug=row.slug) | Q(after__slug=row.slug)).exists()


def _names(relation, row):
    """Tell whether there is a price, checkout, subscription … of `row`. Everybody has the free plan who has no other."""
    if row.slug == "free" and relation.related_model._meta.model_name == "wallet":
        return False
    return relation.related_model._base_manager.filter(**{relation.field.name: row.pk}).exists()


class Migration(migrations.Migration):
    dependencies = [("billing", "0016_not_one_in_all")]
    operations = [migrations.RunPython(renew, migrations.RunPython.noop)]
