"""Thin Celery tasks. A lost or duplicated message is harmless: rows say what is due."""

from celery import shared_task

from kit.broker import tell
from reveweb.personal import deletion, export, jobs
from reveweb.personal.models import PersonalTask

WORK: dict[str, jobs.Work] = {
    PersonalTask.Kind.EXPORT: export.pack,
    PersonalTask.Kind.DELETION: deletion.delete,
}


@shared_task
def run_personal_task(pk: int) -> None:
    """Pack one export, or delete one account, unless another worker does."""
    jobs.run(pk, WORK)


@shared_task
def sweep() -> None:
    """Resume what was left behind; delete exports whose time is up."""
    for pk in jobs.waiting():
        tell("reveweb.personal.tasks.run_personal_task", pk)
    jobs.expire_due()
