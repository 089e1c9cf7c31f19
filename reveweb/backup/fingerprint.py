"""Which SECRET_KEY an installation had, said so that nobody learns it: a salted digest that takes long to compute."""

import hashlib
import hmac
import secrets

_COST = {"n": 2**14, "r": 8, "p": 1}  # 16 MB and some 50 ms for each guess


def of(secret: str) -> str:
    """Return what to keep of a secret, to know it again."""
    salt = secrets.token_bytes(16)
    return f"scrypt:{salt.hex()}:{_digest(secret, salt).hex()}"


def is_of(kept: str, secret: str) -> bool:
    """Tell whether `kept` was made of this secret."""
    kind, _, rest = kept.partition(":")
    salt, _, digest = rest.partition(":")
    try:
        meant = bytes.fromhex(digest)
        return kind == "scrypt" and hmac.compare_digest(_digest(secret, bytes.fromhex(salt)), meant)
    except ValueError:
        return False


def _digest(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, dklen=16, **_COST)
