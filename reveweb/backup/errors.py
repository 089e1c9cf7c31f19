"""What keeps a backup from being made, or from being put back.

Unable
├── BackupFailed
│   └── MayNotRemove
└── RestoreFailed
"""


class Unable(Exception):
    """What was asked for was not done. The message, one line, says why and what to do."""


class BackupFailed(Unable):
    """There is no backup."""


class MayNotRemove(BackupFailed):
    """The key may not delete old backups: the bucket is to expire them."""


class RestoreFailed(Unable):
    """Nothing was restored; where something was changed by then, the message says so."""
