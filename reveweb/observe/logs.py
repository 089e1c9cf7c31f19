"""What a line of the log looks like as words for people; and how the web server itself is told to log.

`LOG_FORMAT` chooses between these lines and `json_logs`. Both know the request and the image that a line is about
(`kit.request_id`), and neither ever has a secret in it.
"""

import logging
from typing import Any

from kit.scrub import scrubbed

_LINE = "{asctime} {levelname} {name} {request_id} {message}"


class Line(logging.Formatter):
    """One line of words; a traceback follows on lines of its own."""

    def __init__(self) -> None:
        super().__init__(_LINE, style="{")

    def format(self, record: logging.LogRecord) -> str:
        return scrubbed(super().format(record))


def granian(level: str) -> dict[str, Any]:
    """Return the web server's own logging, for its `--log-config`: in JSON as all else."""
    handler = {"class": "logging.StreamHandler", "formatter": "json", "filters": ["request_id"]}
    named = {"handlers": ["console"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": "kit.request_id.LogFilter"}},
        "formatters": {"json": {"()": "reveweb.observe.json_logs.Json"}},
        "handlers": {"console": handler},
        "loggers": {"_granian": named, "granian.access": named},
    }
