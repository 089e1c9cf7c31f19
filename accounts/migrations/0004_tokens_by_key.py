from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("accounts", "0003_key_scopes"),
    ]

    operations = [
        AddIndexConcurrently("browsertoken", models.Index(fields=["api_key", "expires_at"], name="token_by_key")),
    ]
