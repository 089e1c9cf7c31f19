"""`doctor [--only NAME]… [--quiet] [--json] [--strict] [--list]`"""

import difflib
import sys
import traceback
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reveweb.doctor import running, telling
from reveweb.doctor.findings import Examined
from reveweb.doctor.table import CHECKS, chosen


class Command(BaseCommand):
    help = (
        "Look at the configuration and at all that this site needs, and say of each trouble its cause and its cure. "
        "Exits 0 when nothing is wrong (there may be warnings), 1 for a fault, 2 when it cannot look."
    )
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a check, or a concern")
        parser.add_argument("--quiet", action="store_true", help="only what is not well")
        parser.add_argument("--json", action="store_true", help="for scripts")
        parser.add_argument("--strict", action="store_true", help="exit 1 for a warning, too")
        parser.add_argument("--list", action="store_true", help="name the checks, and make none")

    def handle(self, *, only: list[str], quiet: bool, json: bool, strict: bool, list: bool, **options: Any) -> None:
        try:
            wanted = chosen(only)
        except KeyError as error:
            raise CommandError(_unknown(str(error.args[0])), returncode=telling.UNABLE) from None
        if list:
            for concern, check in wanted:
                self.stdout.write(f"{concern:<18} {check.name:<20} {check.asks}")
            return
        try:
            examined = running.examine(wanted)
        except Exception:
            traceback.print_exc()
            sys.exit(telling.UNABLE)
        self._tell(examined, quiet=quiet, as_json=json)
        if status := telling.status(examined, strict=strict):
            sys.exit(status)

    def _tell(self, examined: "list[Examined]", *, quiet: bool, as_json: bool) -> None:
        if as_json:
            self.stdout.write(telling.as_json(examined))
        else:
            telling.tell(examined, self.stdout, quiet=quiet)


def _unknown(name: str) -> str:
    names = [*CHECKS, *(check.name for checks in CHECKS.values() for check in checks)]
    near = difflib.get_close_matches(name, names, n=1)
    return f"There is no check {name!r}{f': {near[0]}?' if near else ''} `doctor --list` names them."
