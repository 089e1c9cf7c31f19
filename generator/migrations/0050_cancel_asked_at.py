from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0046_request_log"),
    ]

    operations = [
        migrations.AddField(
            model_name="generation",
            name="cancel_asked_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When its owner wished to call it off, while an upstream may have had it.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="generation",
            name="cancel_refused_at",
            field=models.DateTimeField(
                blank=True, help_text="When it was found that the upstream goes on all the same.", null=True
            ),
        ),
    ]
