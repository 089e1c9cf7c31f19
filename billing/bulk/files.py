"""Grants from a CSV: each line is checked before anything is granted, and each fault is told with its line's number.

A line may have a reference of its own, under which its grant happens once, whatever file it comes in; without one it
is granted once for each file that is confirmed.
"""

import csv
import io
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice

from django.utils import timezone

from accounts.models import User
from billing.bulk import drafts
from billing.models import Bulk, BulkLine, CreditEntry
from billing.staff import acts, roles

MORE = "\x00more"  # the cells of a line that has more than the first line has columns
NEEDED = ("email", "credits", "reason")
COLUMNS = (*NEEDED, "reference", "expires")
REFERENCE_MAX_LENGTH = 150
AT_ONCE = 500  # lines that are checked together
MAX_YEARS = 10

State = BulkLine.State
Row = dict[str, str]


class Unreadable(ValueError):
    """A file that is no list of grants; the message says why."""


def check(bulk: Bulk, step: Callable[[], None]) -> tuple[int, int]:
    """Make lines of a file, and return how many there are and how many of them are wrong.

    `step` is called now and then, and raises when somebody else has the file. Raises Unreadable.
    """
    drafts.drop_lines(bulk)  # of a worker that died over it
    total = faults = 0
    checker = _Checker(bulk)
    rows = _rows(zlib.decompress(bytes(bulk.file or b"")))
    while some := list(islice(rows, AT_ONCE)):
        step()
        lines = checker.lines(some)
        BulkLine.objects.bulk_create(lines)
        total += len(lines)
        faults += sum(line.state == State.FAULTY for line in lines)
        if total > drafts.MOST_LINES:
            raise Unreadable(f"The file has more than {drafts.MOST_LINES:,} lines: split it.")
    if not total:
        raise Unreadable("The file has no lines below its first.")
    return total, faults


def _rows(content: bytes) -> Iterator[tuple[int, Row]]:
    """Yield each line's number in the file with its columns; empty lines are none. Raises Unreadable."""
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        head = [column.strip().lower() for column in next(reader, [])]
        if missing := [column for column in NEEDED if column not in head]:
            raise Unreadable(
                f"The first line must name the columns {', '.join(NEEDED)}; missing: {', '.join(missing)}."
            )
        if twice := sorted({column for column in COLUMNS if head.count(column) > 1}):
            raise Unreadable(f"The first line names a column twice: {', '.join(twice)}.")
        for cells in reader:
            if cells:
                row = dict(zip(head, (cell.strip() for cell in cells), strict=False))
                more = ", ".join(cell.strip() for cell in cells[len(head) :] if cell.strip())
                yield reader.line_num, row | ({MORE: more} if more else {})
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unreadable("This cannot be read as CSV: save it with commas, as UTF-8, one grant a line.") from error


class _Checker:
    """Checks lines, some at a time, and remembers which references it has seen."""

    def __init__(self, bulk: Bulk) -> None:
        self.bulk, self.actor = bulk, bulk.actor
        self.seen: dict[str, int] = {}
        self.sum = 0
        self.most = acts.grant_limit(self.actor)
        self.today = timezone.now().date()

    def lines(self, rows: list[tuple[int, Row]]) -> list[BulkLine]:
        emails = {row.get("email", "").lower().replace("\x00", "") for _, row in rows}
        people = {user.email: user for user in User.objects.filter(email__in=emails).prefetch_related("groups")}
        references = {f"import:{row['reference']}".replace("\x00", "") for _, row in rows if row.get("reference")}
        known = CreditEntry.objects.filter(reference__in=references).select_related("wallet__user")
        applied = {str(entry.reference): entry for entry in known}
        return [self._line(number, row, people, applied) for number, row in rows]

    def _line(self, number: int, row: Row, people: dict[str, User], applied: dict[str, CreditEntry]) -> BulkLine:
        faults: list[str] = []
        email, reason = row.get("email", ""), row.get("reason", "")
        user = people.get(email.lower())
        if user is None:
            faults.append(f"Nobody is registered as {email}." if email else "No email address.")
        elif words := roles.out_of_reach(self.actor, user):
            faults.append(words)
        credits = self._credits(row.get("credits", ""), faults)
        if not 0 < len(reason) <= acts.REASON_MAX_LENGTH or "\x00" in reason:
            faults.append(f"A reason of 1 to {acts.REASON_MAX_LENGTH} characters is needed.")
        if MORE in row:
            faults.append("It has more columns than the first line: put a text with commas between quotation marks.")
        reference = self._reference(row.get("reference", ""), number, faults)
        expires = self._expiry(row.get("expires", ""), faults)
        earlier = applied.get(f"import:{reference}") if reference else None
        if earlier and user and (earlier.wallet.user_id, earlier.amount) != (user.pk, credits):
            faults.append(
                f"Its reference was used before, for {earlier.amount:,} credits to {earlier.wallet.user.email}."
            )
        values = {"credits": credits, "reason": reason.replace("\x00", "")[: acts.REASON_MAX_LENGTH]}
        values |= {"reference": reference} if reference else {}
        values |= {"expires_at": expires.isoformat()} if expires else {}
        state = State.FAULTY if faults else State.SKIPPED if earlier else State.WAITING
        return BulkLine(
            bulk=self.bulk,
            number=number,
            target=str(user.pk) if user else "",
            label=email.replace("\x00", "")[:320],
            user=user,
            values=values,
            state=state,
            words=" ".join(faults)[:300] or ("Granted before." if earlier else ""),
        )

    def _credits(self, text: str, faults: list[str]) -> int:
        is_whole = text.isascii() and text.isdigit() and len(text.lstrip("0")) < 9
        credits = int(text) if is_whole else 0
        if not 0 < credits <= acts.MAX_CREDITS:
            faults.append(f"“{text[:40]}” is no whole number from 1 to {acts.MAX_CREDITS:,}.".replace("\x00", ""))
        elif credits > self.most:
            faults.append(f"You may grant {self.most:,} credits at a time.")
        return credits

    def _reference(self, text: str, number: int, faults: list[str]) -> str:
        if len(text) > REFERENCE_MAX_LENGTH or "\x00" in text:
            faults.append(f"A reference has at most {REFERENCE_MAX_LENGTH} characters.")
            return ""
        if text and (first := self.seen.setdefault(text, number)) != number:
            faults.append(f"Line {first} has the same reference.")
        return text

    def _expiry(self, text: str, faults: list[str]) -> datetime | None:
        """Return the midnight after the last day."""
        if not text:
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError:
            day = date.min
        if not self.today <= day <= self.today + timedelta(days=366 * MAX_YEARS):
            faults.append(f"“{text[:40]}” is no day from today on, as in 2027-12-31.".replace("\x00", ""))
            return None
        return datetime.combine(day + timedelta(days=1), time(0), UTC)
