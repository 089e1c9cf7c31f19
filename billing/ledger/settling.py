"""Spending holds, many at once, as a worker does whose images are done. It touches no grant, and so needs no books."""

from collections.abc import Collection, Sequence

from django.db import connection, transaction
from django.utils import timezone

from billing.errors import UnknownHold
from billing.models import CreditEntry, Wallet
from kit import postgres, wakeups

Kind = CreditEntry.Kind


@transaction.atomic(savepoint=False)
def settle(references: Collection[str]) -> None:
    """Spend what was set aside under each of `references`, of any wallets, in as many statements as for one.

    Idempotent; a hold that was released stays so. Raises UnknownHold.
    """
    holds = {
        held.reference: held
        for held in CreditEntry.objects.filter(reference__in=references, kind=Kind.HOLD).order_by("wallet_id", "pk")
    }
    if missing := set(references) - holds.keys():
        raise UnknownHold(min(missing))
    _write_settlements(list(holds.values()))
    wakeups.publish_on_commit(*{wakeups.wallet_topic(held.wallet_id): None for held in holds.values()})


def _write_settlements(holds: Sequence[CreditEntry]) -> None:
    """Lock the wallets and write the entries in one statement: whoever draws does so at a low priority.

    A wallet that is locked while its worker waits for a processor is locked for everybody. A hold that has an outcome
    already keeps that.
    """
    if not holds:
        return
    wallets = sorted({held.wallet_id for held in holds})  # in one order, so that two of these never wait for each other
    lock = "FOR NO KEY UPDATE" if connection.features.has_select_for_update else ""
    insertion = postgres.insert(
        CreditEntry,
        {
            "wallet_id": "settled.wallet_id",
            "kind": f"'{Kind.SETTLE}'",
            "amount": "0",
            "balance_after": "settled.balance",
            "of_id": "settled.of_id",
            "cause": "settled.cause",
            "created_at": "settled.created_at",
        },
        source="settled WHERE TRUE ON CONFLICT (of_id) WHERE of_id IS NOT NULL DO NOTHING",
    )
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    rows = [(held.wallet_id, held.pk, held.cause, now) for held in holds]
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH locked AS (SELECT id, balance FROM {Wallet._meta.db_table}"  # noqa: S608 (names and marks of our own)
            f" WHERE id IN ({', '.join(['%s'] * len(wallets))}) ORDER BY id {lock}),"
            " settled AS (SELECT locked.id AS wallet_id, locked.balance, v.column2 AS of_id, v.column3 AS cause,"
            " v.column4 AS created_at"
            f" FROM (VALUES {', '.join(['(%s, %s, %s, %s)'] * len(rows))}) AS v"
            f" JOIN locked ON locked.id = v.column1) {insertion}",
            [*wallets, *(value for row in rows for value in row)],
        )
