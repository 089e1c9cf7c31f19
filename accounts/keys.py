"""Mint, verify and revoke API keys: the only code that sees a key's secret.

A key reads `rv_` + 8 characters that stay visible + `_` + 32 random characters (190 bits) + 6 characters of
checksum over all before it, so that a mistyped key is told apart without a database and secret scanners can
recognise one. Digests do not depend on `SECRET_KEY`: rotating that must not revoke every key.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from accounts.errors import InvalidApiKey, MissingApiKey
from accounts.models import ApiKey, User

ALPHABET = string.digits + string.ascii_letters
SECRET_LENGTH = 32
LAST_USED_STEP = timedelta(minutes=1)  # how coarse `last_used_at` is: one write a minute and key, not one a request

_KEY = re.compile(r"rv_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}")


def mint(
    *, user: User, name: str, rate_limit: int | None = None, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Create a key for `user` and return it with its secret, which cannot be had again."""
    prefix = "rv_" + _random(8)
    body = f"{prefix}_{_random(SECRET_LENGTH)}"
    secret = body + _checksum(body)
    key = ApiKey.objects.create(
        user=user, name=name, prefix=prefix, digest=_digest(secret), rate_limit=rate_limit, expires_at=expires_at
    )
    return key, secret


def verify(secret: str, *, ip: str | None = None) -> ApiKey:
    """Return the live key that `secret` opens, its user loaded, and note its use.

    Raises InvalidApiKey for one that is malformed, unknown, revoked, expired, or whose user is suspended.
    """
    if not _KEY.fullmatch(secret) or not hmac.compare_digest(_checksum(secret[:-6]), secret[-6:]):
        raise InvalidApiKey
    key = ApiKey.objects.select_related("user").filter(prefix=secret[:11]).first()
    if key is None or not hmac.compare_digest(key.digest, _digest(secret)):
        raise InvalidApiKey
    if key.revoked_at is not None or key.is_expired or not key.user.is_active:
        raise InvalidApiKey
    _note_use(key, ip)
    return key


def from_header(authorization: str | None) -> str:
    """Return the secret of an `Authorization: Bearer …` header; the scheme's case does not matter (RFC 9110, 11.1).

    Raises MissingApiKey when there is none.
    """
    scheme, _, secret = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise MissingApiKey
    return secret.strip()


def revoke(key: ApiKey) -> None:
    """Stop `key` for good, from the next request on."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())


def _note_use(key: ApiKey, ip: str | None) -> None:
    now = timezone.now()
    if key.last_used_at and now - key.last_used_at < LAST_USED_STEP:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_STEP)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now, last_used_ip=ip or key.last_used_ip)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
