"""The books in the admin: day by day, what of them does not add up, and its repair."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.viewer import user_of
from billing.catalogue import money
from billing.errors import BooksMoved
from billing.ledger import Figure
from billing.models import BooksDay, Wallet
from billing.staff import acts, comparing, repairs, roles
from generator.admin.margins import PeriodForm, may_see
from generator.upstreams import costs
from kit.broker import tell
from kit.http.csv_export import to_csv
from reveweb.admin.forms import ReasonForm
from reveweb.books import days, report

COUNT_TASK = "reveweb.books.tasks.keep_days"
PATIENCE = 0.15  # seconds in which the page counts days that are not kept yet; a file is worth waiting for
DAYS_SHOWN = 62  # of a longer time the page shows months
AT_ONCE = 100  # wallets whose figures one confirmation shows


def add_to(site: AdminSite) -> None:
    """Give the admin its pages of the books, which belong to no table."""
    others = site.get_urls

    def get_urls() -> list[Any]:
        view = site.admin_view
        own: list[URLPattern] = [
            path("books/", view(page), name="books"),
            path("books/csv/", view(download), name="books_csv"),
            path("books/repair/", view(repair), name="books_repair"),
        ]
        return [*own, *others()]

    site.get_urls = get_urls  # type: ignore[method-assign]  # as the other doors of the site are replaced


def page(request: HttpRequest) -> HttpResponse:
    """Show the days that were asked for, of this month unasked; a POST asks for a comparison of the whole ledger."""
    form, found = _asked(request, PATIENCE)
    if request.method == "POST":
        if comparing.start(actor=user_of(request)):
            messages.success(request, "The whole ledger is being compared. This page says how far it is.")
        else:
            messages.info(request, "A comparison is under way already.")
        return redirect("admin:books")
    if found and found.uncounted:
        tell(COUNT_TASK)
    last, running = comparing.last(), comparing.running()
    codes = sorted({code for line in found.lines for code in line.left}) if found else []
    # Named once, at the table's head, where an amount shows which one it is of.
    named = codes if len(codes) == 1 or all(code.lower() in money.SYMBOLS for code in codes) else []
    is_by_month = found is not None and len(found.lines) > DAYS_SHOWN
    lines = report.by_month(found.lines) if found and is_by_month else found.lines if found else []
    context = {
        **admin.site.each_context(request),
        "title": "Books",
        "form": form,
        "report": found,
        "is_by_month": is_by_month,
        "lines": [_shown(line, named, is_by_month) for line in lines if not line.is_empty or line.is_partial],
        "currency": " and ".join(named),
        "whole": _shown(found.whole, named) if found and len(found.lines) > 1 else None,
        "has_other": bool(found and any(line.other for line in found.lines)),
        "query": f"?since={form['since'].value()}&until={form['until'].value()}",
        "standing": report.standing() if found else None,
        "last": last,
        "running": running,
        "may_repair": acts.may(user_of(request), repairs.PERMISSION),
    }
    return TemplateResponse(request, "admin/books/page.html", context)


def download(request: HttpRequest) -> HttpResponse:
    """Send the same as CSV: a line for each day and currency; credits stand in the first line of a day."""
    form, found = _asked(request)
    head = ["day", "currency", "took", "refunds_and_lost_disputes", "upstreams", "left", "upstream_credits"]
    head += ["opening", *BooksDay.CREDITS, "closing", "set_aside", "difference", "partial"]
    cells = _cells(found) if found else []
    response = HttpResponse(to_csv([head, *cells]), content_type="text/csv; charset=utf-8")
    name = f"books-{form['since'].value()}-{form['until'].value()}.csv" if form.is_valid() else "books.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def repair(request: HttpRequest) -> HttpResponse:
    """Say exactly what a repair would do, and do it when that is confirmed and still so."""
    actor = user_of(request)
    if not acts.may(actor, repairs.PERMISSION):
        raise PermissionDenied
    last = comparing.last()
    figures = repairs.planned(_wallets(request, last.wallets if last else []))
    wallets = {figure.wallet for figure in figures}
    people = {wallet.pk: wallet for wallet in Wallet.objects.select_related("user").filter(pk__in=wallets)}
    out_of_reach = {pk: words for pk, one in people.items() if (words := roles.out_of_reach(actor, one.user))}
    if out_of_reach.keys() < wallets:  # the others can be repaired without them
        wallets -= out_of_reach.keys()
        figures = [figure for figure in figures if figure.wallet in wallets]
        obstacle = ""
    else:
        obstacle = next(iter(out_of_reach.values()), "")
    form = ReasonForm(request.POST if request.method == "POST" else None)
    has_moved = False
    if request.method == "POST" and not obstacle and form.is_valid():
        try:
            done = repairs.repair(
                actor=actor,
                wallets=wallets,
                shown=request.POST.get("shown", ""),
                reason=form.cleaned_data["reason"],
            )
        except BooksMoved:
            has_moved = True
            figures = repairs.planned(wallets)
        else:
            words = "One figure was" if len(done) == 1 else f"{len(done)} figures were"
            messages.success(request, f"{words} brought in line with the entries.")
            comparing.start(actor=actor)  # what is left, if anything
            return redirect("admin:books")
    context = {
        **admin.site.each_context(request),
        "title": "Repair the books",
        "figures": [(figure, people.get(figure.wallet), _named(figure)) for figure in figures],
        "shown": repairs.digest(figures),
        "form": form,
        "obstacle": obstacle,
        "left_out": [(people[pk].user, words) for pk, words in out_of_reach.items()] if not obstacle else [],
        "has_moved": has_moved,
        "back": reverse("admin:books"),
    }
    return TemplateResponse(request, "admin/books/repair.html", context)


def _asked(request: HttpRequest, patience: float | None = None) -> tuple[PeriodForm, report.Report | None]:
    if not may_see(request):
        raise PermissionDenied
    today = days.today()
    usual = {"since": max(today.replace(day=1), today - timedelta(days=31)).isoformat(), "until": today.isoformat()}
    form = PeriodForm({**usual, **{name: request.GET[name] for name in usual if request.GET.get(name)}})
    if not form.is_valid():
        return form, None
    return form, report.report(form.cleaned_data["since"], form.cleaned_data["until"], patience)


def _wallets(request: HttpRequest, found: list[int]) -> list[int]:
    """Return whose figures are repaired: the one's that is asked for, those of the last comparison unasked."""
    asked = request.GET.get("account", "")
    if asked.isdecimal() and len(asked) < 19:
        return [int(asked)]
    return found[:AT_ONCE]


