"""`upstreams`"""

import json
from typing import Any
from uuid import uuid4

from django.core.management.base import BaseCommand, CommandError, CommandParser

from generator.jobs import trial
from generator.models import Upstream
from generator.upstreams import staff, table
from generator.webhooks import signing
from kit.text import counted

COLUMNS = ("UPSTREAM", "STATE", "SUCCESS", "95 % WITHIN", "IN FLIGHT", "LAST ERROR", "LEFT THERE", "KEY")
REASON = "By manage.py upstreams"


class Command(BaseCommand):
    help = "Print how every upstream is doing. Exit status 1 when one in use draws nothing, or a test went wrong."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="As JSON, for programs.")
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--take-out", metavar="SLUG", help="Send no more jobs there.")
        act.add_argument("--put-back", metavar="SLUG", help="Send jobs there again: what kept it out is mended.")
        act.add_argument("--test", metavar="SLUG", help="Have it draw one image, which costs what a job costs there.")
        act.add_argument("--reseal", action="store_true", help="Encrypt all keys under the present SECRET_KEY.")

    def handle(self, *args: Any, **options: Any) -> None:
        if slug := options["test"]:
            self._test(self._named(slug), options["json"])
            return
        if slug := options["take_out"]:
            upstream = self._named(slug)
            if not options["json"]:
                for route in staff.left_without(upstream=upstream):
                    self.stderr.write(
                        f"Nothing else draws {route.model.slug}, {route.operation}: requests are refused."
                    )
            staff.take_out(actor=None, upstream=upstream, reason=REASON)
        if slug := options["put_back"]:
            staff.put_back(actor=None, upstream=self._named(slug), reason=REASON)
        if options["reseal"]:
            self._reseal()
        self._print(options["json"])

    def _named(self, slug: str) -> Upstream:
        upstream = Upstream.objects.filter(slug=slug).first()
        if upstream is None:
            known = ", ".join(Upstream.objects.values_list("slug", flat=True))
            raise CommandError(f"There is no upstream {slug}. There are: {known or 'none'}.")
        return upstream

    def _print(self, as_json: bool) -> None:
        lines = table.lines()
        if as_json:
            self.stdout.write(json.dumps([line.as_json() for line in lines], indent=2, ensure_ascii=False))
        else:
            rows = [COLUMNS, *((*self._cells(line),) for line in lines)]
            widths = [max(len(row[at]) for row in rows) for at in range(len(COLUMNS))]
            for row in rows:
                self.stdout.write(
                    "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                )
            for line in lines:
                if line.level == "bad":
                    self.stdout.write(f"{line.slug}: {line.why}")
        if any(line.level == "bad" for line in lines):
            raise SystemExit(1)

    def _cells(self, line: table.Line) -> tuple[str, ...]:
        cells = (
            line.slug,
            line.state,
            line.rate,
            line.slowest,
            str(line.in_flight),
            line.last_error,
            line.balance,
            line.key,
        )
        return tuple(cell or "–" for cell in cells)

    def _test(self, upstream: Upstream, as_json: bool) -> None:
        route = trial.cheapest(upstream)
        staff.note_test(actor=None, upstream=upstream, what="image", cost=trial.cost_of(route), nonce=uuid4())
        outcome = trial.run(upstream, "image")
        if as_json:
            told = {"upstream": upstream.slug, "good": outcome.good, "words": outcome.words, "status": outcome.status}
            told |= {"seconds": outcome.seconds, "job": outcome.job, "cost": outcome.cost}
            self.stdout.write(json.dumps(told, indent=2, ensure_ascii=False))
        else:
            status = f"HTTP {outcome.status}: " if outcome.status else ""
            self.stdout.write(f"{upstream.slug}: {status}{outcome.words} ({outcome.seconds} s)")
        if not outcome.good:
            raise SystemExit(1)

    def _reseal(self) -> None:
        done, lost = staff.reseal(actor=None)
        self.stderr.write(f"{len(done)} key{'' if len(done) == 1 else 's'} encrypted anew.")
        if sealed := signing.reseal():
            self.stderr.write(f"{counted(sealed, 'secret')} of webhooks encrypted anew.")
        for upstream in lost:
            self.stderr.write(f"{upstream.slug}: no SECRET_KEY opens its key. Set it again in the admin.")
