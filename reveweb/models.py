"""The front door's tables; Django looks for them here."""

from reveweb.backup.models import NightlyBackup
from reveweb.personal.models import PersonalTask, new_token
from reveweb.watch.models import Alert, AlertCall

__all__ = ["Alert", "AlertCall", "NightlyBackup", "PersonalTask", "new_token"]
