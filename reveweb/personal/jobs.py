"""Exports and deletions as work that survives whoever does it: the only writer of a personal task's state.

    WAITING ──claim──▶ RUNNING ──finish──▶ DONE ──expire──▶ DROPPED
       ▲                  │
       └─── put off ──────┴──give up (an export only)──▶ FAILED

A worker holds a task by a claim that it renews; a killed worker's claim lapses and the task is started again, from its
beginning: what it did before is done already or done over. Whoever lost a claim notices at the next step and stops.
A dropped task keeps its claim until its worker has noticed, or died.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.core.files.storage import Storage, storages
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from accounts import sessions
from accounts.models import User
from kit import due, storage
from kit.broker import tell_on_commit
from kit.due import LostClaim
from kit.threads import let_go
from reveweb.personal.models import PersonalTask

log = logging.getLogger(__name__)

State = PersonalTask.State
RUNNING = Q(state=State.RUNNING)  # a task that was dropped keeps its claim, but is nobody's to write any more

LEASE = timedelta(seconds=60)
KEPT = timedelta(days=7)  # how long an export can be downloaded
EXPORT_TRIES = 5  # a deletion is tried until it is done
STORAGE_PAUSE = timedelta(minutes=1)  # after the storage was away, which counts as no try
STORAGE_PATIENCE = timedelta(days=1)  # since an export was asked for
LONGEST_PAUSE = timedelta(minutes=10)
NOTED_EVERY_SECONDS = 0.5  # how often progress is written

Work = Callable[[PersonalTask], None]


def private() -> Storage:
    """Return the storage that only its owner's requests read from."""
    return storages["private"]


def start_export(user: User) -> PersonalTask:
    """Start packing what `user` has. Idempotent: an open task is returned. An earlier file is deleted."""
    try:
        with transaction.atomic():
            task = PersonalTask.objects.create(user=user, kind=PersonalTask.Kind.EXPORT)
            _expire_earlier(user)
            tell_on_commit("reveweb.personal.tasks.run_personal_task", task.pk)
    except IntegrityError:  # a double click, or another tab
        return open_task(user) or start_export(user)
    return task


@transaction.atomic
def start_deletion(user: User) -> PersonalTask:
    """Close the account of `user` at once and begin to delete what it holds. Idempotent.

    Nobody logs in to it and no key opens anything from the commit on; the rest is a worker's.
    """
    closed = User.objects.filter(pk=user.pk, deleted_at=None).update(deleted_at=timezone.now(), is_active=False)
    if not closed:
        return PersonalTask.objects.filter(user=user, kind=PersonalTask.Kind.DELETION).latest("pk")
    _drop(PersonalTask.objects.filter(user=user, state__in=PersonalTask.OPEN))
    _expire_earlier(user)
    sessions.end_all(user)
    task = PersonalTask.objects.create(user=user, kind=PersonalTask.Kind.DELETION)
    tell_on_commit("reveweb.personal.tasks.run_personal_task", task.pk)
    return task


def open_task(user: User) -> PersonalTask | None:
    """Return the task that waits or runs, if there is one."""
    return PersonalTask.objects.filter(user=user, state__in=PersonalTask.OPEN).first()


def latest_export(user: User) -> PersonalTask | None:
    """Return the export that was asked for last."""
    return PersonalTask.objects.filter(user=user, kind=PersonalTask.Kind.EXPORT).first()


def run(pk: int, work: dict[str, Work]) -> bool:
    """Do one task if it is due and nobody has it; True when it is done. `work` maps each kind to what does it."""
    task = _claim(pk)
    if task is None:
        return False
    try:
        with due.renewing(task, LEASE):
            work[task.kind](task)
    except LostClaim:
        log.info("%s: somebody else has it now", task)
        _let_go(task)
        return False
    except Exception as error:
        _put_off(task, error)
        return False
    return True


def is_held(task: PersonalTask) -> bool:
    """Tell whether a worker that still lives may be busy with the task, also with one that was dropped."""
    return bool(task.claim) and task.due_at > timezone.now()


def waiting() -> list[int]:
    """Return the tasks that wait, and those whose worker was lost."""
    due_now = PersonalTask.objects.filter(state__in=PersonalTask.OPEN, due_at__lte=timezone.now())
    return list(due_now.order_by("due_at").values_list("pk", flat=True)[:50])


