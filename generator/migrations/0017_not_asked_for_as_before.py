from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0016_asked_once"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="generation", name="generation_idempotent"),
    ]
