"""What can be wrong with who somebody says they are, and with the keys they want.

AccountsError
├─ MissingApiKey   no key was sent
├─ InvalidApiKey   a key was sent that opens nothing
│  └─ CutApiKey    … because the end of it is missing
├─ ScopeMissing    the key may not do this
│  └─ NotForTokens … and no browser token may
├─ IpNotAllowed    the key may not be used from that address
├─ WrongOrigin     the browser token belongs to pages of another site
├─ TokenNotFound   the key has no browser token of that name that works
├─ TooManyTokens   the key has as many browser tokens that work as one may have
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


class ScopeMissing(AccountsError):
    """The key works, and may not do what `scope` names."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope


class NotForTokens(ScopeMissing):
    """The key may do this, what it minted for a browser may not."""


class IpNotAllowed(AccountsError):
    """The key works, but not from `ip`; None where the caller's address is not known."""

    def __init__(self, ip: str | None) -> None:
        super().__init__(ip)
        self.ip = ip


class WrongOrigin(AccountsError):
    """The browser token works only with an `Origin` header that names the site it was minted for."""


class TokenNotFound(AccountsError):
    """There is no such browser token, it has ended, or it is another key's."""


class TooManyTokens(AccountsError):
    """The key has `most` browser tokens that work."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} tokens")
        self.most = most


class AlreadyMinted(AccountsError):
    """The form or the rotation that this comes from has made its key before."""


class KeyStopped(AccountsError):
    """The key no longer works."""


class TooManyKeys(AccountsError):
    """The person has `most` keys that work."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} keys")
        self.most = most
