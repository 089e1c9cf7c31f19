"""The admin's lists answer at once, however many rows there are."""

from django.conf import settings
from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("billing", "0037_welcome"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            "auditrecord",
            models.Index(fields=["created_at"], name="audit_created"),
        ),
        AddIndexConcurrently(
            "creditgrant",
            models.Index(fields=["created_at"], name="grant_created"),
        ),
        AddIndexConcurrently(
            "creditgrant",
            models.Index(condition=models.Q(("dispute__isnull", False)), fields=["dispute"], name="grant_dispute"),
        ),
        AddIndexConcurrently(
            "order",
            models.Index(fields=["created_at"], name="order_created"),
        ),
        AddIndexConcurrently(
            "outgoingmail",
            models.Index(fields=["created_at"], name="mail_created"),
        ),
        AddIndexConcurrently(
            "outgoingmail",
            models.Index(models.ExpressionWrapper(models.Q(("failed_at", None)), models.BooleanField()), models.OrderBy(models.F("created_at"), descending=True), name="mail_listed"),
        ),
        AddIndexConcurrently(
            "outgoingmail",
            models.Index(condition=models.Q(("to", ""), _negated=True), fields=["to"], name="mail_to"),
        ),
        AddIndexConcurrently(
            "payment",
            models.Index(fields=["created_at", "currency", "amount"], name="payment_day"),
        ),
        AddIndexConcurrently(
            "payment",
            models.Index(fields=["account"], name="payment_account"),
        ),
        AddIndexConcurrently(
            "stripecustomer",
            models.Index(fields=["created_at"], name="customer_created"),
        ),
        AddIndexConcurrently(
            "stripecustomer",
            models.Index(fields=["email"], name="customer_email"),
        ),
        AddIndexConcurrently(
            "stripeevent",
            models.Index(fields=["received_at"], name="event_received"),
        ),
        AddIndexConcurrently(
            "stripeevent",
            models.Index(condition=models.Q(("handled_at", None)), fields=["received_at"], name="event_waiting"),
        ),
        AddIndexConcurrently(
            "stripeevent",
            models.Index(models.OrderBy(models.ExpressionWrapper(models.Q(("handled_at", None)), models.BooleanField()), descending=True), models.OrderBy(models.F("received_at"), descending=True), name="event_listed"),
        ),
        AddIndexConcurrently(
            "stripeevent",
            models.Index(fields=["type", "received_at"], name="event_type"),
        ),
        AddIndexConcurrently(
            "subscription",
            models.Index(fields=["created_at"], name="subscription_created"),
        ),
    ]
