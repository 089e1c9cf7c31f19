"""The strings go that relations have replaced. What entries were called stays as it was written."""

from django.db import migrations, models
from django.db.models import F, Q


def spell(apps, schema_editor):
    for refund in apps.get_model("billing", "Refund").objects.all():
        refund.reference = f"refund:{refund.charge}:{refund.refunded}:{refund.pk}"
        refund.save(update_fields=["reference"])


class Migration(migrations.Migration):
    dependencies = [("billing", "0026_each_ends_once")]

    operations = [
        migrations.AlterField("refund", "reference", models.CharField(max_length=200, null=True, unique=True)),
        migrations.RunPython(migrations.RunPython.noop, spell),
        migrations.RemoveField("creditgrant", "frozen_by"),
        migrations.RemoveField("refund", "reference"),
        migrations.AlterField(
            "refund", "paid", models.PositiveIntegerField(help_text="What the whole payment was.")
        ),
        migrations.AddConstraint(
            "refund", models.CheckConstraint(condition=Q(owed__lte=F("credits")), name="refund_owes_what_it_claims")
        ),
    ]
