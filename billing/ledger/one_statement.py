"""A hold as parts of a statement for PostgreSQL, beside `books.hold`, which does the same step by step.

    (LOCK) purse ──▶ bucket ──▶ spendable ──▶ (what the caller makes sure of) ──▶ drawn ──▶ paid ──▶ entry ──▶ line

All of it comes out of one grant, that whose turn it is. Nothing is written unless the caller's step lets it through; a
statement that gives no row has changed nothing. Then it was not for this path (too few credits, or not in one grant, a
grant to write off first, somebody else's turn): `books.hold` says why.

All of a statement sees the database as it was when it began. One that waited for the purse's lock would therefore go on
with what may be old, and would wait for the old version of the row that it has locked: a deadlock, where another waits
for both. So LOCK comes first, as a statement of its own; whoever changes a purse or a grant in it has that lock.
"""

from billing.models import CreditEntry, CreditGrant, CreditLine, Wallet
from kit import postgres

_WALLET = f'"{Wallet._meta.db_table}"'
_GRANT = f'"{CreditGrant._meta.db_table}"'


# Parameter: `wallet`.
LOCK = f"SELECT 1 FROM {_WALLET} WHERE id = %(wallet)s::bigint FOR NO KEY UPDATE"  # noqa: S608 (name of a table)


def found(*, only_if: str) -> str:
    """Return the steps that find a purse with the credits in it, and the grant that comes first, if it has them all.

    `only_if` is a condition on the wallet's row. Parameters: `wallet`, `now`, `credits`.
    """
    return f"""
purse AS (
    SELECT id FROM {_WALLET} WHERE id = %(wallet)s::bigint AND balance >= %(credits)s::int AND {only_if}
),
bucket AS (
    SELECT {_GRANT}.id, {_GRANT}.expires_at, {_GRANT}.remaining
    FROM {_GRANT} JOIN purse ON {_GRANT}.wallet_id = purse.id
    WHERE {_GRANT}.remaining >= 1 ORDER BY {_GRANT}.expires_at ASC NULLS LAST, {_GRANT}.id LIMIT 1
),
spendable AS (
    SELECT id FROM bucket
    WHERE remaining >= %(credits)s::int AND (expires_at IS NULL OR expires_at > %(now)s::timestamptz)
)"""  # noqa: S608 (names of tables)


def written(*, source: str) -> str:
    """Return the steps that write the hold, once `source` gives the row of `spendable`; `paid` has the balance.

    Parameters: `wallet`, `now`, `credits`, `reference`, `cause`, and `low`, the LOW_BALANCE_CREDITS.
    """
    entry = postgres.insert(
        CreditEntry,
        {
            "wallet_id": "%(wallet)s::bigint",
            "kind": f"'{CreditEntry.Kind.HOLD}'",
            "amount": "-%(credits)s::int",
            "balance_after": "paid.balance",
            "reference": "%(reference)s",
            "cause": "%(cause)s",
            "created_at": "%(now)s::timestamptz",
        },
        source="paid",
    )
    line = postgres.insert(
        CreditLine,
        {"entry_id": "entry.id", "grant_id": "drawn.id", "amount": "-%(credits)s::int"},
        source="entry, drawn",
    )
    return f"""
drawn AS (
    UPDATE {_GRANT} SET remaining = remaining - %(credits)s::int FROM {source}
    WHERE {_GRANT}.id = {source}.id RETURNING {_GRANT}.id
),
paid AS (
    UPDATE {_WALLET} SET balance = balance - %(credits)s::int,
        crossed_at = CASE
            WHEN %(low)s::int > 0 AND balance > %(low)s::int AND balance - %(credits)s::int <= %(low)s::int
            THEN %(now)s::timestamptz ELSE crossed_at END
    FROM drawn WHERE {_WALLET}.id = %(wallet)s::bigint RETURNING {_WALLET}.balance
),
entry AS ({entry} RETURNING id),
line AS ({line})"""  # noqa: S608 (names of tables)
