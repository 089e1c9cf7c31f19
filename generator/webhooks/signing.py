"""Signatures as Standard Webhooks has them: each message is signed with every secret of its address that is good.

Secrets are sealed at rest (`kit.sealed`): we sign with them, so no digest would do.
"""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from math import floor

from django.utils import timezone
from standardwebhooks import Webhook

from billing.models import Wallet
from generator.models import Signing, WebhookSigner
from kit.sealed import Seal, Unsealable

PREFIX = "whsec_"
BYTES = 32
OVERLAP = timedelta(days=1)  # for how long a replaced secret is good
_SEAL = Seal(b"reveweb: the secrets of webhooks")


class NoSecret(Exception):
    """A secret that messages are to be signed with cannot be opened: SECRET_KEY was changed. Rotating makes another."""


def new_secret() -> str:
    """Return a fresh secret, sealed."""
    return _SEAL.close(PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode())


def reveal(stored: str) -> str:
    """Return a sealed secret as its owner knows it, `whsec_…`. Raises NoSecret."""
    try:
        return _SEAL.open(stored)
    except Unsealable:
        raise NoSecret("The signing secret cannot be opened. Rotate it.") from None


def shown(stored: str) -> str:
    """Return a sealed secret for a page; "" where it cannot be opened."""
    try:
        return reveal(stored)
    except NoSecret:
        return ""


def good_secrets(of: Signing, now: datetime) -> tuple[str, ...]:
    """Return what messages are signed with at the moment, the present one first. Raises NoSecret."""
    present = reveal(of.secret)
    old = shown(of.old_secret) if of.old_secret and of.old_until and of.old_until > now else ""
    return (present, old) if old else (present,)


def good_until(of: Signing) -> datetime | None:
    """Return until when the secret before the present one is good, while it is."""
    return of.old_until if of.old_secret and of.old_until and of.old_until > timezone.now() else None


def rotated(of: Signing) -> dict[str, object]:
    """Return the columns of `of` with a fresh secret; the one before is good for another day."""
    return {"secret": new_secret(), "old_secret": of.secret, "old_until": timezone.now() + OVERLAP}


def signer_of(wallet: Wallet) -> WebhookSigner:
    """Return the account's own signer, for addresses that requests name; made when first asked for."""
    signer, _ = WebhookSigner.objects.get_or_create(wallet=wallet, defaults={"secret": new_secret()})
    return signer


def headers(message_id: str, body: str, signed_with: tuple[str, ...], at: datetime) -> dict[str, str]:
    """Return the three headers of a message that is sent at that moment."""
    whole = datetime.fromtimestamp(floor(at.timestamp()), UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(whole.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(message_id, whole, body) for secret in signed_with),
    }


def reseal() -> int:
    """Seal everything anew that still needs a former SECRET_KEY, as far as it opens; return how many were."""
    done = 0
    for model in Signing.__subclasses__():
        for row in model._default_manager.all():
            sealed = {name: getattr(row, name) for name in ("secret", "old_secret")}
            anew = {name: _SEAL.close(text) for name, kept in sealed.items() if (text := _opened_from_former(kept))}
            if anew:
                done += model._default_manager.filter(pk=row.pk, **sealed).update(**anew)
    return done


def _opened_from_former(stored: str) -> str:
    """Return a secret that only a former SECRET_KEY opens; "" for another."""
    return "" if not stored or _SEAL.is_newest(stored) else shown(stored)
