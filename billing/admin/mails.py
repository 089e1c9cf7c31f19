"""Mails: which went out, which are being tried, which were given up and can be sent again."""

import re
from functools import reduce
from typing import Any

from django.contrib import admin, messages
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from accounts.many_rows import ManyRows, RecentValues
from accounts.read_only import ReadOnlyAdmin, breakable, line, pretty
from accounts.viewer import user_of
from billing.admin import bulk
from billing.admin.columns import person
from billing.models import OutgoingMail
from billing.outbox import rendering
from billing.staff import acts, roles

AT_ONCE = 200


class State(admin.SimpleListFilter):
    """Where a mail stands."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("failed", "Failed"), ("waiting", "Waiting"), ("sent", "Sent")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> QuerySet[OutgoingMail] | None:
        match self.value():
            case "failed":
                return queryset.filter(failed_at__isnull=False)
            case "waiting":
                return queryset.filter(sent_at=None, failed_at=None)
            case "sent":
                return queryset.filter(sent_at__isnull=False)
        return None


@admin.register(OutgoingMail)
class OutgoingMailAdmin(ReadOnlyAdmin):
    empty_words = "Each mail that this site sends is listed here, with what the mail server answered."
    list_display = ["created_at", "recipient", "kind", "state", "attempts", "error", "sent_at"]
    many_rows = ManyRows("created_at", indexed=("state",))
    list_filter = [State, ("template", RecentValues), "created_at"]
    list_select_related = ["wallet__user"]
    search_fields = ["=reference", "=to", "=wallet__user__email"]
    search_help_text = "Somebody's whole email address, or a whole reference."
    ordering = [ExpressionWrapper(Q(failed_at=None), BooleanField()), "-created_at", "-id"]
    actions = ["send_again"]
    fields = [
        "recipient",
        "template",
        "state",
        "attempts",
        "whole_error",
        "due_at",
        "created_at",
        "sent_at",
        "failed_at",
        "reference",
        "values",
    ]
    readonly_fields = ["recipient", "state", "whole_error", "values"]

    @display(description="To")
    def recipient(self, mail: OutgoingMail) -> SafeString | str:
        return line(mail.to) if mail.wallet is None else person(mail.wallet)

    @display(description="Template", ordering="template")
    def kind(self, mail: OutgoingMail) -> SafeString:
        return breakable(mail.template)

    @display(
        description="State",
        label={"Sent": "success", "Waiting": "info", "Trying again": "warning", "Failed": "danger"},
    )
    def state(self, mail: OutgoingMail) -> str:
        if mail.sent_at:
            return "Sent"
        if mail.failed_at:
            return "Failed"
        return "Trying again" if mail.last_error else "Waiting"

    @display(description="Error")
    def error(self, mail: OutgoingMail) -> str:
        return _told(mail)[:120] or "–"

    @display(description="Error")
    def whole_error(self, mail: OutgoingMail) -> str:
        return _told(mail) or "–"

    @display(description="Values")
    def values(self, mail: OutgoingMail) -> SafeString | str:
        if rendering.is_secret(mail.template):
            return "Not shown: a link that opens the account may be among them."
        return pretty(mail.context)

    def has_send_again_permission(self, request: HttpRequest) -> bool:
        return acts.may(user_of(request), "resend_mail")

    @action(description="Send again", permissions=["send_again"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[OutgoingMail]) -> HttpResponse | None:
        """Queue the chosen mails again that were given up; a worker sends them."""
        if bulk.is_for_worker(request, queryset, AT_ONCE):
            return bulk.begin(request, self, "send_again", queryset)
        chosen = list(queryset.filter(failed_at__isnull=False).select_related("wallet__user")[:AT_ONCE])
        actor, begun = user_of(request), 0
        for mail in chosen:
            receiver = acts.receiver(mail)
            if words := roles.out_of_reach(actor, receiver) if receiver else "":
                messages.warning(request, f"Not sent again to {mail.to or receiver}. {words}")
            else:
                begun += acts.resend_mail(actor=actor, mail=mail)
        if begun:
            messages.success(request, f"{begun} {'mail is' if begun == 1 else 'mails are'} on the way again.")
        else:
            messages.info(request, "None of those had failed: nothing was sent again.")
        return None


def _told(mail: OutgoingMail) -> str:
    """Return why a mail did not go out. A mail server may repeat what it refused: no link, and none of its values."""
    if not rendering.is_secret(mail.template):
        return mail.last_error
    words = re.sub(r"\S*/\S*", "[not shown]", mail.last_error)
    values = (value for value in mail.context.values() if isinstance(value, str) and value)
    return reduce(lambda text, value: text.replace(value, "[not shown]"), values, words)
