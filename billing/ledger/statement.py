"""What a wallet holds and how it came to that, for people to read. All reading, nothing else."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC
from functools import partial

from django.db.models import F, Q, QuerySet
from django.urls import reverse

from billing.ledger import causes
from billing.models import CreditEntry, CreditGrant, Wallet
from kit.http.csv_export import to_csv
from kit.threads import in_thread

PAGE_SIZE = 50
RECENT = 10
CSV_CHUNK = 1000
_LONG_ID = re.compile(r"\b([a-z]{2,4}_[0-9A-Za-z]{6})[0-9A-Za-z]{8,}")
CSV_HEAD = ("time_utc", "entry", "kind", "credits", "balance_after", "cause", "reference")


@dataclass(frozen=True)
class Line:
    """One entry of the history, with the address of its cause. `outcome` is what became of credits set aside.

    `name` is what its cause is called, as the prompt of an image; one that `is_gone` has no address any more.
    """

    entry: CreditEntry
    link: str
    outcome: str
    name: str = ""
    is_gone: bool = False

    @property
    def cause(self) -> str:
        """Why, with long ids cut short: the link and the CSV have them whole."""
        return _LONG_ID.sub(r"\1…", self.entry.cause)

    @property
    def size(self) -> int:
        """The amount without its sign."""
        return abs(self.entry.amount)


@dataclass(frozen=True)
class Page:
    """A page of the history, newest first. `older` is where the next one begins, None on the last."""

    lines: list[Line]
    older: int | None


def open_grants(wallet: Wallet) -> list[CreditGrant]:
    """Return the grants with credits left, in the order in which they are spent, then those that a dispute holds."""
    has_something = Q(remaining__gt=0) | Q(dispute__isnull=False, dispute__closed_at=None)
    grants = wallet.grants.filter(has_something).order_by(F("expires_at").asc(nulls_last=True), "id")
    return sorted(grants, key=lambda grant: grant.is_frozen)


def page(wallet: Wallet, *, before: int | None = None, size: int = PAGE_SIZE) -> Page:
    """Return the history from just before the entry `before`, in three queries however long it is.

    That credits set aside were spent changes no balance: it is told with the line that set them aside and has none of
    its own. The CSV has every entry.
    """
    entries = _entries(wallet).exclude(kind=CreditEntry.Kind.SETTLE).order_by("-id")
    if before is not None:
        entries = entries.filter(id__lt=before)
    found = list(entries[: size + 1])
    shown = found[:size]
    return Page(_lines(shown), shown[-1].pk if len(found) > size else None)


def entries_about(wallet: Wallet, reference: str) -> list[CreditEntry]:
    """Return what happened to the credits that were set aside under `reference`, oldest first, in one query."""
    own, ends, returns = (
        CreditEntry.objects.filter(wallet=wallet, **{path: reference}).order_by()
        for path in ("reference", "of__reference", "of__of__reference")
    )
    return list(own.union(ends, returns, all=True).order_by("id"))


def knows(reference: str) -> bool:
    """Tell whether there is an entry of this reference."""
    return CreditEntry.objects.filter(reference=reference).exists()


def cause_link(reference: str) -> str:
    """Return the address of what an entry's reference names, or "" where there is no page about it."""
    kind, id = reference.partition(":")[0], causes.id_of(reference)
    if not re.fullmatch(r"\w+", id):
        return ""
    match kind:
        case "generation":
            return reverse("generation", args=[id])
        case "checkout":
            return f"{reverse('billing_success')}?session={id}"
        case "invoice" | "refund" | "dispute":
            return f"{reverse('billing')}#payments"
    return ""


async def csv_lines(wallet: Wallet) -> AsyncIterator[str]:
    """Yield the whole history as CSV, newest first, in bounded memory."""
    yield to_csv([CSV_HEAD])
    before: int | None = None
    while True:
        entries = await in_thread(partial(_chunk, wallet, before))
        if not entries:
            return
        yield to_csv(_csv_row(entry) for entry in entries)
        before = entries[-1].pk


def _lines(entries: list[CreditEntry]) -> list[Line]:
    holds = [entry.pk for entry in entries if entry.kind == CreditEntry.Kind.HOLD]
    outcomes = dict(CreditEntry.objects.filter(of__in=holds).values_list("of", "kind"))
    words = {CreditEntry.Kind.SETTLE: "Spent", CreditEntry.Kind.RELEASE: "Set aside, came back"}

    def outcome(entry: CreditEntry) -> str:
        if entry.kind != CreditEntry.Kind.HOLD:
            return ""
        return words.get(outcomes.get(entry.pk, ""), "Set aside")

    names = causes.names_of([entry.about for entry in entries])

    def line(entry: CreditEntry) -> Line:
        name = names.get(entry.about, "")
        link = "" if name is None else cause_link(entry.about)
        return Line(entry, link, outcome(entry), name or "", is_gone=name is None)

    return [line(entry) for entry in entries]


def _entries(wallet: Wallet) -> QuerySet[CreditEntry]:
    return CreditEntry.objects.filter(wallet=wallet).select_related(*CreditEntry.ABOUT)


def _chunk(wallet: Wallet, before: int | None) -> list[CreditEntry]:
    entries = _entries(wallet) if before is None else _entries(wallet).filter(id__lt=before)
    return list(entries.order_by("-id")[:CSV_CHUNK])


def _csv_row(entry: CreditEntry) -> tuple[object, ...]:
    time = entry.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return time, entry.pk, entry.kind, entry.amount, entry.balance_after, entry.cause, entry.about
