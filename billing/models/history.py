"""Rows that are written once."""

from typing import Any, ClassVar, NoReturn

from django.db import models


class AppendOnly(models.QuerySet[Any]):
    """Rows that are written once: history is corrected by a further entry, never by a change."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Entries are never changed.")

    def delete(self) -> NoReturn:
        raise TypeError("Entries are never deleted.")


class Written(models.Model):
    """A row of the history: written once, then only read."""

    objects: ClassVar[models.Manager[Any]] = AppendOnly.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("Entries are never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("Entries are never deleted.")
