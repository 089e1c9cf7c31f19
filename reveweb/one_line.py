"""What went wrong in one line: settings that make no sense, and what a client did wrong."""

import logging
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


def settings_or_exit() -> None:
    """Read the settings, or end this process with status 1 and the one line that says what is wrong with them."""
    try:
        settings.DEBUG  # noqa: B018 (the first look reads them all)
    except ImproperlyConfigured as error:
        sys.exit(f"reveweb: {error}")


class Clients(logging.Filter):
    """Makes a warning without a traceback of what Django calls suspicious: a wrong `Host`, a body that is too large."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno == logging.ERROR:
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.exc_info = record.exc_text = None
        record.msg, record.args = " ".join(record.getMessage().split()), ()
        return True
