"""Plans and packs, which operators edit, and the prices that come of it, which nobody does."""

from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.read_only import ListAdmin, ReadOnlyAdmin, change_url, link
from accounts.viewer import user_of
from billing.admin import columns
from billing.catalogue import money
from billing.models import Order, Pack, Payment, Plan, Price, Subscription
from billing.staff import acts


class ProductForm(forms.ModelForm):  # type: ignore[type-arg]  # it takes its model only for type checkers
    """A plan or pack, its price in money, and why it is changed."""

    price = forms.CharField(
        max_length=20,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text="In the currency’s own money, as in 9.00 or 1,234.50; yen as in 900.",
    )
    reason = forms.CharField(
        max_length=acts.REASON_MAX_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="Why; kept in the audit records.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["price"] = money.plain(self.instance.price, self.instance.currency)

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

    def clean(self) -> dict[str, Any]:
        """Read the price as an amount of the currency that was chosen beside it."""
        data = super().clean() or self.cleaned_data
        written = data.pop("price", None)
        if written is not None and "currency" in data:
            try:
                data["price"] = money.parse(written, data["currency"])
            except money.NotMoney as error:
                self.add_error("price", str(error))
        return data


class PlanForm(ProductForm):
    """A plan is free or it recurs."""

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        price, interval = data.get("price"), data.get("interval")
        if price == 0 and interval:
            self.add_error("interval", "A plan without a price has no period: choose “Once”, or give it a price.")
        if price and not interval:
            self.add_error("interval", "A plan with a price is paid by the month or by the year.")
        return data


class PackForm(ProductForm):
    """A pack is sold."""

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        if data.get("price") == 0:
            self.add_error("price", "A pack has a price; credits that cost nothing are granted to people.")
        return data


@dataclass(frozen=True)
class Terms:
    """A price of a plan or pack, and who holds it to that. `price` is None where it is not known any more."""

    price: Price | None
    subscribers: int
    open_checkouts: int


def terms_of(product: Plan | Pack) -> list[Terms]:
    """Return what `product` is sold at and was sold at before, newest first, with who stands on it."""
    kind = "plan" if isinstance(product, Plan) else "pack"
    live = Subscription.objects.filter(status__in=Subscription.LIVE)
    live = live.filter(plan=product) if isinstance(product, Plan) else live.none()
    subscribers = _by_price(live)
    checkouts = _by_price(Order.objects.filter(status=Order.Status.OPEN, **{kind: product}))
    prices: list[Price | None] = list(product.prices.select_related("account").order_by("-pk"))
    if None in subscribers:
        prices.append(None)
    keys = [(price, price.pk if price else None) for price in prices]
    return [Terms(price, subscribers.get(pk, 0), checkouts.get(pk, 0)) for price, pk in keys]


def _by_price(rows: QuerySet[Any]) -> dict[int | None, int]:
    return dict(rows.order_by().values_list("price").annotate(Count("pk")))


class ProductAdmin(ListAdmin):
    """Added and changed, never deleted: payments and subscriptions name them. Not active is no longer sold."""

    actions: Any = []
    list_fullwidth = True
    list_display = ["name", "credits", "cost", "active", "order", "slug"]
    limits: ClassVar[list[str]] = []
    change_form_before_template = "admin/billing/prices_note.html"
    list_before_template = "admin/billing/prices_note.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show beside the form what it was sold at before, and to how many that still holds."""
        product = self.get_object(request, object_id)
        terms = terms_of(product) if product and self.has_view_permission(request) else []
        shown: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "terms": terms}
        )
        return shown

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
        return columns.terms(product.price, product.currency, getattr(product, "interval", ""))


@admin.register(Plan)
class PlanAdmin(ProductAdmin):
    form = PlanForm
    limits = ["rate_limit", "max_in_flight"]
    list_display = ["name", "credits", "cost", "subscribers", "rate_limit", "max_in_flight", "active", "order", "slug"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Plan]:
        live = Count("subscriptions", filter=Q(subscriptions__status__in=Subscription.LIVE))
        plans: QuerySet[Plan] = super().get_queryset(request).annotate(live=live)
        return plans

    @display(description="Subscribers", ordering="live")
    def subscribers(self, plan: Plan) -> SafeString | str:
        count: int = plan.live  # type: ignore[attr-defined]  # the list adds it to its rows
        if not count:
            return "–"
        url = reverse("admin:billing_subscription_changelist")
        return link(f"{url}?plan__id__exact={plan.pk}&state=live", f"{count:,}")


@admin.register(Pack)
class PackAdmin(ProductAdmin):
    form = PackForm


class Sold(admin.SimpleListFilter):
    """Prices by whether anything is sold at them now."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("current", "Not retired"), ("retired", "Retired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Price]) -> QuerySet[Price] | None:
        match self.value():
            case "current":
                return queryset.filter(retired_at=None)
            case "retired":
                return queryset.exclude(retired_at=None)
        return None


@admin.register(Price)
class PriceAdmin(ReadOnlyAdmin):
    """What was sold at which terms. Written when a plan or pack is first sold at them, and never edited."""

    list_display = ["created_at", "what", "terms", "credits", "subscribers", "state", "short_id", "where"]
    list_filter = [Sold, "plan", "pack", "account"]
    list_select_related = ["plan", "pack", "account"]
    search_fields = ["=stripe_id", "=stripe_product_id"]
    search_help_text = "A whole price id (price_…) or product id (prod_…)."
    ordering = ["-id"]
    fields = [
        "what",
        "terms",
        "credits",
        "subscribers",
        "payments",
        "state",
        "at_stripe",
        "stripe_product_id",
        "account",
        "created_at",
        "retired_at",
    ]
    readonly_fields = ["what", "terms", "subscribers", "payments", "state", "at_stripe"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Price]:
        live = Count("subscriptions", filter=Q(subscriptions__status__in=Subscription.LIVE))
        prices: QuerySet[Price] = super().get_queryset(request).annotate(live=live)
        return prices

    @display(description="Plan or pack")
    def what(self, price: Price) -> SafeString:
        return link(change_url(price.product), price.product)

    @display(description="Price", ordering="amount")
    def terms(self, price: Price) -> str:
        return columns.terms_of(price)

    @display(description="Subscribers", ordering="live")
    def subscribers(self, price: Price) -> str:
        count: int = price.live  # type: ignore[attr-defined]  # the list adds it to its rows
        return f"{count:,}" if count else "–"

    @display(description="Payments")
    def payments(self, price: Price) -> str:
        return f"{Payment.objects.filter(price=price).count():,}"

    @display(description="State", label={"Sold now": "success", "Retired": "", "Not sold": "warning"})
    def state(self, price: Price) -> str:
        if price.retired_at:
            return "Retired"
        return "Sold now" if price.product.active else "Not sold"

    @display(description="Id", ordering="stripe_id")
    def short_id(self, price: Price) -> SafeString | str:
        return columns.short(price.stripe_id)

    @display(description="Account", ordering="account")
    def where(self, price: Price) -> SafeString | str:
        return columns.account_name(price.account)

    @display(description="At Stripe")
    def at_stripe(self, price: Price) -> SafeString | str:
        return columns.at_stripe(price.account, "prices", price.stripe_id)
