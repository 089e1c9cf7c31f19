"""What a database that came back must not do: whatever it had still to do then was done since, by what was lost.

The site went on after the backup was made. The mails that waited in it went out, images that were queued were sent to
an upstream and charged for, and numbers were given out, at Stripe too, that the copy would give a second time.
"""

from dataclasses import dataclass

from django.apps import apps
from django.db import connection, transaction
from django.db.models import AutoField

from billing.bulk import working
from billing.outbox import mail
from billing.staff import refunds
from generator.jobs import lifecycle
from generator.jobs.attempts import Ended, State
from generator.models import Generation
from generator.webhooks import deliveries
from reveweb.personal import jobs

WORDS = "Not sent: the site came back from a backup, and it may have been sent before."
# How far the numbers of rows go on beyond those of the backup. What came between is nowhere here any more, but Stripe
# has orders and customers by their numbers, and mails carry some.
GAP = 1_000_000


@dataclass(frozen=True)
class Settled:
    """How many of each were ended, and how many acts on many were paused."""

    generations: int
    mails: int
    messages: int
    exports: int
    acts: int


def settle() -> Settled:
    """End what must not go on, and have new rows numbered well beyond the old; doing so again ends nothing more.

    1. Images that no upstream has said to have: they fail and their credits return. Those that are drawn are looked
       for where they are, until their time is up.
    2. Mails and webhook messages that were still to go, also of what has just failed. Staff, and their owners, may
       send each again.
    3. Exports, whose files are not in a backup.
    4. Acts on many that run, which may be done: staff resume them. A refund that Stripe was to be asked for is looked
       for there first.
    5. The numbers.
    """
    generations = _end_unsent()
    mails, messages = mail.give_up_all(WORDS), deliveries.give_up_all(WORDS)
    settled = Settled(generations, mails, messages, jobs.drop_exports(), working.pause_all())
    refunds.look_first()
    _leave_a_gap()
    return settled


def _end_unsent() -> int:
    status = Generation.Status
    ended = 0
    for generation in Generation.objects.filter(status__in=(status.QUEUED, status.SUBMITTING), is_test=False):
        ended += lifecycle.fail(
            generation,
            code="upstream_failed",
            message=lifecycle.UNAVAILABLE,
            only_if=lifecycle.WHOEVER_HAS_IT,
            ended=Ended(State.UNCLEAR, "Restored"),
        )
    return ended


@transaction.atomic
def _leave_a_gap() -> None:
    """Have new rows of each table numbered from GAP beyond the last number on that was given out."""
    for model in apps.get_models(include_auto_created=True):
        options = model._meta
        if options.managed and not options.proxy and isinstance(options.pk, AutoField):
            _number_on(options.db_table, str(options.pk.column))


def _number_on(table: str, column: str) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [f'"{table}"', column])
            [sequence] = cursor.fetchone()
            cursor.execute(f"SELECT setval(%s, last_value + {GAP}) FROM {sequence}", [sequence])  # noqa: S608 (ours)
            return
        cursor.execute("UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s", [GAP, table])
        if not cursor.rowcount:
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, GAP])
