"""Acts on many rows: what one would do, its confirmation, how far it is, and what became of each row."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django_htmx.http import HttpResponseStopPolling
from unfold.decorators import display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.models import User
from accounts.read_only import ReadOnlyAdmin, line
from accounts.viewer import user_of
from billing.bulk import drafts, files, kinds, working
from billing.bulk.kinds import Kind
from billing.errors import GrantedEnough
from billing.models import Bulk, BulkLine
from billing.staff import acts
from kit.http.csv_export import to_csv

FIRST = 20  # lines that a page shows
MOST_FAULTS = 200
ENDED = (Bulk.State.DONE, Bulk.State.CANCELLED)
STATES = {
    Bulk.State.CHECKING: "info",
    Bulk.State.FAULTY: "danger",
    Bulk.State.READY: "warning",
    Bulk.State.RUNNING: "info",
    Bulk.State.PAUSED: "warning",
    Bulk.State.DONE: "success",
    Bulk.State.CANCELLED: "",
}
STEPS = {"pause": working.pause, "resume": working.resume, "cancel": working.cancel}


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        max_length=acts.REASON_MAX_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept in the audit records.",
    )

    @property
    def values(self) -> dict[str, Any]:
        """What is the same for every row."""
        return {}


class GrantForm(ReasonForm):
    """As many credits for each, and until when."""

    credits = forms.IntegerField(min_value=1, max_value=acts.MAX_CREDITS, widget=UnfoldAdminIntegerFieldWidget)
    expires_on = forms.DateField(
        required=False,
        label="Expires on",
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
        help_text="The last day on which they can be used (UTC). Empty: they never expire.",
    )
    field_order = ["credits", "expires_on", "reason"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "Kept in the audit records, and shown to each person in their credit history."

    def clean_expires_on(self) -> object:
        day = self.cleaned_data["expires_on"]
        today = timezone.now().date()
        if day and not today <= day <= today + timedelta(days=366 * files.MAX_YEARS):
            raise forms.ValidationError(f"A day from today on, at most {files.MAX_YEARS} years from now.")
        return day

    @property
    def values(self) -> dict[str, Any]:
        day = self.cleaned_data["expires_on"]
        end = datetime.combine(day + timedelta(days=1), time(0), UTC).isoformat() if day else None
        return {"credits": self.cleaned_data["credits"]} | ({"expires_at": end} if end else {})


def begin(request: HttpRequest, admin_of: Any, kind: str, rows: QuerySet[Any]) -> HttpResponse | None:
    """Take down what was chosen in a list, or all that its filter finds, and lead to the page where it is confirmed."""
    source = admin_of.filter_in_words(request) if _takes_all(request) else "Chosen in the list"
    try:
        bulk = drafts.of_rows(actor=user_of(request), kind=kinds.of(kind), rows=rows, source=source)
    except drafts.TooMany as error:
        messages.error(request, str(error))
        return None
    return redirect("admin:billing_bulk_change", bulk.pk)


def is_for_worker(request: HttpRequest, rows: QuerySet[Any], most: int) -> bool:
    """Tell whether a worker is to act on what was chosen: on all that a filter finds, and on more than `most`."""
    return _takes_all(request) or rows.count() > most


def _takes_all(request: HttpRequest) -> bool:
    """Tell whether all that the filter finds is to be acted on, as Django reads it: of any word but "0" and "false"."""
    return bool(forms.BooleanField(required=False).clean(request.POST.get("select_across")))


@admin.register(Bulk)
class BulkAdmin(ReadOnlyAdmin):
    empty_title = "No act on many yet"
    empty_words = (
        "Choose all rows of a list, or grant from a CSV: each act is listed here with what became of each row."
    )
    list_display = ["what", "source", "standing", "total", "by", "created_at"]
    list_display_links = ["what"]
    list_filter = ["state", "created_at"]
    list_select_related = ["actor"]
    search_fields = ["source", "=actor__email"]
    search_help_text = "Words of a filter or a file's name, or the whole email address of whoever began it."
    ordering = ["-id"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Bulk]:
        """Show what the viewer may do themselves."""
        found: QuerySet[Bulk] = super().get_queryset(request)
        return found.filter(act__in=kinds.permitted(user_of(request))).defer("file")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("<int:pk>/progress/", view(self._progress), name="bulk_progress"),
            path("<int:pk>/report/", view(self._report), name="bulk_report"),
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show an act on many; a POST confirms, pauses, resumes or cancels it."""
        bulk = self._found(request, object_id)
        if request.method == "POST":
            return self._post(request, bulk)
        return self._page(request, bulk, _form(bulk))

    @display(description="What", ordering="act")
    def what(self, bulk: Bulk) -> str:
        return kinds.of(bulk.act).title

    @display(description="State", label=STATES)
    def standing(self, bulk: Bulk) -> tuple[str, str]:
        return bulk.state, bulk.get_state_display()

    @display(description="Who")
    def by(self, bulk: Bulk) -> SafeString:
        return line(bulk.actor.email)

    def _post(self, request: HttpRequest, bulk: Bulk) -> HttpResponse:
        step = request.POST.get("step", "")
        if step in STEPS:
            if not STEPS[step](actor=user_of(request), bulk=bulk):
                messages.info(request, "It has gone on meanwhile: this is how it stands.")
            return redirect("admin:billing_bulk_change", bulk.pk)
        form = _form(bulk, request.POST)
        if form is not None and not form.is_valid():
            return self._page(request, bulk, form)
        values, reason = (form.values, form.cleaned_data["reason"]) if form else ({}, bulk.source)
        try:
            if not working.confirm(actor=user_of(request), bulk=bulk, values=values, reason=reason):
                messages.info(request, "It was begun already: this is how it stands.")
        except GrantedEnough as error:
            messages.error(request, str(error))
        return redirect("admin:billing_bulk_change", bulk.pk)

    def _page(self, request: HttpRequest, bulk: Bulk, form: ReasonForm | None) -> HttpResponse:
        kind = kinds.of(bulk.act)
        lines = bulk.lines.filter(state=BulkLine.State.FAULTY) if bulk.state == Bulk.State.FAULTY else bulk.lines.all()
        counted = f"{bulk.total:,} line{pluralize(bulk.total)}" if bulk.file_digest else kind.counted(bulk.total)
        shown = MOST_FAULTS if bulk.state == Bulk.State.FAULTY else FIRST
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": f"{kind.title}: {counted}" if bulk.total else kind.title,
            "bulk": bulk,
            "kind": kind,
            "counted": counted,
            "form": form,
            "is_mine": bulk.actor_id == user_of(request).pk,
            "twin": drafts.twin(bulk) if bulk.state == Bulk.State.READY else None,
            "is_file": bool(bulk.file_digest),
            "lines": lines.order_by("number")[:shown],
            **_standing(bulk, kind, user_of(request)),
        }
        return TemplateResponse(request, "admin/billing/bulk/page.html", context)

    def _progress(self, request: HttpRequest, pk: int) -> HttpResponse:
        """How far it is, asked for by its page until it has ended."""
        bulk = self._found(request, str(pk))
        kind = kinds.of(bulk.act)
        context = {"bulk": bulk, "kind": kind, **_standing(bulk, kind, user_of(request))}
        answer = TemplateResponse(request, "admin/billing/bulk/progress.html", context)
        if bulk.state not in Bulk.WORKED and request.headers.get("HX-Request"):
            answer["HX-Refresh"] = "true"  # what can be done with it now is another
            answer.status_code = HttpResponseStopPolling.status_code
        return answer

    def _report(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Send what became of each row, as CSV."""
        bulk = self._found(request, str(pk))
        response = StreamingHttpResponse(_csv(bulk), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="act-{bulk.pk}.csv"'
        response["Cache-Control"] = "private, no-store"
        return response

    def _found(self, request: HttpRequest, object_id: str) -> Bulk:
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = self.get_object(request, object_id)
        if not isinstance(found, Bulk):
            raise Http404
        return found


def _form(bulk: Bulk, data: Any = None) -> ReasonForm | None:
    """Return what is to be filled in before it begins; a file says it all, line by line."""
    if bulk.file_digest:
        return None
    return GrantForm(data) if kinds.of(bulk.act).takes_credits else ReasonForm(data)


def _standing(bulk: Bulk, kind: Kind, viewer: User) -> dict[str, Any]:
    counted = working.counts(bulk)
    is_open = bulk.state not in ENDED
    may_lead = is_open and working.may_lead(viewer, bulk)
    ended = sum(counted[state] for state in ("done", "skipped", "failed"))
    return {
        "counts": counted,
        "ended": ended,
        "percent": 100 * ended // bulk.total if bulk.total else 0,
        "sum": working.total_of(bulk, bulk.values) if kind.takes_credits and bulk.state == Bulk.State.READY else 0,
        "may": {
            "pause": bulk.state == Bulk.State.RUNNING,
            "resume": bulk.state == Bulk.State.PAUSED and may_lead,
            "cancel": may_lead,
        },
        "is_others": is_open and not may_lead,
        "failures": bulk.lines.filter(state=BulkLine.State.FAILED)[:FIRST] if counted["failed"] else [],
    }


def _csv(bulk: Bulk) -> Iterator[str]:
    yield to_csv([("line", "what", "credits", "state", "words")])
    rows = bulk.lines.order_by("number").iterator(chunk_size=drafts.AT_ONCE)
    for each in rows:
        credits = each.values.get("credits", bulk.values.get("credits", ""))
        yield to_csv([(each.number, each.label, credits, each.state, each.words)])
