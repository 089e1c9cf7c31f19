from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0004_tokens_by_key"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="reported_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="When somebody who had found it revoked it.", null=True
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="reported_where",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Where that was, in their words.",
                max_length=300,
            ),
        ),
    ]
