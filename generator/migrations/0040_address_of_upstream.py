"""An upstream's address may name a host of one word, as on a network of containers; the column stays as it is."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0035_drawn_once"),
    ]

    operations = [
        migrations.AlterField(
            model_name="upstream",
            name="base_url",
            field=models.CharField(blank=True, help_text="Empty: REVE_API_URL.", max_length=500),
        ),
    ]
