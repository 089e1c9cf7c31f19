"""Generations belong to a wallet, are polled and may answer a poll badly: columns renamed in place, no row rewritten."""

from django.db import migrations, models
from django.db.models import Q

COLUMNS = {"account_id": "wallet_id", "looks": "polls", "strikes": "failed_polls"}
OF_A_WALLET = {
    "generation_history": {"fields": ["wallet", "-id"]},
    "generation_studio": {"fields": ["wallet", "-id"], "condition": Q(api_key=None)},
    "generation_favourites": {"fields": ["wallet", "-id"], "condition": Q(is_favourite=True)},
    "generation_usage": {"fields": ["wallet", "created_at"]},
}


def rename_column(old, new):
    statement = "ALTER TABLE generator_generation RENAME COLUMN {} TO {}"
    return migrations.RunSQL(statement.format(old, new), statement.format(new, old))


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0007_count_key_months"),
        ("billing", "0010_wallets_and_outgoing_mails"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                *(migrations.RemoveIndex("generation", name) for name in OF_A_WALLET),
                migrations.RemoveConstraint("generation", "generation_idempotent"),
                migrations.RenameField("generation", "account", "wallet"),
                migrations.RenameField("generation", "looks", "polls"),
                migrations.RenameField("generation", "strikes", "failed_polls"),
                migrations.AlterField(
                    "generation",
                    "deleted_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="When its owner trashed it; shown nowhere from then on.",
                        null=True,
                    ),
                ),
                *(
                    migrations.AddIndex("generation", models.Index(name=name, **options))
                    for name, options in OF_A_WALLET.items()
                ),
                migrations.AddConstraint(
                    "generation",
                    models.UniqueConstraint(fields=["wallet", "idempotency_key"], name="generation_idempotent"),
                ),
            ],
            database_operations=[rename_column(old, new) for old, new in COLUMNS.items()],
        ),
    ]