def expire_due() -> int:
    """Delete the files whose time is up, and return how many there were."""
    over = PersonalTask.objects.filter(state__in=PersonalTask.EXPIRING, expires_at__lte=timezone.now())
    expired = 0
    for task in over.order_by("expires_at")[:50]:
        expired += _expire(task)
        if storage.is_silent():
            break
    return expired


def drop_exports() -> int:
    """Drop all exports, waiting or done, as their files are not there; return how many. People can ask again."""
    dropped = PersonalTask.objects.filter(kind=PersonalTask.Kind.EXPORT, state__in=(*PersonalTask.OPEN, State.DONE))
    return dropped.update(state=State.DROPPED, file_size=None, claim="")


class Progress:
    """Tells a task's person how far it is, not more often than anybody looks. Raises LostClaim."""

    def __init__(self, task: PersonalTask, step: str, total: int) -> None:
        self.task, self.done, self.total = task, 0, total
        self._noted_at = time.monotonic()
        update(task, step=step, done=0, total=total)

    def advance(self, to: int | None = None) -> None:
        """Count one more as done, or `to` in all."""
        self.done = self.done + 1 if to is None else to
        if time.monotonic() - self._noted_at >= NOTED_EVERY_SECONDS or self.done == self.total:
            self._noted_at = time.monotonic()
            update(self.task, done=self.done, total=self.total)


def update(task: PersonalTask, **values: Any) -> None:
    """Write to a task that one has claimed, and hold on to it. Raises LostClaim."""
    due.write(task, still=RUNNING, due_at=timezone.now() + LEASE, **values)
    for name, value in values.items():
        setattr(task, name, value)


def finish(task: PersonalTask, *, expires_at: datetime | None = None, file_size: int | None = None) -> None:
    """End a claimed task. Raises LostClaim."""
    due.write(
        task,
        still=RUNNING,
        state=State.DONE,
        claim="",
        last_error="",
        finished_at=timezone.now(),
        expires_at=expires_at,
        file_size=file_size,
    )


def _claim(pk: int) -> PersonalTask | None:
    waiting = PersonalTask.objects.filter(state__in=PersonalTask.OPEN).select_related("user")
    task = due.claim(waiting, pk, lease=LEASE, state=State.RUNNING)
    if task and task.kind == PersonalTask.Kind.EXPORT and task.attempts > EXPORT_TRIES:  # its workers died of it
        _give_up(task, "Tried too often")
        return None
    return task


def _let_go(task: PersonalTask) -> None:
    PersonalTask.objects.filter(pk=task.pk, claim=task.claim, state=State.DROPPED).update(claim="")


def _put_off(task: PersonalTask, error: Exception) -> None:
    if isinstance(error, storage.StorageAway) and task.created_at > timezone.now() - STORAGE_PATIENCE:
        log.warning("%s waits for the storage: %s", task, error)
        with contextlib.suppress(LostClaim):
            tries = task.attempts - 1
            due.put_off(task, error, still=RUNNING, pause=STORAGE_PAUSE, state=State.WAITING, attempts=tries)
        return
    if task.kind == PersonalTask.Kind.EXPORT and task.attempts >= EXPORT_TRIES:
        log.exception("%s is given up", task)
        _give_up(task, error)
        return
    pause = due.growing_pause(task.attempts, most=LONGEST_PAUSE)
    log.warning("%s: %r, again in %s", task, error, pause, exc_info=error)
    with contextlib.suppress(LostClaim):
        due.put_off(task, error, still=RUNNING, pause=pause, state=State.WAITING)


def _give_up(task: PersonalTask, why: Exception | str) -> None:
    """End an export for good. What its workers left of the file expires now, and the next sweep deletes it.

    Not here: what it is given up for may well be the storage.
    """
    with contextlib.suppress(LostClaim):
        now = timezone.now()
        due.give_up(task, why, still=RUNNING, state=State.FAILED, finished_at=now, expires_at=now)


def _expire(task: PersonalTask) -> bool:
    let_go()
    try:
        with storage.asked():
            private().delete(task.file_path)
    except Exception:  # every kind of storage has its own errors; the next sweep tries again
        log.exception("%s: its file could not be deleted", task)
        return False
    _drop(PersonalTask.objects.filter(pk=task.pk, state=State.DONE))
    PersonalTask.objects.filter(pk=task.pk, state=State.FAILED).update(expires_at=None)
    return True


def _drop(tasks: Any) -> None:
    tasks.update(state=State.DROPPED, file_size=None)


def _expire_earlier(user: User) -> None:
    PersonalTask.objects.filter(user=user, state=State.DONE).exclude(expires_at=None).update(expires_at=timezone.now())
