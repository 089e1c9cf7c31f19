from django.db import migrations, models

from kit.migrations import AddUniqueConcurrently


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("generator", "0034_ids_of_each_upstream"),
    ]

    operations = [
        AddUniqueConcurrently(
            model_name="attempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("upstream_job", ""), _negated=True),
                fields=("upstream", "upstream_job"),
                name="attempt_drawn_once",
            ),
        ),
    ]
