"""What can be wrong with who somebody says they are.

AccountsError
├─ MissingApiKey   no key was sent
└─ InvalidApiKey   a key was sent that opens nothing
"""


class AccountsError(Exception):
    """Root of this app's errors (the module draws the tree)."""


class MissingApiKey(AccountsError):
    """The request carries no `Authorization: Bearer …` header."""


class InvalidApiKey(AccountsError):
    """The key is malformed, unknown, revoked or expired, or its user is suspended."""
