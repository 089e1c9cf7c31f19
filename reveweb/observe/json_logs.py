"""What a line of the log looks like as JSON: an object for each, whatever is logged.

What a line tells by name (`extra={"fields": …}`) stands under those names.
"""

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter

from kit.scrub import scrubbed

Event = MutableMapping[str, Any]


class Json(ProcessorFormatter):
    """One JSON object, whatever is logged: a traceback is a text in it."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            ],
            processors=[
                _about,
                structlog.processors.format_exc_info,
                ProcessorFormatter.remove_processors_meta,
                _scrub,
                structlog.processors.JSONRenderer(ensure_ascii=False, sort_keys=False),
            ],
        )


def _about(logger: Any, method: str, event: Event) -> Event:
    """Add what the record knows beside its words."""
    record: logging.LogRecord = event["_record"]
    told: Event = {"timestamp": event.pop("timestamp"), "level": event.pop("level"), "logger": event.pop("logger")}
    told["event"] = event.pop("event")
    for name in ("request_id", "generation_id"):
        value = getattr(record, name, "-")
        if value != "-":
            told[name] = value
    for name, value in getattr(record, "fields", {}).items():
        told.setdefault(name, value)
    return {**told, **event}


def _scrub(logger: Any, method: str, event: Event) -> Event:
    return {name: scrubbed(value) if isinstance(value, str) else value for name, value in event.items()}
