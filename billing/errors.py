"""What can go wrong with credits.

BillingError
├─ InsufficientCredits   the balance does not cover what was asked for
└─ UnknownHold           a hold was to be ended that nobody made
"""


class BillingError(Exception):
    """Root of this app's errors (the module draws the tree)."""


class InsufficientCredits(BillingError):
    """The balance does not cover what was asked for. `balance` and `needed` are credits."""

    def __init__(self, *, balance: int, needed: int) -> None:
        super().__init__(f"{needed} needed, {balance} left")
        self.balance = balance
        self.needed = needed


class UnknownHold(BillingError):
    """There is no hold under this reference."""
