"""The test cards and bank accounts, and what happens when each is charged.

Numbers and behaviour from https://docs.stripe.com/testing; the bank accounts stand for any delayed method.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """How a charge ends. PENDING ones end later, as `later` says."""

    SUCCEEDS = "succeeds"
    DECLINED = "declined"
    NEEDS_ACTION = "needs action"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a bank says no: Stripe's code, its decline code, and words for the payer."""

    code: str
    decline_code: str
    message: str

    @property
    def doc_url(self) -> str:
        """Where Stripe explains the code."""
        return f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"


DECLINED = Refusal("card_declined", "generic_decline", "Your card was declined.")
NO_FUNDS = Refusal("card_declined", "insufficient_funds", "Your card has insufficient funds.")
EXPIRED = Refusal("expired_card", "expired_card", "Your card has expired.")
NEEDS_ACTION = Refusal(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
BANK_REFUSED = Refusal("payment_intent_payment_attempt_failed", "insufficient_funds", "The bank returned the debit.")


@dataclass(frozen=True, slots=True)
class TestMethod:
    """One way to pay: what happens while the payer is there (`now`) and at a renewal (`later`)."""

    number: str
    label: str
    now: Outcome = Outcome.SUCCEEDS
    later: Outcome = Outcome.SUCCEEDS
    refusal: Refusal = DECLINED
    brand: str = "visa"

    @property
    def bank(self) -> bool:
        """Whether it is an account that is debited, within days."""
        return not self.number.isdigit()

    @property
    def settles(self) -> bool:
        """Whether a debit that is on its way succeeds."""
        return self.later is Outcome.SUCCEEDS

    @property
    def last4(self) -> str:
        """The digits that people see."""
        return self.number[-4:] if not self.bank else "6789"

    @property
    def type(self) -> str:
        """The payment method type."""
        return "us_bank_account" if self.bank else "card"


_NO, _ASKS, _LATER = Outcome.DECLINED, Outcome.NEEDS_ACTION, Outcome.PENDING
_ALL = (
    TestMethod("4242424242424242", "Succeeds"),
    TestMethod("5555555555554444", "Succeeds (Mastercard)", brand="mastercard"),
    TestMethod("4000000000000002", "Is declined", _NO, _NO),
    TestMethod("4000000000009995", "Is declined: no funds", _NO, _NO, NO_FUNDS),
    TestMethod("4000000000000069", "Has expired", _NO, _NO, EXPIRED),
    TestMethod("4000000000000341", "Succeeds now, fails when charged at renewal", later=_NO),
    TestMethod("4000002760003184", "Succeeds now, wants to be confirmed at renewal", later=_ASKS, refusal=NEEDS_ACTION),
    TestMethod("bank_debit_succeeds", "Bank debit: succeeds later", now=_LATER, refusal=BANK_REFUSED),
    TestMethod("bank_debit_fails", "Bank debit: fails later", _LATER, _NO, BANK_REFUSED),
)
METHODS = {method.number: method for method in _ALL}
CARDS = tuple(method for method in _ALL if not method.bank)
BANKS = tuple(method for method in _ALL if method.bank)


def named(number: str) -> TestMethod | None:
    """Return the test method with this number (spaces and dashes are ignored), if there is one."""
    return METHODS.get(number.replace(" ", "").replace("-", ""))
