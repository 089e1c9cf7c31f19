"""Payments and what belongs to them, as Stripe told us; changed at Stripe only."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.read_only import ReadOnlyAdmin, change_url, link
from billing.admin.columns import person
from billing.catalogue import money
from billing.models import Dispute, Order, Payment, Subscription


class DisputeState(admin.SimpleListFilter):
    """Payments by whether their payer's bank questions them."""

    title = "dispute"
    parameter_name = "dispute"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("any", "Any")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment] | None:
        disputed = Dispute.objects.all()
        if self.value() == "open":
            disputed = disputed.filter(closed_at=None)
        return queryset.filter(pk__in=disputed.values("payment")) if self.value() else None


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "whose", "description", "paid", "refund", "dispute", "reference"]
    list_filter = [DisputeState, "currency", "created_at"]
    list_select_related = ["wallet__user"]
    search_fields = ["=reference", "=payment_intent", "=wallet__user__email"]
    search_help_text = "A payment intent (pi_…), a reference (checkout:cs_…, invoice:in_…), or a whole email address."
    fields = ["whose", "description", "paid", "refund", "dispute", "reference", "payment_intent", "grant", "created_at"]
    readonly_fields = ["whose", "paid", "refund", "dispute"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        payments: QuerySet[Payment] = super().get_queryset(request).prefetch_related("disputes")
        return payments

    def other_key(self, object_id: str) -> str:
        return "reference" if ":" in object_id else ""

    @display(description="Person")
    def whose(self, payment: Payment) -> SafeString | str:
        return person(payment.wallet)

    @display(description="Paid", ordering="amount")
    def paid(self, payment: Payment) -> str:
        return money.full(payment.amount, payment.currency)

    @display(description="Refunded", ordering="refunded")
    def refund(self, payment: Payment) -> str:
        return money.full(payment.refunded, payment.currency) if payment.refunded else "–"

    @display(description="Dispute")
    def dispute(self, payment: Payment) -> SafeString | str:
        disputes = ((link(change_url(row), row.status),) for row in payment.disputes.all())
        return format_html_join(", ", "{}", disputes) or "–"


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "whose", "state", "reason", "disputed", "payment", "closed_at"]
    list_filter = [("closed_at", admin.EmptyFieldListFilter), "status", "created_at"]
    list_select_related = ["payment__wallet__user"]
    search_fields = ["=stripe_id", "=payment__payment_intent", "=payment__wallet__user__email"]
    fields = ["whose", "status", "reason", "disputed", "payment", "stripe_id", "created_at", "closed_at"]
    readonly_fields = ["whose", "disputed"]

    def other_key(self, object_id: str) -> str:
        return "" if object_id.isdigit() else "stripe_id"

    @display(description="Person")
    def whose(self, dispute: Dispute) -> SafeString | str:
        return person(dispute.payment.wallet)

    @display(description="Status", label={"open": "danger", "won": "success", "lost": "warning"})
    def state(self, dispute: Dispute) -> tuple[str, str]:
        words = dispute.status.replace("_", " ")
        return ("open" if dispute.closed_at is None else dispute.status), words

    @display(description="Amount", ordering="amount")
    def disputed(self, dispute: Dispute) -> str:
        return money.full(dispute.amount, dispute.payment.currency)


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "whose", "plan", "state", "period_end", "cancel_at", "ended_at"]
    list_filter = ["status", "plan"]
    list_select_related = ["wallet__user", "plan"]
    search_fields = ["=stripe_id", "=wallet__user__email", "=wallet__customers__stripe_id"]
    fields = [
        "whose",
        "plan",
        "status",
        "stripe_id",
        "price",
        "period_start",
        "period_end",
        "cancel_at",
        "created_at",
        "ended_at",
    ]
    readonly_fields = ["whose"]

    @display(description="Person")
    def whose(self, subscription: Subscription) -> SafeString | str:
        return person(subscription.wallet)

    @display(
        description="Status",
        label={"active": "success", "trialing": "success", "past_due": "danger", "unpaid": "danger"},
    )
    def state(self, subscription: Subscription) -> tuple[str, str]:
        return subscription.status, subscription.status.replace("_", " ")


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "whose", "what", "status", "stripe_session_id"]
    list_filter = ["status", "created_at"]
    list_select_related = ["wallet__user", "plan", "pack"]
    search_fields = ["=stripe_session_id", "=wallet__user__email"]
    fields = ["whose", "plan", "pack", "status", "stripe_session_id", "created_at"]
    readonly_fields = ["whose"]

    @display(description="Person")
    def whose(self, order: Order) -> SafeString | str:
        return person(order.wallet)

    @display(description="Plan or pack")
    def what(self, order: Order) -> str:
        return str(order.plan or order.pack)
