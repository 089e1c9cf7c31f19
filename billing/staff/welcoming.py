"""Give somebody the welcome credits that were held back."""

from django.db import transaction

from billing import ledger
from billing.models import HeldWelcome
from billing.staff import acts
from billing.welcome import holding

REASON = "Welcome credits that had been held back"


class _GivenAlready(Exception):
    """They came another way at the same moment."""


def give(*, actor: acts.Actor, held: HeldWelcome, reason: str = REASON) -> bool:
    """Grant what was held back, and tell whether it was still to be given.

    The mailbox has had its welcome then, unless it was held back for having had one. Counts against what `actor` may
    grant. Raises PermissionDenied, AccountClosed, GrantedEnough.
    """
    if held.given_at or not holding.standing(held.wallet):
        return False
    try:
        with transaction.atomic():
            reference = holding.reference(held.wallet)
            if ledger.knows(reference):
                reference = f"held_welcome:{held.pk}"
            entry = acts.grant(
                actor=actor, wallet=held.wallet, credits=held.credits, reason=reason, reference=reference
            )
            if entry.wallet_id != held.wallet_id:
                raise _GivenAlready
            if not holding.settle(held.wallet):  # after the grant, in the order in which `ledger.welcome` locks
                raise _GivenAlready
    except _GivenAlready:
        return False
    return True
