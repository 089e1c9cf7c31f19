"""`schedule`: the scheduler, which tells the workers to look."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from reveweb.backup import unfinished
from reveweb.celery import app


class Command(BaseCommand):
    help = "Run the scheduler; any number of them do no harm."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--log-level", default="WARNING", help="Of Celery's own messages: %(default)s.")

    def handle(self, *args: Any, **options: Any) -> None:
        unfinished.refuse_to_start()
        app.start(["--quiet", "beat", "--loglevel", options["log_level"]])
