"""Grants, entries and their lines, to read; grants also come from a CSV."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.many_rows import ManyRows
from accounts.read_only import ReadOnlyAdmin, change_url, link
from billing.admin import columns, imports
from billing.admin.columns import person
from billing.models import CreditEntry, CreditGrant, CreditLine
from kit.moments import moment

KINDS = {
    CreditEntry.Kind.GRANT: "success",
    CreditEntry.Kind.RELEASE: "success",
    CreditEntry.Kind.RESTORE: "success",
    CreditEntry.Kind.HOLD: "info",
    CreditEntry.Kind.SETTLE: "",
    CreditEntry.Kind.EXPIRE: "warning",
    CreditEntry.Kind.TAKE: "danger",
    CreditEntry.Kind.CLAW_BACK: "danger",
}


@admin.register(CreditEntry)
class CreditEntryAdmin(ReadOnlyAdmin):
    list_display = ["when", "whose", "kind_label", "amount", "balance_after", "because"]
    list_display_links = ["when"]
    many_rows = ManyRows("created_at", sorted_by=("when",))
    linked_lookups = frozenset({"wallet__id__exact"})
    list_filter = ["kind", "created_at"]
    list_select_related = ["wallet__user", *CreditEntry.ABOUT]
    search_fields = ["=reference", "=wallet__user__email"]
    search_help_text = "A whole reference, or somebody's whole email address."
    ordering = ["-created_at", "-id"]
    fields = ["whose", "kind", "amount", "balance_after", "because", "reference", "of", "created_at", "parts"]
    readonly_fields = ["whose", "because", "parts"]

    @display(description="When", ordering="created_at")
    def when(self, entry: CreditEntry) -> SafeString:
        return moment(entry.created_at)

    @display(description="Person")
    def whose(self, entry: CreditEntry) -> SafeString | str:
        return person(entry.wallet)

    @display(description="What", label=KINDS)
    def kind_label(self, entry: CreditEntry) -> tuple[str, str]:
        return entry.kind, entry.get_kind_display()

    def get_queryset(self, request: HttpRequest) -> QuerySet[CreditEntry]:
        return columns.with_sight(super().get_queryset(request), request)

    @display(description="Cause")
    def because(self, entry: CreditEntry) -> SafeString | str:
        words, url = columns.because(entry, entry.sees_images)  # type: ignore[attr-defined]  # the list adds it
        return link(url, words) if url else words

    @display(description="Grants touched")
    def parts(self, entry: CreditEntry) -> SafeString | str:
        lines = entry.lines.select_related("grant")
        parts = ((f"{line.amount:+d}", link(change_url(line.grant), line.grant)) for line in lines)
        return format_html_join("", "<div>{} {}</div>", parts) or "–"


@admin.register(CreditGrant)
class CreditGrantAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "whose", "source", "remaining", "amount", "expires_at", "frozen"]
    many_rows = ManyRows("created_at")
    list_filter = ["source", "created_at", "expires_at"]
    list_select_related = ["wallet__user"]
    search_fields = ["=wallet__user__email", "=dispute__stripe_id"]
    search_help_text = "Somebody's whole email address."
    fields = ["whose", "source", "remaining", "amount", "expires_at", "dispute", "created_at", "history"]
    readonly_fields = ["whose", "history"]
    ordering = ["-created_at", "-id"]
    list_before_template = "admin/billing/creditgrant/ways.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(lambda request: imports.page(self, request))
        return [path("import/", view, name="billing_creditgrant_import"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[CreditGrant]:
        return columns.with_sight(super().get_queryset(request), request)

    @display(description="Person")
    def whose(self, grant: CreditGrant) -> SafeString | str:
        return person(grant.wallet)

    @display(description="Dispute", label={"Kept back": "danger"})
    def frozen(self, grant: CreditGrant) -> str:
        return "Kept back" if grant.is_frozen else ""

    @display(description="Entries")
    def history(self, grant: CreditGrant) -> SafeString | str:
        about = [f"entry__{name}" for name in CreditEntry.ABOUT]
        lines = grant.lines.select_related("entry", *about).order_by("-id")[:50]
        sees_images = grant.sees_images  # type: ignore[attr-defined]  # the list adds it to its rows
        words = ((line, columns.because(line.entry, sees_images)[0]) for line in lines)
        parts = ((f"{line.amount:+d}", link(change_url(line.entry), why)) for line, why in words)
        return format_html_join("", "<div>{} {}</div>", parts) or "–"


@admin.register(CreditLine)
class CreditLineAdmin(ReadOnlyAdmin):
    list_display = ["id", "amount", "entry", "grant"]
    many_rows = ManyRows("id")
    list_select_related = ["entry", "grant"]
    search_fields = ["=entry__reference"]
    ordering = ["-id"]
