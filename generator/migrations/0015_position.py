from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0011_turns_and_extras"),
    ]

    operations = [
        migrations.AddField(
            model_name="generation",
            name="position",
            field=models.PositiveSmallIntegerField(
                db_default=1,
                default=1,
                help_text="Which of the images that were asked for at once, under one key; from 1.",
            ),
        ),
    ]
