"""What is checked at start, whatever an operator sets: no process has more threads than connections for them."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

CAPACITY = "capacity"  # the tag; `manage.py check --tag capacity` makes these checks alone


def check_capacity(**_: Any) -> list[CheckMessage]:
    """Compare what the settings give out with `DATABASE_CONNECTIONS`, the one number they are counted from."""
    given = settings.API_CONNECTIONS + settings.ORM_CONNECTIONS
    # With one connection two threads take turns: none holds it while it waits for anything else (`kit.threads.let_go`).
    threads, room = settings.DATABASE_THREADS + settings.TASK_THREADS, max(2, settings.ORM_CONNECTIONS)
    pool = settings.DATABASES["default"].get("OPTIONS", {}).get("pool", {"max_size": settings.ORM_CONNECTIONS})
    wrong = {
        f"{given} connections are given out of {settings.DATABASE_CONNECTIONS}": given > settings.DATABASE_CONNECTIONS,
        f"{threads} threads share {room} connections": threads > room,
        f"The pool has {pool['max_size']} connections and not {settings.ORM_CONNECTIONS}": pool["max_size"]
        != settings.ORM_CONNECTIONS,
        "A kind of work has no thread": min(settings.TASK_THREADS, settings.DATABASE_THREADS) < 1,
        "A worker has more threads than TASK_THREADS": settings.CELERY_WORKER_CONCURRENCY > settings.TASK_THREADS,
    }
    hint = "Set DATABASE_POOL_SIZE, and leave the rest to reveweb/settings/data.py."
    return [Error(f"{words}.", hint=hint, id="reveweb.E001") for words, is_so in wrong.items() if is_so]
