"""Revoke a key that was found, and tell its owner. Whoever reports it learns nothing, not even whether it is one."""

from collections.abc import Iterable

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts import keys, tokens
from accounts.errors import InvalidApiKey
from accounts.models import ApiKey
from billing import ledger
from billing.outbox import mail
from kit.http.requests import without_nul

MOST_KEYS = 100  # in one report
WHERE_MAX_LENGTH = 300
ANSWER = "Thank you. If this was a key of ours, it does not work any more, and its owner has been told."


def report(secrets: Iterable[str], where: str = "") -> None:
    """Revoke the keys and browser tokens that `secrets` are of, as far as they are any, and tell their owners."""
    words = " ".join(without_nul(where).split())[:WHERE_MAX_LENGTH]
    for secret in secrets:
        try:
            _revoke(secret.strip(), words)
        except InvalidApiKey:
            continue


def _revoke(secret: str, where: str) -> None:
    if tokens.is_token(secret):
        tokens.revoke_found(secret)
    elif key := keys.find(secret):
        _revoke_key(key, where)


@transaction.atomic
def _revoke_key(key: ApiKey, where: str) -> None:
    """Revoke a key and put the mail down, together; nothing for one that was revoked before."""
    if not keys.revoke(key, reported_at=timezone.now(), reported_where=where):
        return
    elder = keys.still_working_elder(key)
    site = settings.PUBLIC_URL or f"http://localhost:{settings.PORT}"
    mail.queue(
        ledger.wallet_of(key),
        "key_reported",
        reference=f"key_reported:{key.pk}",
        name=key.name,
        prefix=key.prefix,
        where=where,
        elder=elder.prefix if elder else "",
        keys_url=site + reverse("api_keys"),
    )
