from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0054_model_since"),
    ]

    operations = [
        migrations.AddField(
            model_name="keymonth",
            name="day",
            field=models.DateField(blank=True, help_text="The last day that it spent on, UTC.", null=True),
        ),
        migrations.AddField(
            model_name="keymonth",
            name="day_credits",
            field=models.PositiveIntegerField(
                db_default=0, default=0, help_text="What it spent or holds of that day."
            ),
        ),
    ]
