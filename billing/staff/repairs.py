"""Bringing kept figures in line with the ledger's entries, by somebody who has read what exactly that does."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import astuple
from itertools import groupby

from django.db import transaction

from billing import ledger
from billing.errors import BooksMoved
from billing.ledger import Figure
from billing.models import Wallet
from billing.staff import acts
from billing.staff.acts import Act, Actor

PERMISSION = "repair_books"


def planned(wallets: Collection[int] | None) -> list[Figure]:
    """Return what a repair of these wallets would do now, of all of them when None; nothing is changed."""
    return ledger.mendable(ledger.astray(wallets))


def digest(figures: Sequence[Figure]) -> str:
    """Return what stands for exactly these figures in a form."""
    return hashlib.sha256(json.dumps([astuple(figure) for figure in figures]).encode()).hexdigest()


@transaction.atomic
def repair(*, actor: Actor, wallets: Collection[int], shown: str, reason: str) -> list[Figure]:
    """Do what was shown, all of it or nothing, and return it; each wallet gets a record.

    `shown` is the `digest` of what was read. Raises BooksMoved when the figures are others by now, and PermissionDenied
    where a wallet is out of the actor's reach.
    """
    figures = planned(wallets)
    if not figures or digest(figures) != shown:
        raise BooksMoved
    rows = Wallet.objects.select_related("user").in_bulk({figure.wallet for figure in figures})
    for wallet in rows.values():
        reason = acts.permitted(actor, PERMISSION, wallet.user, reason)
    ledger.mend(figures)
    for pk, of in groupby(figures, key=lambda figure: figure.wallet):
        mended = list(of)
        acts.record(
            actor,
            Act.REPAIR,
            reason,
            wallet=rows[pk],
            before={_name(figure): figure.kept for figure in mended},
            after={_name(figure): figure.true for figure in mended},
        )
    return figures


def _name(figure: Figure) -> str:
    return figure.what.value if figure.what == "balance" else f"{figure.what.value} of {figure.row}"
