"""The first model, its upstream, and what an image costs: as it was before there could be others."""

from django.db import migrations


def seed(apps, schema_editor):
    ImageModel, Upstream, Route, Price, Trouble = (
        apps.get_model("generator", name) for name in ("ImageModel", "Upstream", "Route", "Price", "UpstreamTrouble")
    )
    model, _ = ImageModel.objects.get_or_create(slug="text2image_v1", defaults={"name": "Reve Image 1.0"})
    upstream, _ = Upstream.objects.get_or_create(slug="reve", defaults={"name": "Reve", "dialect": "reve_art"})
    Route.objects.get_or_create(model=model, operation="create", upstream=upstream)
    if not Price.objects.filter(model=model).exists():
        Price.objects.create(model=model, operation="create", credits=1)
    # It was kept under the host that the environment named; what still holds is noted again at the next try.
    Trouble.objects.exclude(upstream=upstream.slug).delete()


class Migration(migrations.Migration):

    dependencies = [
        ("generator", "0029_generation_by_group"),
    ]

    operations = [
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
