"""The demo account of a sandbox installation, and the block of text that greets whoever starts one."""

import os
from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts import keys
from accounts.errors import InvalidApiKey
from accounts.models import User
from billing import ledger
from generator.models import DEFAULT_MODEL, DEFAULT_UPSTREAM, ImageModel, Operation, Price, Route, Upstream
from generator.upstreams.registry import DIALECTS

EMAIL = "demo@example.com"
PASSWORD = "demo-password"  # noqa: S105 (a sandbox on loopback; the greeting prints it)


def describe_running(url: str) -> str:
    """Return what to print once the site at `url` is ready; in a sandbox this first prepares what one tries there."""
    if not settings.SANDBOX:
        return f"""
  {settings.SITE_NAME} is ready at {settings.PUBLIC_URL or url}

  Logs are in {settings.VAR_DIR}/log. Ctrl-C stops everything.
"""
    secret = _demo_key()
    offer_all()
    return f"""
  {settings.SITE_NAME} is ready at {url}

    Log in as   {EMAIL}
    Password    {PASSWORD}
    API key     {secret}

  Make an image:

curl -X POST {url}/v1/reve-image/generate \\
  -H "Authorization: Bearer {secret}" \\
  -H "Content-Type: application/json" \\
  -d '{{"prompt": "a lighthouse at dawn, calm sea", "aspect_ratio": "16:9"}}'

  Images are drawn locally by the sandbox. Logs are in {settings.VAR_DIR}/log. Ctrl-C stops everything.
"""


def offer_all() -> None:
    """Offer all that our own sandbox draws at the first model; what an operator made of it since stays as it is.

    Each operation is added once, with its route: whoever takes one off again has the route to show for it.
    """
    if not (settings.SANDBOX and settings.EMBEDDED_SANDBOX):
        return
    model, upstream = (
        ImageModel.objects.filter(slug=DEFAULT_MODEL).first(),
        Upstream.objects.filter(slug=DEFAULT_UPSTREAM, base_url="").first(),
    )
    if model is None or upstream is None or upstream.dialect not in DIALECTS:
        return
    can = DIALECTS[upstream.dialect].can.operations
    for operation in (one for one in (Operation.EDIT, Operation.REMIX) if one in can):
        with transaction.atomic():
            _, is_new = Route.objects.get_or_create(model=model, operation=operation, upstream=upstream)
            if not is_new:
                continue
            if operation.value not in model.operations:
                model.operations = [*model.operations, operation.value]
                model.save(update_fields=["operations"])
            if not Price.objects.filter(model=model, operation=operation).exists():
                Price.objects.create(model=model, operation=operation, credits=1)


def _demo_key() -> str:
    """Return the demo account's key, the same at every start for as long as it opens the API."""
    user = User.objects.find(EMAIL) or User.objects.create_confirmed(EMAIL, PASSWORD, name="Demo")
    ledger.wallet_of(user.pk)
    path: Path = settings.VAR_DIR / "demo-key"
    try:
        keys.verify(path.read_text())
    except (FileNotFoundError, InvalidApiKey):
        _, secret = keys.mint(user=user, name="Demo key")
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secret)
    return path.read_text()
