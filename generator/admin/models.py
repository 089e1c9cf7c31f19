"""The models that people choose from."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from generator.admin.forms import ImageModelForm
from generator.admin.rows import StaffAdmin
from generator.models import ImageModel, Operation
from generator.upstreams import staff


@admin.register(ImageModel)
class ImageModelAdmin(StaffAdmin):
    form = ImageModelForm
    list_display = ["name", "called", "does", "routes_shown", "choices", "in_use", "order"]
    ordering = ["order", "pk"]
    written = ["reason", "confirm"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "description", "is_active", "confirm", "order"]}),
        ("What it is offered for", {"fields": ["operations", "aspect_ratios", "sizes", "qualities", "has_seed"]}),
        (None, {"fields": ["reason"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("routes__upstream")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        fixed = ["slug"] if isinstance(obj, ImageModel) and staff.is_used(obj) else []
        return [*fixed, *super().get_readonly_fields(request, obj)]

    @display(description="In the API", ordering="slug")
    def called(self, model: ImageModel) -> SafeString:
        return format_html('<code class="rw-code">{}</code>', model.slug)

    @display(description="Offered for")
    def does(self, model: ImageModel) -> str:
        return ", ".join(str(one.label) for one in Operation if one in model.operations)

    @display(description="Drawn by")
    def routes_shown(self, model: ImageModel) -> str:
        live = [route.upstream for route in model.routes.all() if route.is_active and route.upstream.is_active]
        names = dict.fromkeys(str(each) for each in sorted(live, key=lambda each: (each.priority, each.pk)))
        return ", ".join(names) or "Nobody"

    @display(description="Sizes, qualities", empty_value="–")
    def choices(self, model: ImageModel) -> str | None:
        return " · ".join(", ".join(each) for each in (model.sizes, model.qualities) if each) or None
