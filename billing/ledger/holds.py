"""Credits that are set aside for a piece of work, spent with it, or given back."""

from collections.abc import Sequence

from billing.errors import InsufficientCredits, NotSpent, UnknownHold
from billing.ledger.claims import Claims
from billing.ledger.purse import Kind
from billing.models import CreditEntry


class Holds(Claims):
    """Holding, releasing and returning. `settle`, which spends, touches no grant and stands by itself."""

    def hold(self, *, credits: int, reference: str, cause: str) -> CreditEntry:
        """Set `credits` aside for one piece of work, from the grants that expire soonest.

        Idempotent: the same `reference` returns the first entry. Raises InsufficientCredits, which undoes the block:
        nothing is written then but the end of what has expired, so that the balance in it is the one on record.
        """
        if credits <= 0:
            raise ValueError("A hold sets at least 1 credit aside.")
        if known := self.entry(reference):
            return known
        self._require(credits)
        return self._move(Kind.HOLD, self._draw(credits), cause, reference=reference)

    def hold_each(self, holds: Sequence[tuple[str, str, int]]) -> None:
        """Set credits aside for each of `holds`, so that each can end alone: a new reference, its cause, the credits.

        One entry for each, which may draw on several grants. Takes as many statements for several as for one. Raises
        InsufficientCredits, which undoes all of them.
        """
        if any(credits <= 0 for _, _, credits in holds):
            raise ValueError("A hold sets at least 1 credit aside.")
        self._require(sum(credits for _, _, credits in holds))
        for reference, cause, credits in holds:
            self._move(Kind.HOLD, self._draw(credits), cause, reference=reference)

    def release(self, *, reference: str, cause: str) -> CreditEntry:
        """Give back what was set aside under `reference`, to the grants it came from.

        Idempotent; a hold that was settled stays so, and that entry is returned. Credits of a grant that has expired
        meanwhile come back with `RETURNED_LATE` to use. Raises UnknownHold.
        """
        held = self._held(reference)
        return self._find(of=held) or self._bring_back(held, held, Kind.RELEASE, cause)

    def give_back(self, *, reference: str, cause: str) -> CreditEntry:
        """Return what was held and then spent under `reference`, to the grants it came from.

        Idempotent: it is returned once. Credits come back as in `release`. Raises UnknownHold, NotSpent.
        """
        held = self._held(reference)
        spent = self._find(of=held, kind=Kind.SETTLE)
        if spent is None:
            raise NotSpent(reference)
        return self._find(of=spent) or self._bring_back(spent, held, Kind.RELEASE, cause)

    def _require(self, credits: int) -> None:
        """Raise InsufficientCredits unless balance and grants both have `credits`: they may drift apart."""
        self.expire()
        spendable = min(self.balance, sum(grant.remaining for grant in self._filled()))
        if spendable < credits:
            raise InsufficientCredits(balance=spendable, needed=credits)

    def _held(self, reference: str) -> CreditEntry:
        held = self._find(wallet=self.wallet, reference=reference, kind=Kind.HOLD)
        if held is None:
            raise UnknownHold(reference)
        return held
