"""`work`: what draws and what takes payments; with `--rest`, everything that can wait for both."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from reveweb.backup import unfinished
from reveweb.celery import app
from reveweb.checks import CAPACITY
from reveweb.run import ending

# The web process goes first, then what draws, then mails and thumbnails: admission and answers wait for neither.
NICENESS, NICENESS_OF_THE_REST = 10, 15


class Command(BaseCommand):
    help = "Run a worker: it draws and takes payments. With --rest, it does all other work."
    requires_system_checks = [CAPACITY]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rest", action="store_true", help="Send mails, make thumbnails, export, delete, tidy.")
        parser.add_argument("--log-level", default="WARNING", help="Of Celery's own messages: %(default)s.")

    def handle(self, *args: Any, **options: Any) -> None:
        unfinished.refuse_to_start()
        name, queues = ("rest", "rest") if options["rest"] else ("work", "money,submit,look")
        os.nice(NICENESS_OF_THE_REST if options["rest"] else NICENESS)
        node = ["--hostname", f"{name}@%h", "--queues", queues, "--without-gossip", "--without-mingle"]
        try:
            app.start(["--quiet", "worker", *node, "--loglevel", options["log_level"]])
        finally:
            ending.leave()
