"""Credits that come in, and those that go without having been spent."""

from datetime import datetime

from billing.ledger.purse import Kind, Purse
from billing.models import CreditEntry, CreditGrant, Subscription


class Grants(Purse):
    """Granting, taking and writing off."""

    def grant(
        self,
        *,
        credits: int,
        source: CreditGrant.Source,
        reference: str,
        cause: str,
        expires_at: datetime | None = None,
        subscription: Subscription | None = None,
        period: tuple[datetime, datetime] | None = None,
    ) -> CreditEntry:
        """Add `credits` as a new grant. Idempotent: the same `reference` returns the first entry.

        A plan's belong to the `subscription` and the `period`, from its start to its end, that were paid.
        """
        if credits <= 0:
            raise ValueError("A grant adds at least 1 credit.")
        if known := self.entry(reference):
            return known
        start, end = period or (None, None)
        added = CreditGrant.objects.create(
            wallet=self.wallet,
            source=source,
            amount=credits,
            remaining=0,
            expires_at=expires_at,
            subscription=subscription,
            period_start=start,
            period_end=end,
        )
        self._grants[added.pk] = added
        return self._move(Kind.GRANT, [(added, credits)], cause, reference=reference)

    def take(self, *, credits: int, reference: str, cause: str) -> CreditEntry:
        """Take up to `credits` away, as many as there are: the balance never goes below zero. Idempotent."""
        if credits <= 0:
            raise ValueError("At least 1 credit is taken.")
        if known := self.entry(reference):
            return known
        return self._move(Kind.TAKE, self._draw(credits), cause, reference=reference)

    def write_off(self, grant: CreditGrant, *, cause: str, reference: str | None = None) -> CreditEntry | None:
        """Expire what is left of `grant` before its time; None when nothing is. Idempotent by its `reference`."""
        if reference is not None and (known := self.entry(reference)):
            return known
        grant = self._own(grant)
        if not grant.remaining:
            return None
        return self._move(Kind.EXPIRE, [(grant, -grant.remaining)], cause, reference=reference)
