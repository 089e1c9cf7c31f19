"""Who calls the API: a key and its account, found in one query, and remembered by this process for a few seconds.

What is remembered may be old. So nobody is let in by it: whoever goes by it lets the database say again, in the very
statement that charges, that the key still opens and the limits are still these (`one_statement`); where it does not,
the key is looked up anew. A revoked key is refused on the next request, in every process.
"""

import hashlib
import threading
import time
from dataclasses import dataclass

from accounts import keys, places, tokens
from accounts.errors import NotForTokens, ScopeMissing
from accounts.models import ApiKey, BrowserToken, KeyScope
from billing import ledger
from billing.models import Wallet
from generator.jobs import caps
from generator.models import GenerationQuerySet

REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 2_000


@dataclass(frozen=True)
class Caller:
    """A verified key and the wallet that pays for it, as both were when they were looked up.

    `token` is what the key minted for a browser, where that is what was sent.
    """

    api_key: ApiKey
    wallet: Wallet
    token: BrowserToken | None = None

    @property
    def sees_all(self) -> bool:
        """Whether it may see all images of its account; otherwise those that it made itself."""
        return self.token is None and KeyScope.READ in self.api_key.scopes

    def require(self, scope: KeyScope | None) -> None:
        """Raise ScopeMissing where the key may not do what `scope` names; each may do what has none.

        Whoever makes images may follow those, so there `generations` says what is seen. A browser token does no more.
        """
        if self.token is not None and scope == KeyScope.ACCOUNT:
            raise NotForTokens(scope)
        enough = {scope, KeyScope.GENERATE} if scope == KeyScope.READ else {scope}
        if scope is not None and enough.isdisjoint(self.api_key.scopes):
            raise ScopeMissing(scope)

    def may(self, scope: KeyScope | None) -> bool:
        """Tell whether `require` lets this caller through."""
        try:
            self.require(scope)
        except (ScopeMissing, NotForTokens):
            return False
        return True

    def require_key(self) -> None:
        """Raise NotForTokens where a browser token calls."""
        if self.token is not None:
            raise NotForTokens("")

    def may_call(self, ip: str | None, origin: str | None) -> bool:
        """Tell whether the key may be used from there, or its token in pages of there."""
        if self.token is not None:
            return origin == self.token.origin
        return places.allow(self.api_key.allowed_ips, ip)

    def generations(self) -> GenerationQuerySet:
        """The images that this caller may see: all of its account's, or those that it made itself.

        A key's own are also those of the keys that it replaced, or that replaced it.
        """
        return self._own().kept()

    def _own(self) -> GenerationQuerySet:
        own: GenerationQuerySet = self.wallet.generations.filter(is_test=self.api_key.is_test)
        if self.token is not None:
            return own.filter(browser_token=self.token)
        return own if self.sees_all else own.filter(api_key__in=keys.family(self.api_key))

    def left(self) -> int:
        """Return the credits that it has left now: its account, or of a browser token's cap."""
        if self.token is not None:  # what the account has is none of a browser's business
            return caps.of_token(self.token).left or 0
        return Wallet.objects.values_list("balance", flat=True).get(pk=self.wallet.pk)

    def may_see(self, public_id: str) -> bool:
        """Tell whether an image of its account is, or was, one that it may see; no query for who sees all."""
        return self.sees_all or self._own().filter(public_id=public_id).exists()


def look_up(secret: str, ip: str | None, origin: str | None = None) -> Caller:
    """Return who calls with `secret`, from `ip` or a page of `origin`, as the database has it now.

    Raises InvalidApiKey, IpNotAllowed, WrongOrigin.
    """
    with _making_room:
        _remembered.pop(_digest(secret), None)
    token = None
    if tokens.is_token(secret):
        token = tokens.verify(secret, origin=origin, also=(ledger.BESIDE_A_KEY,))
    api_key = token.api_key if token else keys.verify(secret, ip=ip, also=(ledger.BESIDE_A_KEY,))
    caller = Caller(api_key, ledger.wallet_of(api_key), token)
    with _making_room:
        while len(_remembered) >= MOST_REMEMBERED:
            del _remembered[next(iter(_remembered))]
        _remembered[_digest(secret)] = time.monotonic() + REMEMBERED_SECONDS, caller
    return caller


def remembered(secret: str) -> Caller | None:
    """Return who called with `secret` a moment ago."""
    until, caller = _remembered.get(_digest(secret), (0.0, None))
    return caller if time.monotonic() < until else None


_making_room = threading.Lock()
_remembered: dict[bytes, tuple[float, Caller]] = {}  # by digest: nobody who reads this memory finds a key in it


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
