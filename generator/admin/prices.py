"""What images cost people, in credits: a row for each price that ever held, and the form that begins a new one."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import display

from accounts.read_only import ReadOnlyAdmin
from accounts.viewer import user_of
from generator.admin.forms import PriceForm
from generator.library import worth
from generator.models import Operation, Price
from generator.upstreams import staff


@admin.register(Price)
class ImagePriceAdmin(ReadOnlyAdmin):
    """Written once: nobody edits or deletes a price, for what was asked for at it cost that."""

    list_display = ["model", "operation", "size_shown", "quality_shown", "credits", "state", "since"]
    list_filter = ["model", "operation"]
    list_select_related = ["model"]
    ordering = ["-since", "-pk"]
    fields = ["model", "operation", "size_shown", "quality_shown", "credits", "since"]
    readonly_fields = ["size_shown", "quality_shown"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("generator.add_price"))

    def get_queryset(self, request: HttpRequest) -> Any:
        same = {name: OuterRef(name) for name in ("model", "operation", "size", "quality")}
        later = Q(since__gt=OuterRef("since")) | Q(since=OuterRef("since"), pk__gt=OuterRef("pk"))
        newer = Price.objects.filter(later, **same, since__lte=timezone.now())
        return super().get_queryset(request).annotate(is_over=Exists(newer))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what a price leaves at each route, and begin it when exactly that is confirmed."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PriceForm(request.POST if request.method == "POST" else None, initial=_asked_for(request))
        previews: list[worth.Preview] = []
        seen = ""
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            operation = Operation(data["operation"])
            if "change" not in request.POST:
                previews = worth.preview(data["model"], operation, data["credits"])
                seen = "; ".join(f"{each.route.pk}: {each.cost}, {each.leaves}" for each in previews) or "no route"
            if seen and request.POST.get("confirmed") == seen:
                chosen = {name: data[name] for name in ("model", "size", "quality", "credits", "reason")}
                price = staff.set_price(actor=user_of(request), operation=operation, **chosen)
                messages.success(request, f"{price} credit{'' if price.credits == 1 else 's'} from now on.")
                return redirect("admin:generator_price_changelist")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "media": self.media,
            "title": "Set a price",
            "form": form,
            "previews": previews,
            "confirmed": seen,
            "worth": [(each.currency, worth.words_of(each)) for each in worth.of_a_credit()],
        }
        return TemplateResponse(request, "admin/upstreams/price.html", context)

    @display(description="Size", ordering="size")
    def size_shown(self, price: Price) -> str:
        return price.size or "Any"

    @display(description="Quality", ordering="quality")
    def quality_shown(self, price: Price) -> str:
        return price.quality or "Any"

    @display(description="State", label={"Holds": "success", "Over": "", "To come": "info"})
    def state(self, price: Price) -> str:
        if price.since > timezone.now():
            return "To come"
        return "Over" if price.is_over else "Holds"  # type: ignore[attr-defined]  # the list adds it to its rows


def _asked_for(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET[name] for name in ("model", "operation", "size", "quality") if name in request.GET}
