"""One night's backup, in a process of its own: made, noted, and then older ones removed."""

import logging

from django.conf import settings

from billing import identity
from kit import due
from reveweb.backup import making, nights, places
from reveweb.backup.errors import BackupFailed, MayNotRemove
from reveweb.backup.models import NightlyBackup

log = logging.getLogger(__name__)


def make(pk: int, claim: str) -> bool:
    """Make the backup that a worker claimed; tell whether it was made.

    1. What backups left that were killed goes, as far as that is allowed.
    2. The backup, whole or not at all.
    3. Only then those go that are more than BACKUP_KEEP, by their names: whatever else lies there stays.
    """
    row = nights.claimed(pk, claim)
    if row is None:
        return False
    installation, shelf = identity.installation(), places.shelf(settings.BACKUP_TO)
    try:
        with due.renewing(row, nights.LEASE):
            _sweep(shelf, installation)
            place = shelf.place(nights.name_of(installation))
            making.make(place)
            size = place.size()
    except (BackupFailed, OSError) as error:
        nights.failed(row, error)
        return False
    nights.done(row, place=str(place), size=size)
    _remove_older(shelf, installation, row)
    nights.tidy()
    return True


def _sweep(shelf: places.Shelf, installation: str) -> None:
    try:
        shelf.sweep(nights.prefix_of(installation))
    except (BackupFailed, OSError) as error:
        log.warning("What backups may have left that were killed stays (docs/operating.md, Backups): %s", error)


def _remove_older(shelf: places.Shelf, installation: str, row: NightlyBackup) -> None:
    try:
        for name in nights.too_many(shelf.names(), installation):
            shelf.remove(name)
    except MayNotRemove:
        log.info("%s was made. Older ones stay, for the key may not delete: the bucket is to expire them", row)
    except (BackupFailed, OSError) as error:
        log.error("%s was made, but older ones could not be removed: %s", row, error)
