"""Staff write what they like about somebody; when that person's account is deleted, their name goes out of it."""

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
    named = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in names if name), re.IGNORECASE)
    for model, fields in WRITTEN:
        rows: QuerySet[Any] = QuerySet(model).filter(wallet=wallet)  # their own refuses changes, as it should
        for row in rows.only("pk", *fields).iterator():
            values = {name: getattr(row, name) for name in fields}
            kept = {name: _without(named, value, _most(model, name)) for name, value in values.items()}
            if kept != values:
                rows.filter(pk=row.pk).update(**kept)
    BulkLine.objects.filter(user=wallet.user_id).update(label="[deleted]", values={}, words="")


def _most(model: type[Model], name: str) -> int | None:
    return getattr(model._meta.get_field(name), "max_length", None)


def _without(named: re.Pattern[str], value: Any, most: int | None) -> Any:
    """Return `value` without the names, of at most so many characters, for what stands instead may be longer."""
    match value:
        case str():
            return named.sub("[deleted]", value)[:most]
        case list():
            return [_without(named, one, None) for one in value]
        case dict():
            return {key: _without(named, one, None) for key, one in value.items()}
    return value