def _named(figure: Figure) -> str:
    return {"balance": "Balance", "remaining": f"Left of grant {figure.row}", "owed": f"Owed to refund {figure.row}"}[
        figure.what
    ]


def _shown(line: report.Line, named: list[str], is_month: bool = False) -> dict[str, Any]:
    """Return a line in words; currencies that are `named` at the table's head are not in each amount.

    A month's leads to its days.
    """

    def worded(sums: report.Money) -> list[str]:
        each = ((code, costs.figure(sums[code].normalize() + 0, code)) for code in sorted(sums))
        return [words.removesuffix(f" {code}") if code in named else words for code, words in each]

    charged = worded(line.charged)
    if line.their_credits:
        charged.append(f"{costs.plain(int(line.their_credits * costs.MICROS))} of their credits")
    left = [(words, line.left[code] < 0) for code, words in zip(line.left, worded(line.left), strict=True)]
    back = worded({code: -amount for code, amount in line.back.items() if amount})
    day = (f"{line.day:%b %Y}" if is_month else f"{line.day:%-d %b %Y}") if line.day else ""
    day = day.removesuffix(f" {days.today():%Y}")
    url = ""
    if line.day and is_month:
        last = (line.day + timedelta(days=31)).replace(day=1) - days.DAY
        url = f"?since={line.day}&until={last}"
    return {
        "line": line,
        "day": day,
        "url": url,
        "took": worded(line.took),
        "back": back,
        "charged": charged,
        "left": left,
    }


def _cells(found: report.Report) -> Iterator[list[object]]:
    none = Decimal(0)
    for line in found.lines[::-1]:
        own = [getattr(line, name) for name in BooksDay.CREDITS]
        ends = [line.opening, *own, line.closing, line.aside, line.astray, "yes" if line.is_partial else ""]
        for at, code in enumerate(list(line.left) or [""]):
            sums_of: list[object] = ["", "", "", ""]
            if code:
                sums_of = [sums.get(code, none) for sums in (line.took, line.back, line.charged, line.left)]
            credits = ["", *([""] * len(ends))] if at else [line.their_credits, *ends]
            yield [line.day, code, *sums_of, *["" if each is None else each for each in credits]]
