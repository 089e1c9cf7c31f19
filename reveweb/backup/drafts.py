"""Folders of drafts: a backup or a restore that was killed leaves its own, with the whole database in it."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from reveweb.backup import unfinished

DEAD_SECONDS = 86_400  # after which one in which nothing changes is nobody's
OF_BACKUPS, OF_RESTORES = ".backup-", ".restore-"  # how they begin in VAR_DIR


def sweep_own() -> None:
    """Delete those of VAR_DIR that are nobody's; as long as a restore is unfinished, none of restores."""
    sweep(settings.VAR_DIR, f"{OF_BACKUPS}*")
    if not unfinished.trouble():
        sweep(settings.VAR_DIR, f"{OF_RESTORES}*")


def sweep(folder: Path, pattern: str) -> None:
    """Delete those in `folder` that are nobody's, as far as they can be deleted."""
    for draft in folder.glob(pattern):
        with suppress(OSError):
            if draft.is_dir() and _changed_at(draft) < time.time() - DEAD_SECONDS:
                shutil.rmtree(draft, ignore_errors=True)


def _changed_at(draft: Path) -> float:
    """Return when one, or a file in it, was last written to: a file that grows changes nothing of its folder."""
    return max(path.stat().st_mtime for path in (draft, *draft.iterdir()))
