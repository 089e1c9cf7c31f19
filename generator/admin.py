"""Images and what became of them, to read."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.reading import ReadingAdmin, link, person
from generator.cards import picture_of
from generator.models import Generation

STATUSES = {
    Generation.Status.COMPLETED: "success",
    Generation.Status.FAILED: "danger",
    Generation.Status.QUEUED: "info",
    Generation.Status.SUBMITTING: "info",
    Generation.Status.DRAWING: "info",
}


@admin.register(Generation)
class GenerationAdmin(ReadingAdmin):
    list_display = ["thumbnail", "public_id", "whose", "state", "error_code", "aspect_ratio", "source", "created_at"]
    list_display_links = ["thumbnail", "public_id"]
    list_filter = ["status", "error_code", "aspect_ratio", "created_at", "finished_at"]
    list_select_related = ["account__user", "api_key"]
    search_fields = ["=public_id", "=upstream_id", "=account__user__email"]
    search_help_text = "An image's id (img_…), the upstream's id for it, or a whole email address."
    ordering = ["-id"]
    fieldsets = [
        (None, {"fields": ["image", "public_id", "whose", "status", "credit", "prompt", "negative_prompt"]}),
        ("Image", {"fields": [("aspect_ratio", "width", "height"), ("file_size", "model"), "source"]}),
        (
            "Its way",
            {
                "fields": [
                    ("created_at", "submitted_at", "finished_at"),
                    ("submits", "looks", "strikes"),
                    ("upstream_id", "due_at", "deadline_at"),
                    ("error_code", "error_message"),
                ]
            },
        ),
    ]
    readonly_fields = ["image", "whose", "credit", "source"]

    def other_key(self, object_id: str) -> str:
        return "public_id" if object_id.startswith("img_") else ""

    @display(description="")
    def thumbnail(self, generation: Generation) -> SafeString | str:
        return _picture(generation, "rw-thumbnail")

    @display(description="Image")
    def image(self, generation: Generation) -> SafeString | str:
        return _picture(generation, "rw-preview")

    @display(description="Person")
    def whose(self, generation: Generation) -> SafeString:
        return person(generation.account.user)

    @display(description="Status", label=STATUSES)
    def state(self, generation: Generation) -> tuple[str, str]:
        return generation.status, generation.get_status_display()

    @display(description="From")
    def source(self, generation: Generation) -> str:
        return f"API key {generation.api_key}" if generation.api_key else "Studio"

    @display(description="Credit")
    def credit(self, generation: Generation) -> SafeString | str:
        entries = reverse("admin:billing_creditentry_changelist")
        found = link(f"{entries}?q={generation.credit_reference}", "Its entries")
        if generation.status != Generation.Status.COMPLETED:
            return found
        back = reverse("admin:person_return_credit", args=[generation.account.user_id, generation.public_id])
        return format_html("{} · {}", found, link(back, "Return it …"))


def _picture(generation: Generation, css_class: str) -> SafeString | str:
    if generation.status != Generation.Status.COMPLETED:
        return "–"
    picture = picture_of(generation)
    return format_html(
        '<img class="{}" src="{}" alt="" width="{}" height="{}" loading="lazy">',
        css_class,
        picture.src,
        picture.width,
        picture.height,
    )
