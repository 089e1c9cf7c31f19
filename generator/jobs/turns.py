"""Whose image is sent next, and where: accounts take turns, so that nobody waits behind somebody's backlog.

Of one account goes first what somebody waits for, then what is oldest. Who has least in hand is next, and no account
has more than its share of the places, so that there is always room for another. What a turn costs depends on how many
places are free and not on how many images wait. What no upstream has room for stays where it is, and nobody whose image
another upstream draws waits behind it. Samples of test keys stand in no turn (`sampling`).
"""

import heapq
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from generator.jobs import attempts, lifecycle
from generator.models import Generation, Route
from generator.upstreams import routing
from generator.upstreams.routing import Choice, Task

SHARE = 0.5  # of all places
ACCOUNTS_AT_ONCE = 200  # asked in one go; the next go begins with those behind them
ROUNDS = 5  # in which what has no room is left out and others come up
NOWHERE_SECONDS = 1.0  # until an image is looked at again that has been to every upstream that has room

_TABLE = Generation._meta.db_table
# Jumps from one account to the next in the index `generation_turns`, instead of reading all that waits.
_ACCOUNTS = f"""
    WITH RECURSIVE turn(wallet_id) AS (
        SELECT MIN(wallet_id) FROM {_TABLE} WHERE status = 'queued' AND NOT is_test AND wallet_id > %s
        UNION ALL
        SELECT (
            SELECT MIN(wallet_id) FROM {_TABLE} WHERE status = 'queued' AND NOT is_test AND wallet_id > turn.wallet_id
        ) FROM turn WHERE turn.wallet_id IS NOT NULL
    )
    SELECT wallet_id FROM turn WHERE wallet_id IS NOT NULL LIMIT %s
"""  # noqa: S608 (names of tables)
_OF_ACCOUNT = f"""
    SELECT * FROM (
        SELECT wallet_id, is_awaited, id, image_model_id, operation, submits FROM {_TABLE}
        WHERE status = 'queued' AND NOT is_test AND wallet_id = %s AND due_at <= %s {{but_not}}
        ORDER BY wallet_id, is_awaited DESC, id LIMIT %s
    ) AS waiting
"""  # noqa: S608 (names of tables)


class _Waiting(NamedTuple):
    wallet: int
    is_awaited: bool
    pk: int
    image_model: int | None
    operation: str
    submits: int

    @property
    def task(self) -> Task:
        return self.image_model, self.operation


class Turns:
    """Where the round of accounts stands, for one process. `places` is how many images it has in hand at most."""

    def __init__(self, places: int) -> None:
        self._share = max(1, int(places * SHARE))
        self._last = 0  # the last wallet that was asked
        self.is_waiting = False  # for an upstream: what is due is left where it is

    def claim(self, limit: int, in_hand: Mapping[int, int]) -> list[Generation]:
        """Claim up to `limit` images for sending, each with an attempt. `in_hand` is how many of each wallet are being
        sent already."""
        wallets = self._next_wallets()
        self.is_waiting = False
        if not wallets:
            return []
        taken = {wallet: in_hand.get(wallet, 0) for wallet in wallets}
        with routing.choosing() as choice:
            routes: dict[int, Route] = {}
            full: set[Task] = set()
            nowhere: set[int] = set()
            for _ in range(ROUNDS):
                known_full = len(full)
                ranked = self._ranked(limit - len(routes), taken, {*full}, {*routes, *nowhere})
                self._choose(ranked, choice, routes, full, nowhere, taken)
                if len(full) == known_full or len(routes) >= limit:
                    break
            self.is_waiting = bool(full or nowhere)
            lifecycle.put_off(list(nowhere), NOWHERE_SECONDS)
            return lifecycle.claim_submissions(list(routes), routes)

    def _choose(
        self,
        ranked: list[_Waiting],
        choice: Choice,
        routes: dict[int, Route],
        full: set[Task],
        nowhere: set[int],
        taken: dict[int, int],
    ) -> None:
        """Find a route for each of `ranked`; what has none is `full` for its whole task, or is `nowhere` for itself."""
        again = [one.pk for one in ranked if one.submits]
        been = attempts.used_up(again) if again else {}
        for one in ranked:
            if one.task in full:
                continue
            route = choice.route_for(one.task, been.get(one.pk, ()))
            if route is not None:
                routes[one.pk] = route
                taken[one.wallet] += 1
            elif one.pk in been:
                nowhere.add(one.pk)
            else:
                full.add(one.task)

    def _ranked(
        self, limit: int, taken: Mapping[int, int], full: Collection[Task], chosen: Collection[int]
    ) -> list[_Waiting]:
        """Return up to `limit` images that are due, the first to be sent first: none of a task that is `full`."""
        but_not, without = "", []
        for image_model, operation in full:
            but_not += " AND NOT (operation = %s AND image_model_id IS NOT DISTINCT FROM %s)"
            without += [operation, image_model]
        query = _OF_ACCOUNT.format(but_not=but_not)
        queries, parameters = [], []
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        for wallet, sent in taken.items():
            if (free := self._share - sent) > 0:
                queries.append(query)
                parameters += [wallet, now, *without, min(free, limit) + len(chosen)]
        if not queries:
            return []
        counted = dict(taken)
        ranked = []
        for row in map(_Waiting._make, _rows(" UNION ALL ".join(queries), parameters)):
            if row.pk not in chosen:
                ranked.append((counted[row.wallet], not row.is_awaited, row.pk, row))
                counted[row.wallet] += 1
        return [row for *_, row in heapq.nsmallest(limit, ranked)]

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
