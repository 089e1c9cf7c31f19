from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0039_redemption_age"),
    ]

    operations = [
        migrations.AddField(
            model_name="booksday",
            name="margin",
            field=models.JSONField(
                blank=True, help_text="By model and upstream, as sold; empty where it was not counted yet.", null=True
            ),
        ),
    ]
