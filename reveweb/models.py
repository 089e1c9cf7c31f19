"""The front door's one table; Django looks for it here."""

from reveweb.personal.models import PersonalTask, new_token

__all__ = ["PersonalTask", "new_token"]
