"""What members of staff did. Nobody edits it, whoever they are."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.many_rows import ManyRows, either, newest
from accounts.read_only import ReadOnlyAdmin, line, pretty
from billing.admin.columns import person, readable
from billing.models import AuditRecord
from billing.staff.acts import Act
from kit.http.requests import without_nul


class ByAct(admin.SimpleListFilter):
    """Records of one kind of act."""

    title = "act"
    parameter_name = "act"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(act.name.lower(), act.value) for act in Act]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditRecord]) -> QuerySet[AuditRecord] | None:
        act = Act.__members__.get((self.value() or "").upper())
        return queryset.filter(action=act.value) if act else None


@admin.register(AuditRecord)
class AuditRecordAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "action", "whom", "reason", "who"]
    many_rows = ManyRows("created_at")
    linked_lookups = frozenset({"wallet__id__exact"})
    list_filter = [ByAct, "created_at"]
    list_select_related = ["wallet__user", "actor"]
    search_fields = ["reason"]
    search_help_text = (
        "A whole email address, of whoever did it or of whom it concerns, or words of the reason of a recent one."
    )
    ordering = ["-created_at", "-id"]
    fields = ["created_at", "action", "whom", "reason", "who", "earlier", "later"]
    readonly_fields = ["whom", "who", "earlier", "later"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditRecord], search_term: str
    ) -> tuple[QuerySet[AuditRecord], bool]:
        """Look for an address by its index, and else for words in the newest reasons."""
        if "@" in search_term:
            whom = ["actor__email", "wallet__user__email"]
            return either(queryset, whom, without_nul(search_term.strip())), False
        found: tuple[QuerySet[AuditRecord], bool] = super().get_search_results(request, queryset, search_term)
        return newest(found[0], "id"), found[1]

    @display(description="Whom")
    def whom(self, record: AuditRecord) -> SafeString | str:
        return person(record.wallet)

    @display(description="Who")
    def who(self, record: AuditRecord) -> SafeString | str:
        return line(record.actor.email) if record.actor else "The operator's shell"

    @display(description="Before")
    def earlier(self, record: AuditRecord) -> SafeString:
        return pretty(readable(record.before))

    @display(description="After")
    def later(self, record: AuditRecord) -> SafeString:
        return pretty(readable(record.after))
