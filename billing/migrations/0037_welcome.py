"""Welcome credits that are held back, and how many each network got on a day."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("billing", "0036_codes")]

    operations = [
        migrations.CreateModel(
            name="HeldWelcome",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("disposable", "Disposable address"),
                            ("mailbox", "Mailbox had them already"),
                            ("network", "Too many from one network"),
                        ],
                        max_length=16,
                    ),
                ),
                ("credits", models.PositiveIntegerField()),
                ("held_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("given_at", models.DateTimeField(blank=True, help_text="When they were given after all.", null=True)),
                (
                    "wallet",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="held_welcome", to="billing.wallet"
                    ),
                ),
            ],
            options={
                "ordering": ["-held_at", "-pk"],
                "verbose_name": "welcome held back",
                "verbose_name_plural": "welcomes held back",
                "indexes": [
                    models.Index(fields=["-held_at", "-id"], name="held_welcome_newest"),
                    models.Index(
                        fields=["reason", "-held_at"], condition=Q(given_at=None), name="held_welcome_standing"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="WelcomeDay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("network", models.CharField(max_length=43)),
                ("day", models.DateField()),
                ("given", models.PositiveIntegerField(default=0)),
            ],
            options={
                "indexes": [models.Index(fields=["day"], name="welcome_day")],
                "constraints": [models.UniqueConstraint(fields=("network", "day"), name="welcome_day_once")],
            },
        ),
    ]
