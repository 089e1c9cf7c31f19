"""Staff write what they like about somebody; when that person's account is deleted, their name goes out of it."""

import json
import re
from collections.abc import Iterable
from typing import Any

from django.db.models import Model, QuerySet

from billing.models import AuditRecord, BulkLine, CreditEntry, Wallet

WRITTEN: tuple[tuple[type[Model], tuple[str, ...]], ...] = (
    (AuditRecord, ("reason", "before", "after")),
    (CreditEntry, ("cause",)),
)


def forget(wallet: Wallet, names: Iterable[str]) -> None:
    """Take `names` out of the words about a wallet. Acts, amounts and times stay as they are, for the books."""
    named = re.compile("|".join(map(re.escape, names)), re.IGNORECASE)
    for model, fields in WRITTEN:
        rows: QuerySet[Any] = QuerySet(model).filter(wallet=wallet)  # their own refuses changes, as it should
        for row in rows.only("pk", *fields).iterator():
            values = {name: getattr(row, name) for name in fields}
            kept = {name: _without(named, value) for name, value in values.items()}
            if kept != values:
                rows.filter(pk=row.pk).update(**kept)
    BulkLine.objects.filter(user=wallet.user_id).update(label="[deleted]", values={}, words="")


def _without(named: re.Pattern[str], value: Any) -> Any:
    if isinstance(value, str):
        return named.sub("[deleted]", value)
    return json.loads(named.sub("[deleted]", json.dumps(value, ensure_ascii=False)))
