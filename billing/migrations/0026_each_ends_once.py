"""Each entry is ended once, and what a refund or dispute took is found by it."""

from django.db import migrations, models
from django.db.models import Q

from kit.migrations import AddIndexConcurrently, AddUniqueConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("billing", "0025_fill_relations")]

    operations = [
        AddUniqueConcurrently(
            "creditentry",
            models.UniqueConstraint(condition=Q(of__isnull=False), fields=("of",), name="entry_ends_once"),
        ),
        AddIndexConcurrently(
            "creditentry",
            models.Index(condition=Q(refund__isnull=False), fields=["refund"], name="entry_refund"),
        ),
        AddIndexConcurrently(
            "creditentry",
            models.Index(condition=Q(dispute__isnull=False), fields=["dispute"], name="entry_dispute"),
        ),
        AddIndexConcurrently("refund", models.Index(fields=["charge"], name="refund_charge")),
        AddUniqueConcurrently(
            "refund",
            models.UniqueConstraint(
                condition=Q(failed_at=None), fields=("grant", "refunded"), name="refund_once_while_it_stands"
            ),
        ),
    ]
