"""What belongs together in the books is said by foreign keys, beside the strings of before."""

import django.db.models.deletion
from django.db import migrations, models


def foreign_key(to, related_name, **options):
    options = {"blank": True, "null": True, "db_index": False, **options}
    return models.ForeignKey(
        on_delete=django.db.models.deletion.PROTECT, related_name=related_name, to=f"billing.{to}", **options
    )


class Migration(migrations.Migration):
    dependencies = [("billing", "0020_renew_the_offer")]

    operations = [
        migrations.AlterField(
            model_name="creditentry",
            name="reference",
            field=models.CharField(blank=True, max_length=200, null=True, unique=True),
        ),
        migrations.AddField(
            "creditentry", "of", foreign_key("creditentry", "ends", help_text="What it settles, releases, returns or restores.")
        ),
        migrations.AddField("creditentry", "refund", foreign_key("refund", "entries")),
        migrations.AddField("creditentry", "dispute", foreign_key("dispute", "entries")),
        migrations.AddField(
            "creditgrant",
            "dispute",
            foreign_key("dispute", "grants", help_text="That keeps its credits back, those included that return to it."),
        ),
        migrations.AddField(
            "refund", "charge", models.CharField(blank=True, help_text="Stripe's id of what was paid back.", max_length=255)
        ),
        migrations.AddField("refund", "paid", models.PositiveIntegerField(default=0)),
        migrations.AddField(
            "refund",
            "credits",
            models.PositiveIntegerField(default=0, help_text="That it claims beyond what earlier refunds do."),
        ),
        migrations.AddField(
            "refund",
            "failed_at",
            models.DateTimeField(blank=True, help_text="Since then it claims nothing.", null=True),
        ),
        migrations.AlterField(
            "refund", "refunded", models.PositiveIntegerField(help_text="Paid back so far, with this refund.")
        ),
        migrations.AlterField(
            "refund",
            "owed",
            models.PositiveIntegerField(default=0, help_text="Of these were out when it came: taken as they return."),
        ),
    ]
