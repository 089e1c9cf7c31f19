"""What can be wrong with who somebody says they are, and with the keys they want.

AccountsError
├─ MissingApiKey   no key was sent
├─ InvalidApiKey   a key was sent that opens nothing
│  └─ CutApiKey    … because the end of it is missing
├─ AlreadyMinted   the key that this was to make exists
├─ KeyStopped      the key was revoked or has expired, so it cannot be replaced
└─ TooManyKeys     the person has as many keys as one may have
"""


class AccountsError(Exception):
    """Root of this app's errors (the module draws the tree)."""


class MissingApiKey(AccountsError):
    """The request carries no `Authorization: Bearer …` header."""


class InvalidApiKey(AccountsError):
    """The key is malformed, unknown, revoked or expired, or its user is suspended."""


class CutApiKey(InvalidApiKey):
    """The key is shorter than keys are: its visible beginning, or what stands in its place in a sample."""


class AlreadyMinted(AccountsError):
    """The form or the rotation that this comes from has made its key before."""


class KeyStopped(AccountsError):
    """The key no longer works."""


class TooManyKeys(AccountsError):
    """The person has `most` keys that work."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} keys")
        self.most = most
