"""Count what each key asked for per month before its credits were counted as they are held."""

from datetime import UTC

from django.db import migrations
from django.db.models import Count
from django.db.models.functions import TruncMonth


def count(apps, schema_editor):
    Generation, KeyMonth = apps.get_model("generator", "Generation"), apps.get_model("generator", "KeyMonth")
    charged = Generation.objects.filter(api_key__isnull=False).exclude(status="failed")
    months = charged.annotate(month=TruncMonth("created_at", tzinfo=UTC)).values_list("api_key", "month")
    KeyMonth.objects.bulk_create(
        KeyMonth(api_key_id=api_key, month=month.date(), credits=credits)
        for api_key, month, credits in months.annotate(Count("pk")).order_by()
    )


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0006_key_months"),
    ]
    # It, and all before it, know a wallet by its earlier name.
    run_before = [("billing", "0010_wallets_and_outgoing_mails")]

    operations = [
        migrations.RunPython(count, migrations.RunPython.noop),
    ]
