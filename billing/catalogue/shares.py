"""What part of a period comes to, in money and in credits by the same measure: a change of plan is worked out by it."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Share:
    """`quantity` of a price, `amount` minor units for `credits`, for `left` of the `whole` seconds of its period."""

    amount: int
    credits: int
    quantity: int = 1
    left: int = 1
    whole: int = 1

    @property
    def of_money(self) -> int:
        """Minor units, rounded as Stripe does."""
        return _rounded(self.amount * self._part)

    @property
    def of_credits(self) -> Fraction:
        return self.credits * self._part

    @property
    def _part(self) -> Fraction:
        return Fraction(self.quantity * min(self.left, self.whole), max(self.whole, 1))


def credits_of(new: Iterable[Share], old: Iterable[Share] = ()) -> int:
    """Return the credits that `new` brings where `old` is given back, never below 0: those that are here stay."""
    return max(0, _rounded(_all(new) - _all(old)))


def _all(shares: Iterable[Share]) -> Fraction:
    return sum((share.of_credits for share in shares), start=Fraction())


def _rounded(exact: Fraction) -> int:
    """Return the nearest whole number, halves up."""
    return int((exact + Fraction(1, 2)) // 1)
