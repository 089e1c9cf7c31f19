"""Which upstream draws what, and what that costs; and what all of it brought."""

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.read_only import breakable, change_url, link
from generator.admin import margins
from generator.admin.forms import RouteForm
from generator.admin.rows import StaffAdmin
from generator.models import Route
from generator.upstreams import costs


@admin.register(Route)
class RouteAdmin(StaffAdmin):
    form = RouteForm
    list_display = ["model", "operation", "leads_to", "named", "costs", "in_use"]
    list_filter = ["model", "operation", "upstream", "is_active"]
    list_select_related = ["model", "upstream"]
    ordering = ["model__order", "model_id", "operation", "upstream__priority", "pk"]
    once = ["model", "operation", "upstream"]
    written = ["cost", "cost_currency", "reason", "confirm"]
    told = ["costs"]
    fieldsets = [
        (None, {"fields": ["model", "operation", "upstream", "their_name", "is_active", "confirm"]}),
        ("What a job costs us there", {"fields": ["costs", "cost", "cost_currency"]}),
        (None, {"fields": ["reason"]}),
    ]
    readonly_fields = ["costs"]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        own = [
            path("margin/", view(lambda request: margins.page(self, request)), name="margin"),
            path("margin/csv/", view(margins.download), name="margin_csv"),
        ]
        return [*own, *super().get_urls()]

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """Offer no empty choice: each part of a route is one."""
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None:
            field.empty_label = None
        return field

    @display(description="Upstream", ordering="upstream__priority")
    def leads_to(self, route: Route) -> SafeString:
        return link(change_url(route.upstream), route.upstream)

    @display(description="Its name there", ordering="their_name", empty_value="–")
    def named(self, route: Route) -> SafeString | None:
        return breakable(route.their_name) if route.their_name else None

    @display(description="A job costs", ordering="cost_micros")
    def costs(self, route: Route) -> str:
        if route.pk is None or route.cost_micros is None:
            return "Not known"
        return costs.worded(route.cost_micros, route.cost_currency)
