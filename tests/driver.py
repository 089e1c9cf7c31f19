"""What Celery's worker does, done in the test's own process and without waiting for a row's time to come."""

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta

from django.utils import timezone

from generator.jobs import engine, tasks
from generator.models import Generation

Status = Generation.Status


def step(generation: Generation) -> Generation:
    """Do now whatever is next for `generation`, as if its time had come; return it as it is then."""
    unfinished = Generation.objects.filter(pk=generation.pk, status__in=Generation.UNFINISHED)
    unfinished.update(due_at=timezone.now() - timedelta(seconds=1))
    if unfinished.filter(status=Status.QUEUED).exists():
        tasks.submit()
    else:
        tasks.look()
    return Generation.objects.get(pk=generation.pk)


def finish(generation: Generation, seconds: float = 90) -> Generation:
    """Take `generation` step by step to its end."""
    end = time.monotonic() + seconds
    generation = step(generation)
    while not generation.is_final:
        assert time.monotonic() < end, f"still {generation.status} after {generation.polls} polls"
        time.sleep(0.02)
        generation = step(generation)
    return generation


@contextlib.contextmanager
def working() -> Iterator[None]:
    """Run an engine for as long as the block takes; it keeps to the rows' times."""
    engine.start()
    try:
        yield
    finally:
        engine.stop()
