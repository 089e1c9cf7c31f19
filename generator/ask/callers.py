"""Who calls the API: a key and its account, found in one query, and remembered by this process for a few seconds.

What is remembered may be old. So nobody is let in by it: whoever goes by it lets the database say again, in the very
statement that charges, that the key still opens and the limits are still these (`one_statement`); where it does not,
the key is looked up anew. A revoked key is refused on the next request, in every process.
"""

import hashlib
import threading
import time
from dataclasses import dataclass

from accounts import keys
from accounts.models import ApiKey
from billing import ledger
from billing.models import Wallet

REMEMBERED_SECONDS = 5.0
MOST_REMEMBERED = 2_000


@dataclass(frozen=True)
class Caller:
    """A verified key and the wallet that pays for it, as both were when they were looked up."""

    api_key: ApiKey
    wallet: Wallet


def look_up(secret: str, ip: str | None) -> Caller:
    """Return who calls with `secret`, as the database has it now. Raises InvalidApiKey."""
    with _making_room:
        _remembered.pop(_digest(secret), None)
    api_key = keys.verify(secret, ip=ip, also=(ledger.BESIDE_A_KEY,))
    caller = Caller(api_key, ledger.wallet_of(api_key))
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
