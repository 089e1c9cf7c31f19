"""Refunds and disputes: what they claim of the credits that a payment brought, and what comes back."""

from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet, Sum
from django.utils import timezone

from billing.ledger.purse import Kind, Purse
from billing.models import CreditEntry, CreditGrant, CreditLine, Dispute, Refund

RETURNED_LATE = timedelta(days=7)  # how long credits stay usable that come back to a grant which has expired
KEPT_BACK = "Kept back: the payment is disputed or was refunded"


class Claims(Purse):
    """What is taken back with its money. What is out, set aside or disputed, is taken as it comes back.

    A dispute claims all of a grant while it lasts. Refunds claim their share of what its owner has or may get back.
    """

    def follow_refunds(
        self, grant: CreditGrant, *, refunded: int, paid: int, charge: str, cause: str, undone: str
    ) -> None:
        """Bring the claims of refunds in line: of the `paid` minor units `refunded` are paid back by now.

        The claim is the share `refunded / paid`, rounded up, of the credits that were not spent when it was made, so
        that it is the same whether a refund comes in one part or many, before a hold, while it is open, or after its
        release. Refunds beyond `refunded` have failed: what they took comes back, because of `undone`. Idempotent.
        """
        grant = self._own(grant)
        standing = _standing(grant)
        failed = [refund for refund in standing if refund.refunded > refunded]
        # Before anything comes back, or it would be taken again.
        Refund.objects.filter(pk__in=[refund.pk for refund in failed]).update(failed_at=timezone.now())
        for refund in failed:
            self._restore_all(refund.entries.all(), undone)
        if refunded > max((refund.refunded for refund in standing if refund not in failed), default=0):
            Refund.objects.create(grant=grant, charge=charge, refunded=refunded, paid=paid)
        self._claim_share(grant, _standing(grant), cause)

    def freeze(self, grant: CreditGrant, *, dispute: Dispute, cause: str) -> None:
        """Keep all of `grant` from being spent, including what returns to it later, until `thaw`. Idempotent."""
        grant = self._own(grant)
        if grant.dispute_id is None:
            grant.dispute = dispute
            self._change(grant)
        self._claw_back(grant, grant.remaining, cause, dispute=dispute)

    def thaw(self, grant: CreditGrant, *, dispute: Dispute, cause: str) -> None:
        """End the freeze of `dispute` and give back everything it kept. Idempotent."""
        grant = self._own(grant)
        if grant.dispute_id == dispute.pk:
            grant.dispute = None
            self._change(grant)
        self._restore_all(dispute.entries.all(), cause)

    def _bring_back(self, ended: CreditEntry, drawn: CreditEntry, kind: Kind, cause: str) -> CreditEntry:
        """End an entry by returning what `drawn` took to the grants it came from, but for what is claimed there."""
        self.expire()  # first, so that only what comes back gets more time
        lines = [
            (self._grants.setdefault(line.grant_id, line.grant), -line.amount)
            for line in drawn.lines.select_related("grant")
        ]
        now = timezone.now()
        for grant, _ in lines:
            if grant.expires_at is not None and grant.expires_at <= now:
                grant.expires_at = now + RETURNED_LATE
        entry = self._move(kind, lines, cause, of=ended)
        for grant, credits in lines:
            self._keep_back(grant, credits)
        return entry

    def _keep_back(self, grant: CreditGrant, credits: int) -> None:
        """Take of the `credits` that just came back to `grant` what is claimed, the first refund's first."""
        standing = _standing(grant)
        if grant.dispute is not None:
            self._claw_back(grant, credits, KEPT_BACK, dispute=grant.dispute)
            credits = 0
        for refund in standing:
            if part := min(credits, refund.owed):
                refund.owed -= part
                refund.save(update_fields=["owed"])
                self._claw_back(grant, part, KEPT_BACK, refund=refund)
                credits -= part
        self._claim_share(grant, standing, KEPT_BACK)  # what was spent for good, and is returned, counts again

    def _claim_share(self, grant: CreditGrant, standing: list[Refund], cause: str) -> None:
        """Let the last refund claim what the share of all that stand is short of. Nothing is ever claimed less."""
        if not standing:
            return
        last = standing[-1]
        share = -(-self._unspent(grant) * last.refunded // last.paid)
        short = max(0, share - sum(refund.credits for refund in standing))
        now = min(short, grant.remaining)
        last.credits += short
        last.owed += short - now
        last.save(update_fields=["credits", "owed"])
        self._claw_back(grant, now, cause, refund=last)

    def _unspent(self, grant: CreditGrant) -> int:
        """Return how many of a grant's credits its owner has, or may get back, or has lost to a claim."""
        self.write()
        ended = CreditEntry.objects.filter(of=OuterRef("entry"))
        out = CreditLine.objects.filter(~Exists(ended), grant=grant, entry__kind__in=[Kind.HOLD, Kind.CLAW_BACK])
        return grant.remaining - (out.aggregate(credits=Sum("amount"))["credits"] or 0)

    def _claw_back(
        self,
        grant: CreditGrant,
        credits: int,
        cause: str,
        *,
        refund: Refund | None = None,
        dispute: Dispute | None = None,
    ) -> None:
        if credits:
            self._move(Kind.CLAW_BACK, [(grant, -credits)], cause, refund=refund, dispute=dispute)

    def _restore_all(self, entries: "QuerySet[CreditEntry]", cause: str) -> None:
        """Give back what these took, now and earlier."""
        self.write()
        for entry in entries.filter(ends=None).order_by("id"):
            self._bring_back(entry, entry, Kind.RESTORE, cause)


def _standing(grant: CreditGrant) -> list[Refund]:
    """Return the refunds of a grant's payment that have not failed, in their order."""
    return list(Refund.objects.filter(grant=grant, failed_at=None).order_by("refunded"))
