"""Secrets that we have to use again, at rest: encrypted under a key derived from SECRET_KEY, one for each purpose.

What was sealed under one of SECRET_KEY_FALLBACKS opens until it is sealed anew.
"""

import base64
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class Unsealable(Exception):
    """What is stored was sealed under a SECRET_KEY that is neither the present one nor among its fallbacks."""


class Seal:
    """Seals and opens what serves one `purpose`; what was sealed for another does not open."""

    def __init__(self, purpose: bytes) -> None:
        self._purpose = purpose

    def close(self, text: str) -> str:
        """Return what to store for `text`."""
        return self._box().encrypt(text.encode()).decode()

    def open(self, stored: str) -> str:
        """Return the text that `close` stored. Raises Unsealable."""
        try:
            return self._box().decrypt(stored.encode()).decode()
        except (InvalidToken, ValueError):
            raise Unsealable from None

    def is_newest(self, stored: str) -> bool:
        """Tell whether SECRET_KEY_FALLBACKS may go as far as this one needs it."""
        try:
            _fernet(settings.SECRET_KEY, self._purpose).decrypt(stored.encode())
        except (InvalidToken, ValueError):
            return False
        return True

    def _box(self) -> MultiFernet:
        secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        return MultiFernet([_fernet(secret, self._purpose) for secret in secrets])


@lru_cache(maxsize=32)
def _fernet(secret: str, purpose: bytes) -> Fernet:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
