"""The Celery app. Rows say what is due; messages and the beat only say "look now"."""

import os
from typing import Any

from celery import Celery
from celery.schedules import crontab
from celery.signals import task_prerun
from django.conf import settings

from kit import request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reveweb.settings")

app = Celery("reveweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["billing", "generator.files", "generator.jobs", "reveweb.personal"])
# `expires` keeps ticks from piling up while no worker runs.
app.conf.beat_schedule = {
    "poll": {"task": "generator.jobs.tasks.poll_due", "schedule": 1.0, "options": {"expires": 1}},
    "sweep": {"task": "generator.jobs.tasks.sweep", "schedule": 2.0, "options": {"expires": 2}},
    "purge": {"task": "generator.jobs.tasks.purge_trash", "schedule": 60.0, "options": {"expires": 60}},
    "billing": {"task": "billing.tasks.sweep", "schedule": 5.0, "options": {"expires": 5}},
    "personal": {"task": "reveweb.personal.tasks.sweep", "schedule": 5.0, "options": {"expires": 5}},
    "storage": {"task": "generator.files.tasks.compare_storage", "schedule": crontab(hour=4, minute=29)},
    "tidy": {"task": "billing.tasks.tidy", "schedule": crontab(hour=3, minute=41)},
    "reconcile": {"task": "billing.tasks.reconcile", "schedule": crontab(hour=3, minute=17)},
}
app.conf.beat_schedule_filename = str(settings.VAR_DIR / "celerybeat")


@task_prerun.connect
def take_request_id(task: Any, **_: Any) -> None:
    """Log what a task does with the id of the request that told of it; the beat's have none."""
    request_id.current.set(task.request.get("request_id") or "")
