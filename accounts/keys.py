"""Mint, verify, rotate and revoke API keys: the only code that sees a key's secret.

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
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.errors import AlreadyMinted, CutApiKey, InvalidApiKey, KeyStopped, MissingApiKey, TooManyKeys
from accounts.models import ApiKey, User

ALPHABET = string.digits + string.ascii_letters
SECRET_LENGTH = 32
PREFIX_LENGTH = 8
LENGTH = len("rv_") + PREFIX_LENGTH + len("_") + SECRET_LENGTH + 6  # of a whole key
MOST_KEYS = 50  # that work at a time; keys about to be replaced may double that for a while
LONGEST_OVERLAP = timedelta(days=7)  # how long a replaced key may go on working
LAST_USED_STEP = timedelta(minutes=1)  # how coarse `last_used_at` is: one write a minute and key, not one a request

_KEY = re.compile(r"rv_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}")


def mint(
    *,
    user: User,
    name: str,
    rate_limit: int | None = None,
    expires_at: datetime | None = None,
    monthly_credit_cap: int | None = None,
    rotated_from: ApiKey | None = None,
    claim: str = "",
) -> tuple[ApiKey, str]:
    """Create a key for `user` and return it with its secret, which cannot be had again.

    A `claim` mints one key, however often and from however many requests at once it is made: the visible prefix follows
    from it, and that is unique. Raises AlreadyMinted the second time.
    """
    prefix = "rv_" + (_derived(f"{user.pk}:{claim}") if claim else _random(PREFIX_LENGTH))
    body = f"{prefix}_{_random(SECRET_LENGTH)}"
    secret = body + _checksum(body)
    try:
        with transaction.atomic():
            key = ApiKey.objects.create(
                user=user,
                name=name,
                prefix=prefix,
                digest=_digest(secret),
                rate_limit=rate_limit,
                monthly_credit_cap=monthly_credit_cap,
                rotated_from=rotated_from,
                expires_at=expires_at,
            )
    except IntegrityError as error:
        raise AlreadyMinted from error
    return key, secret


@transaction.atomic
def create(
    *, user: User, name: str, claim: str, expires_at: datetime | None = None, monthly_credit_cap: int | None = None
) -> tuple[ApiKey, str]:
    """Mint a key as its owner may, up to `MOST_KEYS` that work at a time. Raises TooManyKeys, AlreadyMinted."""
    _check_number(user, MOST_KEYS)
    return mint(
        user=user, name=name, expires_at=expires_at, monthly_credit_cap=monthly_credit_cap, claim=f"create:{claim}"
    )


@transaction.atomic
def rotate(key: ApiKey, *, overlap: timedelta) -> tuple[ApiKey, str]:
    """Replace a live `key` by one with the same name and limits, and return that with its secret.

    The old one stops after `overlap`, never later than it would have anyway. A key is replaced once, so that two
    rotations at the same moment make one successor. Raises KeyStopped, AlreadyMinted, TooManyKeys, and changes nothing
    then.
    """
    now = timezone.now()
    _check_number(key.user, 2 * MOST_KEYS)
    ends = now + min(overlap, LONGEST_OVERLAP)
    ends = min(ends, key.expires_at) if key.expires_at else ends
    if key.successors.exists():
        raise AlreadyMinted
    if not live(key.user).filter(pk=key.pk).update(expires_at=ends):
        raise KeyStopped
    return mint(
        user=key.user,
        name=key.name,
        rate_limit=key.rate_limit,
        expires_at=key.expires_at,
        monthly_credit_cap=key.monthly_credit_cap,
        rotated_from=key,
        claim=f"rotate:{key.pk}",
    )


def live(user: User) -> QuerySet[ApiKey]:
    """The keys of `user` that open the API now."""
    return split(ApiKey.objects.filter(user=user))[0]


def split(found: QuerySet[ApiKey]) -> tuple[QuerySet[ApiKey], QuerySet[ApiKey]]:
    """Return those of the keys that open the API now, and those that do not any more."""
    works = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=timezone.now()))
    return found.filter(works), found.exclude(works)


def sharing_a_cap(key: ApiKey, *, since: datetime) -> list[int]:
    """Return the ids of `key` and of those that it replaced or that replaced it, as far as they worked after `since`.

    They count together: rotating a key must not double what its program may spend. No query for a key that was never
    rotated and has no end.
    """
    family, elder, younger = [key.pk], key, key
    while elder.rotated_from_id and elder.created_at + LONGEST_OVERLAP > since:
        elder = ApiKey.objects.get(pk=elder.rotated_from_id)
        family.append(elder.pk)
    while younger.expires_at and (successor := ApiKey.objects.filter(rotated_from=younger.pk).first()):
        younger = successor
        family.append(younger.pk)
    return family


def verify(secret: str, *, ip: str | None = None, also: Iterable[str] = ()) -> ApiKey:
    """Return the live key that `secret` opens, its user loaded, and note its use; one query, whatever else it loads.

    `also` names related rows to load with it, as `select_related` does.
    Raises InvalidApiKey for one that is malformed, unknown, revoked, expired, or whose user is suspended; CutApiKey,
    which is one, where the end is missing.
    """
    if len(secret) < LENGTH:
        raise CutApiKey
    if not _KEY.fullmatch(secret) or not hmac.compare_digest(_checksum(secret[:-6]), secret[-6:]):
        raise InvalidApiKey
    key = ApiKey.objects.select_related("user", *also).filter(prefix=secret[:11]).first()
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


def still_working_elder(key: ApiKey) -> ApiKey | None:
    """Return the key that `key` replaced, while it still works; revoking `key` does not stop it."""
    return live(key.user).filter(pk=key.rotated_from_id).first() if key.rotated_from_id else None


def revoke(key: ApiKey) -> None:
    """Stop `key` for good, from the next request on."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())


def revoke_all(user: User) -> None:
    """Stop every key of `user` for good."""
    ApiKey.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())


def _check_number(user: User, most: int) -> None:
    """Raise TooManyKeys when `user` has `most` live keys; the row's lock makes the count exact."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if live(user).count() >= most:
        raise TooManyKeys(most)


def _note_use(key: ApiKey, ip: str | None) -> None:
    now = timezone.now()
    if key.last_used_at and now - key.last_used_at < LAST_USED_STEP:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_STEP)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now, last_used_ip=ip or key.last_used_ip)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _derived(claim: str) -> str:
    number, characters = int.from_bytes(hashlib.sha256(claim.encode()).digest()), ""
    for _ in range(PREFIX_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        characters += ALPHABET[digit]
    return characters


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
