"""The admin's lists answer at once, however many rows there are."""

from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("accounts", "0005_reported_keys"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        AddIndexConcurrently(
            "apikey",
            models.Index(fields=["created_at"], name="key_created"),
        ),
        AddIndexConcurrently(
            "user",
            models.Index(fields=["date_joined"], name="user_joined"),
        ),
        AddIndexConcurrently(
            "user",
            models.Index(condition=models.Q(("is_active", False)), fields=["date_joined"], name="user_inactive"),
        ),
        AddIndexConcurrently(
            "user",
            models.Index(condition=models.Q(("is_staff", True)), fields=["date_joined"], name="user_staff"),
        ),
    ]
