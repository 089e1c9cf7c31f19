"""Two upstreams may both call a job "1": from now on its attempt says whose id it is."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0038_uploads_once"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="generation", name="generation_drawn_once"),
        migrations.RemoveConstraint(model_name="attempt", name="attempt_drawn_once"),
        migrations.AddField(
            model_name="upstreamtrouble",
            name="access",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of the address and the key that it was met with.",
                max_length=64,
            ),
        ),
    ]
