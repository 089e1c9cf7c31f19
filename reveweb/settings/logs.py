"""Language, time, and what is logged."""

from typing import Any

from reveweb.settings.env import env

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {request_id} {message}", "style": "{"}},
    "filters": {"request_id": {"()": "kit.request_id.LogFilter"}, "one_line": {"()": "reveweb.one_line.Clients"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]},
        "clients": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id", "one_line"]},
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        **{name: {"level": LOG_LEVEL} for name in ("reveweb", "accounts", "billing", "generator")},
        "django.security": {"handlers": ["clients"], "propagate": False},
        "django.request": {"level": "ERROR"},  # what a client did wrong is the client's news
    },
}
