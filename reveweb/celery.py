"""The Celery app. Rows say what is due; messages and the scheduler's ticks only say "look now"."""

import logging
import os
from typing import Any

from celery import Celery
from celery.signals import task_prerun, worker_init
from django.conf import settings

from kit import request_id
from reveweb.one_line import settings_or_exit

log = logging.getLogger(__name__)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")

app = Celery("reveweb", amqp="reveweb.run.broker:Amqp")
app.on_configure.connect(lambda **_: settings_or_exit(), weak=False)  # as its command looks at the settings first
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(
    [
        "billing",
        "generator.calls",
        "generator.files",
        "generator.jobs",
        "generator.webhooks",
        "reveweb.backup",
        "reveweb.books",
        "reveweb.personal",
    ]
)
app.steps["consumer"].add("reveweb.run.pulse:Pulse")
app.steps["worker"].add("reveweb.run.ending:Ending")
app.steps["worker"].add("reveweb.run.watchdog:Watchdog")
app.steps["worker"].add("reveweb.watch.watchman:Watchman")
app.steps["worker"].add("reveweb.observe.door:MetricsPort")


def _tick(task: str, seconds: float) -> dict[str, Any]:
    """Return a tick every few seconds; one that was not taken by the time of the next says nothing new."""
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


app.conf.beat_scheduler = "reveweb.run.scheduler:Scheduler"
app.conf.beat_schedule = {
    "submit": _tick("generator.jobs.tasks.submit", 2),
    "look": _tick("generator.jobs.tasks.look", 2),
    "thumbnails": _tick("generator.jobs.tasks.thumbnails", 1),
    "purge": _tick("generator.jobs.tasks.purge_trash", 60),
    "money": _tick("billing.tasks.sweep_money", 5),
    "customers": _tick("billing.tasks.sweep_customers", 600),
    "mails": _tick("billing.tasks.sweep_mails", 5),
    "bulk": _tick("billing.tasks.sweep_bulk", 5),
    "personal": _tick("reveweb.personal.tasks.sweep", 5),
    "night": _tick("billing.tasks.nightly", 60),
    "storage": _tick("generator.files.tasks.compare_storage", 60),
    "webhooks": _tick("generator.webhooks.tasks.purge", 60),
    "uploads": _tick("generator.files.tasks.expire_uploads", 60),
    "samples": _tick("generator.jobs.tasks.forget_samples", 60),
    "requests": _tick("generator.calls.tasks.purge_calls", 60),
    "backup": _tick("reveweb.backup.tasks.begin_nightly", 60),
    "books": _tick("reveweb.books.tasks.nightly", 60),
}


@worker_init.connect
def keep_to_the_connections(sender: Any, **_: Any) -> None:
    """Let no `--concurrency` make more threads than there are connections to the database for."""
    if sender.concurrency > settings.TASK_THREADS:
        log.warning("%s threads, and not %s: see DATABASE_POOL_SIZE", settings.TASK_THREADS, sender.concurrency)
        sender.concurrency = settings.TASK_THREADS


@task_prerun.connect
def take_request_id(task: Any, **_: Any) -> None:
    """Log what a task does with the id of the request that told of it; the scheduler's have none."""
    request_id.current.set(task.request.get("request_id") or "")
