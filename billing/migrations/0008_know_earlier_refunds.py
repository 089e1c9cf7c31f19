from django.db import migrations


def know(apps, schema_editor):
    """Put down the refunds that stand, and which invoice each order for a plan brought."""
    for order in apps.get_model("billing", "Order").objects.filter(status="paid", pack=None):
        payments = apps.get_model("billing", "Payment").objects.filter(
            account_id=order.account_id, reference__startswith="invoice:", created_at__gte=order.created_at
        )
        if first := payments.order_by("pk").first():
            order.stripe_invoice_id = first.reference.removeprefix("invoice:")
            order.save(update_fields=["stripe_invoice_id"])
    entries = apps.get_model("billing", "CreditEntry").objects.filter(kind="claw_back", reference__startswith="refund:")
    for entry in entries.order_by("pk"):
        is_undone = entries.model.objects.filter(reference=f"{entry.reference}:restored").exists()
        line = apps.get_model("billing", "CreditLine").objects.filter(entry=entry).first()
        if line and not is_undone:
            apps.get_model("billing", "Refund").objects.create(
                grant_id=line.grant_id,
                reference=entry.reference,
                refunded=int(entry.reference.split(":")[2]),
                owed=0,
                created_at=entry.created_at,
            )


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0007_refunds_and_readings"),
    ]

    operations = [
        migrations.RunPython(know, migrations.RunPython.noop),
    ]
