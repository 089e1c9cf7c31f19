"""Whose image is sent next: accounts take turns, so that nobody waits behind somebody's backlog.

Of one account goes first what somebody waits for, then what is oldest. Who has least in hand is next, and no account
has more than its share of the places, so that there is always room for another. What a turn costs depends on how many
places are free and not on how many images wait.
"""

import heapq
from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.utils import timezone

from generator.jobs import lifecycle
from generator.models import Generation

SHARE = 0.5  # of all places
ACCOUNTS_AT_ONCE = 200  # asked in one go; the next go begins with those behind them

_TABLE = Generation._meta.db_table
# Jumps from one account to the next in the index `generation_turns`, instead of reading all that waits.
_ACCOUNTS = f"""
    WITH RECURSIVE turn(wallet_id) AS (
        SELECT MIN(wallet_id) FROM {_TABLE} WHERE status = 'queued' AND wallet_id > %s
        UNION ALL
        SELECT (SELECT MIN(wallet_id) FROM {_TABLE} WHERE status = 'queued' AND wallet_id > turn.wallet_id)
        FROM turn WHERE turn.wallet_id IS NOT NULL
    )
    SELECT wallet_id FROM turn WHERE wallet_id IS NOT NULL LIMIT %s
"""  # noqa: S608 (names of tables)
_OF_ACCOUNT = f"""
    SELECT * FROM (
        SELECT wallet_id, is_awaited, id FROM {_TABLE}
        WHERE status = 'queued' AND wallet_id = %s AND due_at <= %s
        ORDER BY wallet_id, is_awaited DESC, id LIMIT %s
    ) AS waiting
"""  # noqa: S608 (names of tables)


class Turns:
    """Where the round of accounts stands, for one process. `places` is how many images it has in hand at most."""

    def __init__(self, places: int) -> None:
        self._share = max(1, int(places * SHARE))
        self._last = 0  # the last wallet that was asked

    def claim(self, limit: int, in_hand: Mapping[int, int]) -> list[Generation]:
        """Claim up to `limit` images for sending. `in_hand` is how many of each wallet are being sent already."""
        picked = self._pick(limit, in_hand)
        return lifecycle.claim_submissions(picked) if picked else []

    def are_due(self) -> bool:
        """Whether anything is to be sent: usually not, and that costs next to nothing."""
        return Generation.objects.filter(status=Generation.Status.QUEUED, due_at__lte=timezone.now()).exists()

    def _pick(self, limit: int, in_hand: Mapping[int, int]) -> list[int]:
        room = {wallet: self._share - in_hand.get(wallet, 0) for wallet in self._next_wallets()}
        queries, parameters = [], []
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        for wallet, free in room.items():
            if free > 0:
                queries.append(_OF_ACCOUNT)
                parameters += [wallet, now, min(free, limit)]
        if not queries:
            return []
        rows = _rows(" UNION ALL ".join(queries), parameters)
        taken = {wallet: in_hand.get(wallet, 0) for wallet in room}
        ranked = []
        for wallet, is_awaited, pk in rows:
            ranked.append((taken[wallet], not is_awaited, pk))
            taken[wallet] += 1
        return [pk for _, _, pk in heapq.nsmallest(limit, ranked)]

    def _next_wallets(self) -> list[int]:
        """Return accounts that wait, going round: those behind the last one asked, then those before it."""
        wallets = [wallet for (wallet,) in _rows(_ACCOUNTS, [self._last, ACCOUNTS_AT_ONCE])]
        if len(wallets) < ACCOUNTS_AT_ONCE and self._last:
            before = _rows(_ACCOUNTS, [0, ACCOUNTS_AT_ONCE - len(wallets)])
            wallets += [wallet for (wallet,) in before if wallet <= self._last]
        self._last = wallets[-1] if len(wallets) == ACCOUNTS_AT_ONCE else 0
        return wallets


def _rows(sql: str, parameters: list[Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[Any] = cursor.fetchall()
    return rows
