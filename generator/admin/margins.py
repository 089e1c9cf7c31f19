"""The margin report: per model and upstream over some days, on a page and as a file."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from generator.library import margin, worth
from generator.upstreams import costs
from kit.broker import tell
from kit.http.csv_export import to_csv

MOST_DAYS = 400
PATIENCE = 0.15  # seconds in which the page counts days that are not kept yet; a file is worth waiting for
COUNT_TASK = "reveweb.books.tasks.keep_days"


class PeriodForm(forms.Form):
    """From which day to which, both of them included, in UTC."""

    since = forms.DateField(label="From", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))
    until = forms.DateField(label="To", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        since, until = data.get("since"), data.get("until")
        if since and until and not timedelta(0) <= until - since < timedelta(days=MOST_DAYS):
            self.add_error("until", f"Not before the first day, and at most {MOST_DAYS} days.")
        return data


def may_see(request: HttpRequest) -> bool:
    """Tell whether the viewer sees both what images cost and what people paid."""
    return bool(request.user.has_perm("generator.view_route") and request.user.has_perm("billing.view_payment"))


def page(admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the sums of the days that were asked for, of this month unasked."""
    form, found = _asked(request, PATIENCE)
    if found.uncounted:
        tell(COUNT_TASK)
    rows = found.rows
    whole = margin.total(rows)
    lines = [_line(row) for row in rows]
    context = {
        **admin.admin_site.each_context(request),
        "media": admin.media,
        "title": "Margin",
        "form": form,
        "lines": lines,
        "uncounted": found.uncounted,
        "whole": _line(whole) if len(rows) > 1 else None,
        "query": f"?since={form['since'].value()}&until={form['until'].value()}",
        "worth": [(each.currency, worth.words_of(each)) for each in worth.of_a_credit()],
    }
    return TemplateResponse(request, "admin/upstreams/margin.html", context)


def download(request: HttpRequest) -> HttpResponse:
    """Send the same as CSV: a line for each model, upstream and currency."""
    form, found = _asked(request)
    head = ["model", "upstream", "images", "credits", "tries", "currency", "brought", "cost", "margin"]
    head += ["upstream_credits", "tries_of_unknown_cost"]
    response = HttpResponse(to_csv([head, *_cells(found.rows)]), content_type="text/csv; charset=utf-8")
    name = f"margin-{form['since'].value()}-{form['until'].value()}.csv" if form.is_valid() else "margin.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _cells(rows: list[margin.Row]) -> Iterator[list[object]]:
    none = Decimal(0)
    for row in rows:
        own: list[object] = [row.model, row.upstream, row.images, row.credits, row.tries]
        for at, code in enumerate(row.currencies or [""]):
            # What is counted once stands in the first line, so that a column can be added up.
            told = own if not at else [*own[:2], 0, 0, 0]
            money = (
                [row.brought.get(code, none), row.cost.get(code, none), row.margin.get(code, none)]
                if code
                else ["", "", ""]
            )
            yield [*told, code, *money, none if at else row.their_credits, 0 if at else row.unknown]


def _asked(request: HttpRequest, patience: float | None = None) -> tuple[PeriodForm, margin.Report]:
    if not may_see(request):
        raise PermissionDenied
    today = timezone.now().astimezone(UTC).date()
    usual = {"since": today.replace(day=1).isoformat(), "until": today.isoformat()}
    form = PeriodForm({**usual, **{name: request.GET[name] for name in usual if request.GET.get(name)}})
    if not form.is_valid():
        return form, margin.Report([], 0)
    since, until = form.cleaned_data["since"], form.cleaned_data["until"]
    return form, margin.report(_start_of(since), _start_of(until + timedelta(days=1)), patience)


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _line(row: margin.Row) -> dict[str, Any]:
    return {
        "row": row,
        "brought": _worded(row.brought),
        "cost": [
            *_worded(row.cost),
            *([f"{costs.plain(int(row.their_credits * costs.MICROS))} of its credits"] if row.their_credits else []),
        ],
        "margin": [
            (words, row.margin[code] < 0) for code, words in zip(row.currencies, _worded(row.margin), strict=True)
        ],
    }


def _worded(sums: margin.Money) -> list[str]:
    return [costs.figure(sums[code], code) for code in sorted(sums)]
