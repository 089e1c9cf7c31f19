"""What alarmed and is over: when it began, who was told, and whether that reached them. To read."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.many_rows import ManyRows, RecentValues
from accounts.models import User
from accounts.read_only import ReadOnlyAdmin, breakable
from billing.models import OutgoingMail
from kit.moments import moment
from reveweb.watch import alerts
from reveweb.watch.models import Alert, AlertCall

KINDS = tuple(AlertCall.Kind)
LISTED = 2  # mails of an alert in the list; its page has all


class State(admin.SimpleListFilter):
    """Whether it lasts."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("lasts", "It lasts"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert] | None:
        match self.value():
            case "lasts":
                return queryset.filter(ended_at=None)
            case "over":
                return queryset.filter(ended_at__isnull=False)
        return None


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    empty_title = "Nothing has alarmed in the last 90 days"
    empty_words = (
        "What does, as an upstream that is down, a queue that grows old or a disk that fills up, is told once it has "
        "lasted a minute, and once more when it is over: to ALERT_EMAILS, or else to the superusers, and to "
        "ALERT_WEBHOOK_URL. It is kept here then."
    )
    many_rows = ManyRows("began_at", indexed=("state",))
    list_display = ["began_at", "words", "state", "told_at", "mailed", "webhook", "ended_at"]
    list_filter = [State, ("name", RecentValues), "began_at"]
    ordering = ["-began_at", "-id"]
    fields = ["words", "cure", "named", "state", "began_at", "told_at", "mails", "webhook", "seen_at", "ended_at"]
    readonly_fields = ["named", "state", "mails", "webhook"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Return the list; what became of a page's mails and calls is two queries."""
        changes = super().get_changelist_instance(request)
        changes.result_list = _told(changes.result_list)
        return changes

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Find an alert, and what became of its mails and calls."""
        found = super().get_object(request, object_id, from_field)
        return _told([found])[0] if isinstance(found, Alert) else found

    @display(description="Name")
    def named(self, alert: Alert) -> SafeString:
        return breakable(alert.name)

    @display(description="State", label={"It lasts": "danger", "Not told yet": "warning", "Over": "success"})
    def state(self, alert: Alert) -> str:
        if alert.ended_at:
            return "Over"
        return "It lasts" if alert.told_at else "Not told yet"

    @display(description="Mails")
    def mails(self, alert: Alert) -> SafeString | str:
        if alert.name.startswith(alerts.MAILED):
            return "By whoever found it"
        mails = alert.told_by_mail  # type: ignore[attr-defined]  # `_told` adds it
        return _lines((str(one.to or one.wallet), _outcome(one)) for one in mails)

    @display(description="Mails")
    def mailed(self, alert: Alert) -> SafeString | str:
        mails = alert.told_by_mail  # type: ignore[attr-defined]  # `_told` adds it
        if len(mails) <= LISTED:
            named: SafeString | str = self.mails(alert)
            return named
        sent = sum(one.sent_at is not None for one in mails)
        failed = sum(one.failed_at is not None for one in mails)
        waiting = len(mails) - sent - failed
        told = ((sent, "sent"), (failed, "given up"), (waiting, "on the way"))
        return ", ".join(f"{count} {words}" for count, words in told if count)

    @display(description="Webhook")
    def webhook(self, alert: Alert) -> SafeString | str:
        calls = alert.told_by_call  # type: ignore[attr-defined]  # `_told` adds it
        return _lines((one.get_kind_display(), _outcome(one)) for one in calls)


def _told(found: Iterable[Alert]) -> list[Alert]:
    """Return alerts with the mails and the calls that told of them."""
    rows = list(found)
    # As `alerts` and `generator.upstreams.trouble` number whom they tell; each is looked up whole, by its index.
    people = User.objects.filter(is_staff=True, is_superuser=True).values_list("pk", flat=True)
    numbers = {0, *range(len(settings.ALERT_EMAILS)), *people}
    of = {f"alert:{row.pk}:{kind}:{number}": row.pk for row in rows for kind in KINDS for number in numbers}
    mails: dict[int, list[OutgoingMail]] = {}
    for mail in OutgoingMail.objects.filter(reference__in=of).select_related("wallet__user").order_by("pk"):
        mails.setdefault(of[mail.reference], []).append(mail)
    calls: dict[int, list[AlertCall]] = {}
    for call in AlertCall.objects.filter(alert__in=[row.pk for row in rows]).order_by("pk"):
        calls.setdefault(call.alert_id, []).append(call)
    for row in rows:
        row.told_by_mail = mails.get(row.pk, [])  # type: ignore[attr-defined]  # for whoever shows it
        row.told_by_call = calls.get(row.pk, [])  # type: ignore[attr-defined]  # the same
    return rows


def _outcome(told: OutgoingMail | AlertCall) -> SafeString | str:
    if told.sent_at:
        return moment(told.sent_at, "ago")
    if told.failed_at:
        return f"given up: {told.last_error[:80]}"
    return f"tried again: {told.last_error[:80]}" if told.last_error else "waits"


def _lines(told: Iterable[tuple[str, SafeString | str]]) -> SafeString | str:
    return format_html_join("", "<div>{}: {}</div>", told) or "–"
