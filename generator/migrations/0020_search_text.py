from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0019_prompt_refused"),
    ]

    operations = [
        migrations.AddField(
            model_name="generation",
            name="search_text",
            field=models.TextField(
                blank=True, db_default="", default="", help_text="The prompt as a search compares it: kit.text.folded."
            ),
        ),
    ]
