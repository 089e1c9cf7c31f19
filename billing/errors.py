"""What can go wrong with credits.

BillingError
├─ InsufficientCredits   the balance does not cover what was asked for
├─ UnknownHold           a hold was to be ended that nobody made
├─ AlreadySubscribed     a second subscription was asked for
├─ NotSubscribed         a subscription was to be changed that is not there
├─ ChangeUnderWay        another change of the plan is not through yet
├─ NotForSale            the plan or pack is not sold
├─ NoDocument            a payment has neither invoice nor receipt
├─ AccountClosed         something was to be bought for, or granted to, an account that its person has deleted
├─ NothingToTake         credits were to be taken from an empty balance
├─ NotSpent              a credit was to be returned that was never spent
├─ GrantedEnough          a member of staff has granted as many credits as they may in 24 hours
├─ CannotRefund           a payment, or so much of it, cannot be paid back; the message says why and what to do
├─ SubscriptionDecides   a plan was to be changed that a subscription decides on
├─ CodeRefused           a code brings this person nothing; the message says why
│  └─ UnknownCode        there is no such code
├─ BooksMoved            what was to be repaired is not as it was shown any more
├─ NothingToDo           an act on many finds that a row is as it should be; the message says how
├─ NotOurs               what an event is about was not sold by this installation
└─ NotYet                an event came before the one it builds on: try again later
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


class AlreadySubscribed(BillingError):
    """The account has a subscription, or has just paid for one."""


class NotSubscribed(BillingError):
    """The account has no subscription that could be changed."""


class ChangeUnderWay(BillingError):
    """Another change of this subscription is being made at this moment."""


class NotForSale(BillingError):
    """This plan or pack is not sold (any more)."""


class NoDocument(BillingError):
    """Stripe has no invoice and no receipt of this payment."""


class AccountClosed(BillingError):
    """The account's person has deleted it: nothing can be bought for it or granted any more."""


class NothingToTake(BillingError):
    """The balance is zero."""


class NotSpent(BillingError):
    """The hold has not ended, or it ended by giving its credits back."""


class GrantedEnough(BillingError):
    """A member of staff would grant more than they may in 24 hours: the message says how many are left."""


class CannotRefund(BillingError):
    """A payment, or so much of it, cannot be paid back: the message says why, and what to do."""


class SubscriptionDecides(BillingError):
    """The account has a running subscription, and that says which plan it has."""


class CodeRefused(BillingError):
    """A code brings this person nothing: the message says why, for them to read."""


class UnknownCode(CodeRefused):
    """There is no such code, which is what guesses are told."""


class NothingToDo(BillingError):
    """A row that is to be acted on is as it should be: the message says how."""


class NotOurs(BillingError):
    """What Stripe tells of is none of this installation's; the message says why, and goes on record."""


class BooksMoved(BillingError):
    """What was to be repaired is not as it was shown any more; nothing was changed."""


class NotYet(BillingError):
    """What this event builds on is not in the books yet; handling it is tried again later."""
