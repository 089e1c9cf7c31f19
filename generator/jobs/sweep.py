"""What nobody else would ever end, or remove: found by the rows alone, and safe beside any worker."""

import logging
from datetime import timedelta

from django.utils import timezone

from generator.files import images
from generator.jobs import lifecycle
from generator.jobs.attempts import Ended, State
from generator.jobs.lifecycle import UNAVAILABLE
from generator.models import Generation
from kit import storage
from kit.text import counted
from kit.threads import let_go

log = logging.getLogger(__name__)

EVERY_SECONDS = 0.5  # less than the shortest deadline, so that none comes unseen
MOST_AT_ONCE = 200
# A worker that lost a generation may still be storing its image: by now it has ended, and deleted that itself.
FILES_AFTER = timedelta(minutes=3)


def fail_stuck() -> float:
    """End submissions whose sender was lost, and generations past their deadline.

    Return in how many seconds to look again: at the next deadline, if that is near.
    """
    for generation in lifecycle.lapsed_submissions()[:MOST_AT_ONCE]:
        still = lifecycle.still_lapsed(generation)  # it may just have been accepted, or its sender come back
        lost = Ended(State.UNCLEAR, "SenderLost")
        lifecycle.fail(generation, code="upstream_failed", message=UNAVAILABLE, only_if=still, ended=lost)
    late = list(lifecycle.past_deadline()[:MOST_AT_ONCE])
    for generation in late:
        seconds = round((generation.deadline_at - generation.created_at).total_seconds())
        message, ended = f"No image after {counted(seconds, 'second')}.", Ended(State.UNCLEAR, "Late")
        if generation.unstored_since:
            message, ended = "The image could not be stored.", Ended(State.DRAWN)
        anyhow = lifecycle.WHOEVER_HAS_IT
        lifecycle.fail(generation, code="timed_out", message=message, only_if=anyhow, ended=ended)
    if len(late) == MOST_AT_ONCE:
        return 0.0
    return min(EVERY_SECONDS, lifecycle.until_deadline() or EVERY_SECONDS)


def delete_files_of_failures() -> int:
    """Delete what a worker stored and could not complete, as when it died in between. Returns how many rows were done.

    The row says so until the storage has done it.
    """
    left = Generation.objects.filter(may_have_files=True, finished_at__lte=timezone.now() - FILES_AFTER)
    done = []
    for pk, token in list(left.order_by("finished_at").values_list("pk", "file_token")[:MOST_AT_ONCE]):
        let_go()
        try:
            images.delete(token)
        except Exception:  # every kind of storage has its own errors; the next round tries again
            log.exception("Files of a failed image could not be removed")
            if storage.is_silent():
                break
        else:
            done.append(pk)
    Generation.objects.filter(pk__in=done).update(may_have_files=False)
    return len(done)
