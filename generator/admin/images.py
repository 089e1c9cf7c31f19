"""Images and what became of them, to read."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ChoicesFieldListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import BooleanField, Model, QuerySet
from django.db.models.expressions import RawSQL
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.many_rows import ManyRows, RecentValues
from accounts.models import User
from accounts.read_only import ReadOnlyAdmin, breakable, link, person, reference
from accounts.viewer import user_of
from billing.admin import bulk
from billing.staff import acts, roles
from billing.staff.acts import REASON_MAX_LENGTH
from generator import many
from generator.jobs import endings
from generator.library import showcase
from generator.models import Generation, GenerationQuerySet
from generator.pages.cards import picture_of
from kit.moments import moment

AT_ONCE = 200  # images that one answer takes off

STATUSES = {
    Generation.Status.COMPLETED: "success",
    Generation.Status.FAILED: "danger",
    Generation.Status.QUEUED: "info",
    Generation.Status.SUBMITTING: "info",
    Generation.Status.DRAWING: "info",
}


class TakeOffForm(forms.Form):
    """Why images leave Explore."""

    reason = forms.CharField(
        max_length=REASON_MAX_LENGTH,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept in the audit records.",
    )


class ByStatus(ChoicesFieldListFilter):
    """What is under way is little of all: said in the words of an index, SQLite finds it there."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        rows = super().queryset(request, queryset)
        if rows is not None and set(Generation.UNFINISHED) & set(self.lookup_val or []):
            names = ", ".join(f"'{status.value}'" for status in Generation.UNFINISHED)
            words = f"generator_generation.status IN ({names})"
            rows = rows.filter(RawSQL(words, [], BooleanField()))  # noqa: S611 (names of our own)
        return rows


