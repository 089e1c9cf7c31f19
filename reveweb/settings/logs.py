"""Language, time, and what is logged."""

from typing import Any

from kit import metrics
from reveweb.settings.env import env
from reveweb.settings.where import PRODUCTION, VAR_DIR

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_FORMAT = env.choice("LOG_FORMAT", "line", ("line", "json"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "reveweb.observe.logs.Line"}, "json": {"()": "reveweb.observe.json_logs.Json"}},
    "filters": {"request_id": {"()": "kit.request_id.LogFilter"}, "one_line": {"()": "reveweb.one_line.Clients"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["request_id"]},
        "clients": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["request_id", "one_line"]},
    },
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        **{name: {"level": LOG_LEVEL} for name in ("reveweb", "accounts", "billing", "generator", "kit")},
        "django.security": {"handlers": ["clients"], "propagate": False},
        "django.request": {"level": "ERROR"},  # what a client did wrong is the client's news
    },
}

# Where errors are sent, by Sentry's protocol; empty: nowhere, and nothing of it is loaded.
SENTRY_DSN = env.word(
    "SENTRY_DSN",
    r"https?://[0-9A-Za-z]+(:[0-9A-Za-z]+)?@[^/@\s]+(/[^/\s]+)*/[0-9]+",
    "a DSN, as in https://key@sentry.example.com/1",
)
SENTRY_ENVIRONMENT = env.text("SENTRY_ENVIRONMENT", "production" if PRODUCTION else "development")

# Who is told of what alarms, by mail (nobody named: the superusers) and by a webhook; and how long an image may wait.
ALERT_EMAILS = env.mailboxes("ALERT_EMAILS")
ALERT_WEBHOOK_URL = env.address("ALERT_WEBHOOK_URL")
ALERT_QUEUE_SECONDS = env.whole("ALERT_QUEUE_SECONDS", 300, least=10, most=86_400)

# Who may read /metrics: whoever has the token, or gets to a port of its own. Neither: nobody, and nothing is counted.
METRICS_TOKEN = env.key("METRICS_TOKEN")
METRICS_PORT = env.whole("METRICS_PORT", 0, most=65_535)
METRICS_HOST = env.host("METRICS_HOST", "127.0.0.1")
if METRICS_TOKEN or METRICS_PORT:
    metrics.prepare(VAR_DIR / "metrics")
