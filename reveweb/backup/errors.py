"""What keeps a backup from being made."""


class BackupFailed(Exception):
    """There is no backup. The message, one line, says why and what to do."""
