import django.utils.timezone
from django.db import migrations, models
from django.db.models import Min
from django.db.models.functions import Now


def begin_with_the_first_price(apps, schema_editor):
    """A model that has a price is there since the first one began, as far as anybody knows."""
    image_models = apps.get_model("generator", "ImageModel").objects.using(schema_editor.connection.alias)
    for model in image_models.annotate(first=Min("prices__since")).exclude(first=None):
        image_models.filter(pk=model.pk, created_at__gt=model.first).update(created_at=model.first)


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0052_samples_due"),
    ]

    operations = [
        migrations.AddField(
            model_name="imagemodel",
            name="created_at",
            field=models.DateTimeField(
                db_default=Now(), default=django.utils.timezone.now, help_text="Since when it is there."
            ),
        ),
        migrations.RunPython(begin_with_the_first_price, migrations.RunPython.noop, elidable=True),
    ]
