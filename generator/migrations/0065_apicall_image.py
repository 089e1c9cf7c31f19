from django.db import migrations, models

from kit.migrations import AddIndexConcurrently


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("generator", "0064_generation_taken_down"),
    ]

    operations = [
        AddIndexConcurrently(model_name="apicall", index=models.Index(fields=["image_id"], name="apicall_image")),
    ]
