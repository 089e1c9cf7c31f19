"""Keep people logged in: a session names the backend that let its person in, and that has moved."""

from importlib import import_module

from django.conf import settings
from django.db import migrations

OLD, NEW = "reveweb.account.backends.AuthenticationBackend", "reveweb.login.backends.AuthenticationBackend"
KEY = "_auth_user_backend"


def rename(apps, old, new):
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    Session = apps.get_model("sessions", "Session")
    for session in Session.objects.iterator(chunk_size=500):
        content = store.decode(session.session_data)
        if content.get(KEY) == old:
            content[KEY] = new
            Session.objects.filter(pk=session.pk).update(session_data=store.encode(content))


def forwards(apps, schema_editor):
    rename(apps, OLD, NEW)


def backwards(apps, schema_editor):
    rename(apps, NEW, OLD)


class Migration(migrations.Migration):

    dependencies = [
        ("reveweb", "0002_expiring_failures"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(forwards, backwards),
    ]
