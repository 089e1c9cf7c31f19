"""Plans and packs: what operators edit."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.viewer import user_of
from billing.catalogue import money
from billing.models import Pack, Plan
from billing.staff import acts


class ProductForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes its model only for type checkers
    """A plan or pack, and why it is changed."""

    reason = forms.CharField(
        max_length=acts.REASON_MAX_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="Why; kept in the audit records.",
    )

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"]).lower()
        if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
            raise forms.ValidationError("Three letters, as in usd or eur.")
        return currency

    def clean_credits(self) -> int:
        credits = int(self.cleaned_data["credits"])
        if not 0 < credits <= acts.MAX_CREDITS:
            raise forms.ValidationError(f"A whole number from 1 to {acts.MAX_CREDITS:,}.")
        return credits


class PlanForm(ProductForm):
    """A plan is free or it recurs."""

    def clean(self) -> dict[str, Any] | None:
        data = super().clean() or self.cleaned_data
        price, interval = data.get("price"), data.get("interval")
        if price == 0 and interval:
            self.add_error("interval", "A plan without a price has no period: choose “Once”, or give it a price.")
        if price and not interval:
            self.add_error("interval", "A plan with a price is paid by the month or by the year.")
        return data


class PackForm(ProductForm):
    """A pack is sold."""

    def clean_price(self) -> int:
        price = int(self.cleaned_data["price"])
        if not price:
            raise forms.ValidationError("A pack has a price; credits that cost nothing are granted to people.")
        return price


class ProductAdmin(ModelAdmin):
    """Added and changed, never deleted: payments and subscriptions name them. Not active is no longer sold."""

    actions: Any = []
    list_fullwidth = True
    list_display = ["name", "credits", "cost", "active", "order", "slug"]
    limits: ClassVar[list[str]] = []
    change_form_before_template = "admin/billing/prices_note.html"
    list_before_template = "admin/billing/prices_note.html"

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        price = ["price", "currency", *(["interval"] if self.limits else [])]
        return ["name", "slug", "credits", *price, *self.limits, "active", "order", "reason"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["slug"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Plan | Pack, form: ProductForm, change: bool) -> None:
        acts.save_product(actor=user_of(request), product=obj, reason=form.cleaned_data["reason"])

    @display(description="Price", ordering="price")
    def cost(self, product: Plan | Pack) -> str:
        return money.full(product.price, product.currency) if product.price else "Free"


@admin.register(Plan)
class PlanAdmin(ProductAdmin):
    form = PlanForm
    limits = ["rate_limit", "max_in_flight"]
    list_display = ["name", "credits", "cost", "interval", "rate_limit", "max_in_flight", "active", "order", "slug"]


@admin.register(Pack)
class PackAdmin(ProductAdmin):
    form = PackForm
