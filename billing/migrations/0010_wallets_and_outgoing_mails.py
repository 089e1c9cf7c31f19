"""An account becomes a wallet, so that "account" means a person's, and a sent mail, which may be unsent, an outgoing one.

Tables and columns are renamed in place: no row is rewritten, no foreign key or index is made anew. (Django's own rename
of a foreign key drops the constraint and checks every row again.)
"""

import django.db.models.deletion
from django.conf import settings
from django.contrib.contenttypes.management import RenameContentType
from django.db import migrations, models
from django.db.models import Q

OWNED = ["creditgrant", "creditentry", "subscription", "order", "payment", "auditrecord", "outgoingmail"]
RENAMED = {"account": "wallet", "sentmail": "outgoingmail"}
CALLED = {"sentmail": "mail", "outgoingmail": "mail"}  # where it differs from the model's name


def rename_table(old, new):
    return migrations.RunSQL(f"ALTER TABLE {old} RENAME TO {new}", f"ALTER TABLE {new} RENAME TO {old}")


def rename_column(table, old, new):
    statement = "ALTER TABLE {} RENAME COLUMN {} TO {}"
    return migrations.RunSQL(statement.format(table, old, new), statement.format(table, new, old))


def rename_permissions(apps, names):
    Permission = apps.get_model("auth", "Permission")
    for old, new in names:
        for act in ("add", "change", "delete", "view"):
            known = Permission.objects.filter(content_type__app_label="billing", codename=f"{act}_{old}")
            known.update(codename=f"{act}_{new}", name=f"Can {act} {CALLED.get(new, new)}")


def forwards(apps, schema_editor):
    """Let roles and people keep what they were allowed; after the migrations Django would add new permissions beside."""
    rename_permissions(apps, RENAMED.items())


def backwards(apps, schema_editor):
    rename_permissions(apps, [(new, old) for old, new in RENAMED.items()])


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0009_balance_crossings"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameModel("Account", "Wallet"),
                migrations.RenameModel("SentMail", "OutgoingMail"),
                migrations.AlterField(
                    "wallet",
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="wallet",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                migrations.RemoveIndex("creditgrant", "grant_spendable"),
                migrations.RemoveIndex("creditentry", "entry_history"),
                migrations.RemoveConstraint("subscription", "subscription_one_live"),
                migrations.RemoveConstraint("order", "order_one_open_for_a_plan"),
                *(migrations.RenameField(model, "account", "wallet") for model in OWNED),
                migrations.AddIndex(
                    "creditgrant",
                    models.Index(
                        fields=["wallet", "expires_at", "id"], condition=Q(remaining__gt=0), name="grant_spendable"
                    ),
                ),
                migrations.AddIndex("creditentry", models.Index(fields=["wallet", "-id"], name="entry_history")),
                migrations.AddConstraint(
                    "subscription",
                    models.UniqueConstraint(
                        fields=["wallet"],
                        condition=Q(status__in=("trialing", "active", "past_due", "unpaid", "paused")),
                        name="subscription_one_live",
                    ),
                ),
                migrations.AddConstraint(
                    "order",
                    models.UniqueConstraint(
                        fields=["wallet"], condition=Q(status="open", pack=None), name="order_one_open_for_a_plan"
                    ),
                ),
            ],
            database_operations=[
                rename_table("billing_account", "billing_wallet"),
                rename_table("billing_sentmail", "billing_outgoingmail"),
                *(rename_column(f"billing_{model}", "account_id", "wallet_id") for model in OWNED),
            ],
        ),
        *(RenameContentType("billing", old, new) for old, new in RENAMED.items()),
        migrations.RunPython(forwards, backwards),
    ]
