"""Mint, verify, rotate and revoke API keys: the only code that sees a key's secret.

A key reads `rv_` + 8 characters that stay visible + `_` + 32 random characters (190 bits) + 6 characters of
checksum over all before it, so that a mistyped key is told apart without a database and secret scanners can
recognise one. One that draws samples begins with `rv_test_` instead, what a key mints for a browser with `rv_tok_`.
Digests do not depend on `SECRET_KEY`: rotating that must not revoke every key.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts import places
from accounts.errors import (
    AlreadyMinted,
    CutApiKey,
    InvalidApiKey,
    IpNotAllowed,
    KeyStopped,
    MissingApiKey,
    TooManyKeys,
)
from accounts.models import ApiKey, User

ALPHABET = string.digits + string.ascii_letters
SECRET_LENGTH = 32
PREFIX_LENGTH = 8
HEAD, TEST_HEAD, TOKEN_HEAD = "rv_", "rv_test_", "rv_tok_"
REST_LENGTH = PREFIX_LENGTH + len("_") + SECRET_LENGTH + 6  # of all that is behind the head
LENGTH = len(HEAD) + REST_LENGTH  # of a whole key
# What a key may do and spend, which the one that replaces it may as well.
LIMITS = (
    "rate_limit",
    "daily_credit_cap",
    "monthly_credit_cap",
    "lifetime_credit_cap",
    "scopes",
    "image_models",
    "allowed_ips",
)
MOST_KEYS = 50  # that work at a time; keys about to be replaced may double that for a while
LONGEST_OVERLAP = timedelta(days=7)  # how long a replaced key may go on working
LAST_USED_STEP = timedelta(minutes=1)  # how coarse `last_used_at` is: one write a minute and key, not one a request

_KEY = re.compile(r"((rv_|rv_test_|rv_tok_)[0-9A-Za-z]{8})_[0-9A-Za-z]{38}")


def mint(
    *,
    user: User,
    name: str,
    rate_limit: int | None = None,
    expires_at: datetime | None = None,
    monthly_credit_cap: int | None = None,
    rotated_from: ApiKey | None = None,
    claim: str = "",
    is_test: bool = False,
    **limits: Any,
) -> tuple[ApiKey, str]:
    """Create a key for `user` and return it with its secret, which cannot be had again.

    A `claim` mints one key, however often and from however many requests at once it is made: the visible prefix follows
    from it, and that is unique. Raises AlreadyMinted the second time. `limits` are others of the key's fields.
    """
    visible = _derived(f"{user.pk}:{claim}") if claim else random(PREFIX_LENGTH)
    prefix, secret = new_secret(TEST_HEAD if is_test else HEAD, visible)
    try:
        with transaction.atomic():
            key = ApiKey.objects.create(
                user=user,
                name=name,
                prefix=prefix,
                digest=digest_of(secret),
                rate_limit=rate_limit,
                monthly_credit_cap=monthly_credit_cap,
                rotated_from=rotated_from,
                expires_at=expires_at,
                is_test=is_test,
                **limits,
            )
    except IntegrityError as error:
        raise AlreadyMinted from error
    return key, secret


@transaction.atomic
def create(*, user: User, name: str, claim: str, **options: Any) -> tuple[ApiKey, str]:
    """Mint a key as its owner may, up to `MOST_KEYS` that work at a time. Raises TooManyKeys, AlreadyMinted.

    `options` are what `mint` takes.
    """
    _check_number(user, MOST_KEYS)
    return mint(user=user, name=name, claim=f"create:{claim}", **options)


@transaction.atomic
def rotate(key: ApiKey, *, overlap: timedelta) -> tuple[ApiKey, str]:
    """Replace a live `key` by one of the same kind, with the same name and limits; return that with its secret.

    The old one stops after `overlap`, never later than it would have anyway. A key is replaced once, so that two
    rotations at the same moment make one successor. Raises KeyStopped, AlreadyMinted, TooManyKeys, and changes nothing
    then.
    """
    now = timezone.now()
    _check_number(key.user, 2 * MOST_KEYS)
    # As it is now: its owner may just have narrowed it, and a successor with the old limits would undo that.
    key = ApiKey.objects.select_for_update(of=("self",), no_key=True).select_related("user").get(pk=key.pk)
    ends = now + min(overlap, LONGEST_OVERLAP)
    ends = min(ends, key.expires_at) if key.expires_at else ends
    if key.successors.exists():
        raise AlreadyMinted
    if not live(key.user).filter(pk=key.pk).update(expires_at=ends):
        raise KeyStopped
    return mint(
        user=key.user,
        name=key.name,
        expires_at=key.expires_at,
        is_test=key.is_test,
        rotated_from=key,
        claim=f"rotate:{key.pk}",
        **{name: getattr(key, name) for name in LIMITS},
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
    which is one, where the end is missing; IpNotAllowed.
    """
    prefix = prefix_of(secret)
    key = ApiKey.objects.select_related("user", *also).filter(prefix=prefix).first()
    if key is None or not hmac.compare_digest(key.digest, digest_of(secret)):
        raise InvalidApiKey
    if not opens(key):
        raise InvalidApiKey
    if not places.allow(key.allowed_ips, ip):
        raise IpNotAllowed(ip)
    note_use(key, ip)
    return key


