from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0030_first_upstream"),
    ]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="purged_at",
            field=models.DateTimeField(blank=True, help_text="When its file was removed for good.", null=True),
        ),
        migrations.AlterField(
            model_name="upload",
            name="deleted_at",
            field=models.DateTimeField(
                blank=True, help_text="From when on nobody may use it any more.", null=True
            ),
        ),
    ]