@admin.register(Generation)
class GenerationAdmin(ReadOnlyAdmin):
    list_display = ["thumbnail", "id_shown", "whose", "state", "trouble", "ratio", "source", "created_at"]
    list_display_links = ["thumbnail", "id_shown"]
    actions = ["take_off_explore"]
    linked_lookups = frozenset({"wallet__id__exact", "id__in"})  # of one person; the first page's, without their file
    many_rows = ManyRows(
        "created_at", indexed=("is_listed__exact", "is_test__exact", "status__exact"), sorted_by=("id_shown",)
    )
    list_filter = [
        ("status", ByStatus),
        "is_test",
        "is_listed",
        ("error_code", RecentValues),
        "aspect_ratio",
        "created_at",
    ]
    list_select_related = ["wallet__user", "api_key"]
    search_fields = ["=public_id", "=upstream_id", "=wallet__user__email"]
    search_help_text = "An image's id (img_…), the upstream's id for it, or a whole email address."
    ordering = ["-created_at", "-id"]
    fieldsets = [
        (None, {"fields": ["image", "public_id", "whose", "status", "credit", "prompt", "negative_prompt"]}),
        (
            "Image",
            {"fields": ["aspect_ratio", ("width", "height"), ("file_size", "model"), ("source", "is_test")]},
        ),
        (
            "Its way",
            {
                "fields": [
                    ("error_code", "error_message"),
                    ("answered", "upstream_words"),
                    "tries",
                    "steps",
                    ("created_at", "submitted_at"),
                    ("finished_at", "deadline_at"),
                    ("due_at", "unstored_since"),
                    ("submits", "polls"),
                    "failed_polls",
                    "upstream_id",
                    "request_id",
                ]
            },
        ),
    ]
    readonly_fields = ["image", "whose", "credit", "source", "answered", "tries", "steps"]

    def other_key(self, object_id: str) -> str:
        return "public_id" if object_id.startswith("img_") else ""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        found = super().get_object(request, object_id, from_field)
        if isinstance(found, Generation):
            may = acts.may(user_of(request), "return_credit")
            within_reach = not roles.out_of_reach(user_of(request), found.wallet.user)
            is_drawn = found.status == Generation.Status.COMPLETED
            found.may_return_credit = is_drawn and not found.is_test and may and within_reach  # type: ignore[attr-defined]  # for the page
        return found

    def has_take_off_permission(self, request: HttpRequest) -> bool:
        return isinstance(request.user, User) and showcase.may_take_off(request.user)

    @action(description="Take off Explore …", permissions=["take_off"])
    def take_off_explore(self, request: HttpRequest, queryset: GenerationQuerySet) -> HttpResponse | None:
        """Show which of the chosen images are on Explore, and take them off it when that is confirmed."""
        assert isinstance(request.user, User)
        if bulk.is_for_worker(request, queryset.filter(is_listed=True), AT_ONCE):
            rows = queryset.filter(is_listed=True).select_related("wallet").order_by("-pk")
            return bulk.begin(request, self, many.TAKE_OFF, rows)
        listed = list(queryset.filter(is_listed=True).select_related("wallet__user").order_by("-pk"))
        if not listed:
            messages.info(request, "None of these images is on Explore.")
            return None
        for generation in listed:
            if words := roles.out_of_reach(request.user, generation.wallet.user):
                messages.error(request, f"Choose without {generation.public_id}. {words}")
                return None
        form = TakeOffForm(request.POST if "confirmed" in request.POST else None)
        if form.is_valid():
            taken = showcase.take_off(actor=request.user, generations=listed, reason=form.cleaned_data["reason"])
            messages.success(request, f"Took {taken} image{'' if taken == 1 else 's'} off Explore.")
            return redirect("admin:generator_generation_changelist")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": "Take off Explore",
            "form": form,
            "generations": [(generation, picture_of(generation)) for generation in listed],
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/explore/take_off.html", context)

    @display(description="")
    def thumbnail(self, generation: Generation) -> SafeString | str:
        return _picture(generation, "rw-thumbnail")

    @display(description="Id", ordering="public_id")
    def id_shown(self, generation: Generation) -> SafeString:
        return reference(generation.public_id)

    @display(description="Error", ordering="error_code", empty_value="–")
    def trouble(self, generation: Generation) -> SafeString | None:
        return breakable(generation.error_code) if generation.error_code else None

    @display(description="Ratio", ordering="aspect_ratio")
    def ratio(self, generation: Generation) -> str:
        return generation.aspect_ratio

    @display(description="Image")
    def image(self, generation: Generation) -> SafeString | str:
        return _picture(generation, "rw-preview")

    @display(description="Person")
    def whose(self, generation: Generation) -> SafeString:
        return person(generation.wallet.user)

    @display(description="Status", label=STATUSES)
    def state(self, generation: Generation) -> tuple[str, str]:
        return generation.status, generation.get_status_display()

    @display(description="Upstream's last useless answer")
    def answered(self, generation: Generation) -> str:
        """The status of the upstream's last answer that was of no use; older rows do not have it."""
        if generation.upstream_status:
            return f"HTTP {generation.upstream_status}"
        if generation.upstream_words:
            return "No HTTP status"
        return "Not known" if generation.status == Generation.Status.FAILED else "–"

    @display(description="Tries")
    def tries(self, generation: Generation) -> SafeString | str:
        """Where it was sent, when, as what, and how that ended; what it cost stands on the person's page."""
        lines = [
            (
                attempt.upstream,
                moment(attempt.started_at, "seconds"),
                attempt.get_state_display(),
                ", ".join(filter(None, [attempt.upstream_job, attempt.error_kind, attempt.error_words])),
            )
            for attempt in generation.attempts.select_related("upstream").order_by("number")
        ]
        return format_html_join(mark_safe("<br>"), "{}, {}: {} {}", lines) or "None on record"

    @display(description="Took")
    def steps(self, generation: Generation) -> str:
        tries = list(generation.attempts.select_related("upstream").order_by("number"))
        return endings.of(generation, tries).steps.capitalize() or "–"

    @display(description="From")
    def source(self, generation: Generation) -> str:
        kind = "Test key" if generation.is_test else "API key"
        return f"{kind} {generation.api_key}" if generation.api_key else "Test key" if generation.is_test else "Studio"

    @display(description="Credit")
    def credit(self, generation: Generation) -> SafeString | str:
        entries = reverse("admin:billing_creditentry_changelist")
        found = link(f"{entries}?q={generation.credit_reference}", "Its entries")
        if not generation.may_return_credit:  # type: ignore[attr-defined]  # `get_object` adds it
            return found
        back = reverse("admin:person_return_credit", args=[generation.wallet.user_id, generation.public_id])
        return format_html("{} · {}", found, link(back, "Return it …"))


def _picture(generation: Generation, css_class: str) -> SafeString | str:
    if generation.status != Generation.Status.COMPLETED:
        return "–"
    picture = picture_of(generation)
    return format_html(
        '<img class="{}" src="{}" alt="{}" width="{}" height="{}" loading="lazy">',
        css_class,
        picture.src,
        Truncator(generation.prompt).chars(100) or generation.public_id,  # a purged one has no words left
        picture.width,
        picture.height,
    )
