"""What `manage.py shell` runs in an installation under a bench: accounts with credits, a key and a log-in each."""

import io
import json
from importlib import import_module

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management import call_command
from django.db import transaction

from accounts import keys
from accounts.models import User
from billing.models import Plan, Wallet


@transaction.atomic  # a thousand commits would take a minute
def furnish(count: int) -> None:
    """Print, as one line of JSON, an API key and a session for each of `count` new accounts."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    made = []
    for number in range(count):
        user = User.objects.create_user(f"crowd-{number}@example.com")
        call_command("grant_credits", user.email, "100", "--reason", "bench", stdout=io.StringIO())
        _, secret = keys.mint(user=user, name="bench", rate_limit=1_000_000)
        session = store()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        made.append([secret, session.session_key])
    Wallet.objects.update(plan=Plan.objects.get(slug="basic"))  # the free one limits how many images are in flight
    print(json.dumps(made))
