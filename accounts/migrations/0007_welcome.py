"""Where somebody signed up from, for some weeks: welcome credits are few for each network and day."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_admin_size")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="signup_network",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Where they signed up from, kept for 30 days.",
                max_length=43,
            ),
        ),
    ]