def find(secret: str) -> ApiKey | None:
    """Return the key that `secret` is or was of, whether it opens anything or not. Raises InvalidApiKey, CutApiKey."""
    key = ApiKey.objects.select_related("user").filter(prefix=prefix_of(secret)).first()
    return key if key is not None and hmac.compare_digest(key.digest, digest_of(secret)) else None


def opens(key: ApiKey) -> bool:
    """Tell whether `key`, its user loaded, opens the API now."""
    return key.revoked_at is None and not key.is_expired and key.user.is_active


def fingerprint(secret: str) -> tuple[str, str] | None:
    """Return what may be kept of a secret to know later whose it was: its visible prefix and its digest; no query."""
    try:
        return prefix_of(secret), digest_of(secret)
    except InvalidApiKey:
        return None


def known(fingerprints: Mapping[str, str]) -> dict[str, ApiKey]:
    """Return the keys that have these digests, by digest, also those that do not work any more: one query at most.

    `fingerprints` has a visible prefix for each digest.
    """
    found = ApiKey.objects.filter(prefix__in=set(fingerprints.values())) if fingerprints else ()
    return {key.digest: key for key in found if key.digest in fingerprints}


def from_header(authorization: str | None) -> str:
    """Return the secret of an `Authorization: Bearer …` header; the scheme's case does not matter (RFC 9110, 11.1).

    Raises MissingApiKey when there is none.
    """
    scheme, _, secret = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise MissingApiKey
    return secret.strip()


def family(key: ApiKey) -> list[int]:
    """Return the ids of `key`, of all that were replaced on the way to it, and of those that replaced it."""
    return sharing_a_cap(key, since=datetime.min.replace(tzinfo=UTC))


def change(key: ApiKey, **fields: Any) -> None:
    """Set fields of `key`: its name, or what it may do, which holds from the next request on."""
    ApiKey.objects.filter(pk=key.pk).update(version=F("version") + 1, **fields)


def still_working_elder(key: ApiKey) -> ApiKey | None:
    """Return the key that `key` replaced, while it still works; revoking `key` does not stop it."""
    return live(key.user).filter(pk=key.rotated_from_id).first() if key.rotated_from_id else None


def revoke(key: ApiKey, **reported: Any) -> bool:
    """Stop `key` for good, from the next request on, and its browser tokens; False when it was revoked before.

    `reported` are the fields that say who found it.
    """
    live = ApiKey.objects.filter(pk=key.pk, revoked_at=None)
    return bool(live.update(revoked_at=timezone.now(), **reported))


def revoke_all(user: User) -> None:
    """Stop every key of `user` for good."""
    ApiKey.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())


def _check_number(user: User, most: int) -> None:
    """Raise TooManyKeys when `user` has `most` live keys; the row's lock makes the count exact."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if live(user).count() >= most:
        raise TooManyKeys(most)


def note_use(key: ApiKey, ip: str | None) -> None:
    """Note that `key` was used, in steps of `LAST_USED_STEP`."""
    now = timezone.now()
    if key.last_used_at and now - key.last_used_at < LAST_USED_STEP:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - LAST_USED_STEP)
    ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now, last_used_ip=ip or key.last_used_ip)


def prefix_of(secret: str) -> str:
    """Return the visible beginning of a whole secret of any kind. Raises InvalidApiKey, CutApiKey; no query."""
    if len(secret) < _length(secret):
        raise CutApiKey
    shape = _KEY.fullmatch(secret)
    if shape is None or not hmac.compare_digest(_checksum(secret[:-6]), secret[-6:]):
        raise InvalidApiKey
    return shape[1]


def _length(secret: str) -> int:
    """How many characters a secret that begins so has."""
    head = next((head for head in (TEST_HEAD, TOKEN_HEAD) if secret.startswith(head)), HEAD)
    return len(head) + REST_LENGTH


def new_secret(head: str, visible: str) -> tuple[str, str]:
    """Return a new secret's visible beginning, and all of it."""
    prefix = head + visible
    body = f"{prefix}_{random(SECRET_LENGTH)}"
    return prefix, body + _checksum(body)


def random(length: int) -> str:
    """Return characters that nobody can guess."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _derived(claim: str) -> str:
    number, characters = int.from_bytes(hashlib.sha256(claim.encode()).digest()), ""
    for _ in range(PREFIX_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        characters += ALPHABET[digit]
    return characters


def digest_of(secret: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
