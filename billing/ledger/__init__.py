"""The only writer of credits: `from billing import ledger` gives what others may do with it.

with ledger.books(wallet) as books:  # one transaction, the purse locked once, written as the block ends
    books.grant(credits=100, source=…, reference="invoice:in_…", cause="Basic")
"""

from billing.ledger.books import Books, books, expire_due, write_off_expired
from billing.ledger.claims import RETURNED_LATE
from billing.ledger.mending import Figure, astray, mend, mendable
from billing.ledger.settling import settle
from billing.ledger.statement import knows
from billing.ledger.wallets import BESIDE_A_KEY, keys_of, wallet_of, welcome
from billing.models.credits import PERIOD_GRACE

__all__ = [
    "BESIDE_A_KEY",
    "PERIOD_GRACE",
    "RETURNED_LATE",
    "Books",
    "Figure",
    "astray",
    "books",
    "expire_due",
    "keys_of",
    "knows",
    "mend",
    "mendable",
    "settle",
    "wallet_of",
    "welcome",
    "write_off_expired",
]
