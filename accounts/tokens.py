"""Browser tokens: what a key mints for one browser on one site, so that the key itself stays on a server.

A token acts as its key, within less: it makes images and follows those that it made, spends no more than its cap, ends
by itself within minutes, and works only in pages of the site that it was minted for. It dies with its key.
"""

import hmac
import re
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts import keys
from accounts.errors import InvalidApiKey, TooManyTokens, WrongOrigin
from accounts.models import ApiKey, BrowserToken

MOST_TOKENS = 1_000  # of one key that work at a time
KEPT = timedelta(days=1)  # after its end: what is drawn for it may still fail, and its credits return
SHORTEST, LONGEST, USUAL = 60, 3600, 600  # seconds that one works

_HOST = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]"
_ORIGIN = re.compile(rf"(?:https://(?:{_HOST})|http://localhost)(?::[1-9][0-9]{{0,4}})?")


def origin_of(text: str) -> str | None:
    """Return an origin as browsers send it, or None for what is none that a token may have: https, or localhost."""
    origin = text.strip().lower()
    if len(origin) > 255 or not _ORIGIN.fullmatch(origin):
        return None
    standard = ":443" if origin.startswith("https:") else ":80"
    return origin.removesuffix(standard)


@transaction.atomic
def mint(key: ApiKey, *, origin: str, seconds: int, credit_cap: int) -> tuple[BrowserToken, str]:
    """Mint a token of `key` for pages of `origin`, and return it with its secret, which cannot be had again.

    It never outlives the key. Raises TooManyTokens, InvalidApiKey for a key that was stopped meanwhile.
    """
    now = timezone.now()
    # The row's lock makes the count exact, and what revokes a key waits for it.
    locked = ApiKey.objects.select_for_update(no_key=True, of=("self",)).select_related("user").filter(pk=key.pk)
    known = locked.first()
    if known is None or not keys.opens(known):
        raise InvalidApiKey
    if BrowserToken.objects.filter(api_key=key, expires_at__gt=now, revoked_at=None).count() >= MOST_TOKENS:
        raise TooManyTokens(MOST_TOKENS)
    prefix, secret = keys.new_secret(keys.TOKEN_HEAD, keys.random(keys.PREFIX_LENGTH))
    ends = now + timedelta(seconds=seconds)
    token = BrowserToken.objects.create(
        api_key=key,
        prefix=prefix,
        digest=keys.digest_of(secret),
        origin=origin,
        credit_cap=credit_cap,
        created_at=now,
        expires_at=min(ends, known.expires_at) if known.expires_at else ends,
    )
    return token, secret


def is_token(secret: str) -> bool:
    """Tell whether a secret claims to be a browser token."""
    return secret.startswith(keys.TOKEN_HEAD)


def verify(secret: str, *, origin: str | None, also: Iterable[str] = ()) -> BrowserToken:
    """Return the token that `secret` opens for a page of `origin`, its key and that one's user loaded; one query.

    `also` names rows to load with it, as they hang on the key. The key's list of addresses does not hold for it: they
    are its servers, and a browser is elsewhere.
    Raises InvalidApiKey, CutApiKey, WrongOrigin.
    """
    prefix = keys.prefix_of(secret)
    beside = ("api_key__user", *(f"api_key__{one}" for one in also))
    token = BrowserToken.objects.select_related(*beside).filter(prefix=prefix).first()
    if token is None or not hmac.compare_digest(token.digest, keys.digest_of(secret)):
        raise InvalidApiKey
    if token.revoked_at is not None or token.expires_at <= timezone.now() or not keys.opens(token.api_key):
        raise InvalidApiKey
    if origin != token.origin:
        raise WrongOrigin
    keys.note_use(token.api_key, None)
    return token


def revoke(key: ApiKey, prefix: str) -> bool:
    """Stop one token of `key` for good; False when there is none of that name that works."""
    live = BrowserToken.objects.filter(api_key=key, prefix=prefix, revoked_at=None, expires_at__gt=timezone.now())
    return bool(live.update(revoked_at=timezone.now()))


def revoke_found(secret: str) -> None:
    """Stop the token that `secret` is of, if it is one. Raises InvalidApiKey, CutApiKey."""
    found = BrowserToken.objects.filter(prefix=keys.prefix_of(secret), digest=keys.digest_of(secret), revoked_at=None)
    found.update(revoked_at=timezone.now())


def purge() -> int:
    """Delete the tokens that ended a day ago, some at a time, and return how many these were. Their images stay."""
    over = BrowserToken.objects.filter(expires_at__lte=timezone.now() - KEPT).order_by("expires_at")
    deleted = 0
    while some := list(over.values_list("pk", flat=True)[:500]):
        # Not counted is what goes with them, of other apps.
        deleted += BrowserToken.objects.filter(pk__in=some).delete()[1].get(BrowserToken._meta.label, 0)
    return deleted
