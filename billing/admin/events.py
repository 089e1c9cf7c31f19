"""Stripe's events as they came in: those that the books could not follow first."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.decorators import action, display

from accounts.many_rows import ManyRows, RecentValues
from accounts.read_only import ReadOnlyAdmin, breakable, pretty
from accounts.viewer import user_of
from billing.admin import bulk
from billing.admin.columns import at_stripe, short
from billing.models import StripeEvent
from billing.staff import acts
from kit.moments import moment

AT_ONCE = 20  # each may ask Stripe, and a browser waits for all of them


class Handled(admin.SimpleListFilter):
    """Whether the books have followed an event."""

    title = "state"
    parameter_name = "handled"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("no", "Not handled"),
            ("failed", "Failed at least once"),
            ("yes", "Handled"),
            ("ignored", "Ignored: not ours"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StripeEvent]) -> QuerySet[StripeEvent] | None:
        match self.value():
            case "no":
                return queryset.filter(handled_at=None)
            case "failed":
                return queryset.filter(handled_at=None).exclude(last_error="")
            case "yes":
                return queryset.exclude(handled_at=None).filter(ignored="")
            case "ignored":
                return queryset.exclude(ignored="")
        return None


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyAdmin):
    empty_words = "What Stripe sends to this site’s webhook is listed here."
    list_display = ["received_at", "kind", "state", "why", "again", "mode", "short_id"]
    many_rows = ManyRows("received_at", sorted_by=("short_id",))
    list_filter = [Handled, "account", "livemode", "received_at", ("type", RecentValues)]
    list_select_related = ["account"]
    search_fields = ["=id", "=type"]
    search_help_text = "A whole event id (evt_…) or type."
    ordering = [ExpressionWrapper(Q(handled_at=None), BooleanField()).desc(), "-received_at"]
    actions = ["try_again"]
    fields = [
        "id",
        "type",
        "state",
        "ignored",
        "attempts",
        "last_error",
        "received_at",
        "handled_at",
        "due_at",
        "mode",
        "account",
        "at_stripe",
        "api_version",
        "content",
    ]
    readonly_fields = ["state", "mode", "at_stripe", "content"]

    @display(description="Type", ordering="type")
    def kind(self, event: StripeEvent) -> SafeString:
        return breakable(event.type)

    @display(
        description="State", label={"Handled": "success", "Waiting": "info", "Failed": "danger", "Ignored": "warning"}
    )
    def state(self, event: StripeEvent) -> str:
        if event.ignored:
            return "Ignored"
        if event.handled_at:
            return "Handled"
        return "Failed" if event.last_error else "Waiting"

    @display(description="Why")
    def why(self, event: StripeEvent) -> str:
        return Truncator(event.ignored or event.last_error or "–").chars(80)

    @display(description="Tried again", ordering="due_at")
    def again(self, event: StripeEvent) -> SafeString | str:
        return "–" if event.handled_at else moment(event.due_at)

    @display(description="Id", ordering="id")
    def short_id(self, event: StripeEvent) -> SafeString | str:
        return short(event.pk)

    @display(description="Mode", ordering="livemode")
    def mode(self, event: StripeEvent) -> str:
        return {True: "Live", False: "Test", None: "Not known"}[event.livemode]

    @display(description="At Stripe")
    def at_stripe(self, event: StripeEvent) -> SafeString | str:
        return at_stripe(event.account, "events", event.pk)

    @display(description="Content")
    def content(self, event: StripeEvent) -> SafeString:
        return pretty(event.payload)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StripeEvent]:
        """Leave their content out: it is most of each row, and only an event's own page shows it."""
        events: QuerySet[StripeEvent] = super().get_queryset(request).defer("payload")
        return events

    def has_try_again_permission(self, request: HttpRequest) -> bool:
        return acts.may(user_of(request), "retry_event")

    @action(description="Try again now", permissions=["try_again"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[StripeEvent]) -> HttpResponse | None:
        """Try the chosen events in the order in which they came, and say what became of each that fails."""
        waiting = queryset.filter(handled_at=None).order_by("received_at")
        if bulk.is_for_worker(request, waiting, AT_ONCE):
            return bulk.begin(request, self, "try_again", waiting)
        chosen = list(waiting)
        if not chosen:
            messages.info(request, "Those are handled already.")
            return None
        handled = 0
        for event in chosen:
            if acts.retry_event(actor=user_of(request), event=event):
                handled += 1
            else:
                messages.error(request, f"{event.type} {event.pk} failed again: {event.last_error}")
        if handled:
            messages.success(request, f"{handled} of {len(chosen)} events handled.")
        return None
