"""Payments and what belongs to them, as Stripe told us; changed at Stripe only."""

from typing import Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.many_rows import ManyRows, MoreThan, RecentValues, counted
from accounts.read_only import ReadOnlyAdmin, change_url, line, link
from billing import identity
from billing.admin.columns import account_name, at_stripe, person, short, terms_of
from billing.catalogue import money
from billing.models import Dispute, Order, Payment, StaffRefund, StripeAccount, StripeCustomer, Subscription
from kit.moments import moment


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


class Back(admin.SimpleListFilter):
    """Payments by whether money of theirs went back."""

    title = "refund"
    parameter_name = "refund"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("any", "Any"), ("whole", "The whole payment")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payment]) -> QuerySet[Payment] | None:
        match self.value():
            case "any":
                return queryset.filter(refunded__gt=0)
            case "whole":
                return queryset.filter(refunded__gt=0, refunded__gte=F("amount"))
        return None


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    empty_words = "What people pay is listed here as soon as Stripe tells of it."
    list_display = ["created_at", "whose", "description", "paid", "sold", "refund", "dispute", "short_reference"]
    many_rows = ManyRows("created_at", indexed=("dispute",), sorted_by=("short_reference",))
    ordering = ["-created_at", "-id"]
    linked_lookups = frozenset({"wallet__id__exact"})
    list_filter = [DisputeState, Back, ("currency", RecentValues), "account", "created_at"]
    list_select_related = ["wallet__user", "account"]
    search_fields = ["=reference", "=payment_intent", "=wallet__user__email"]
    search_help_text = "A payment intent (pi_…), a reference (checkout:cs_…, invoice:in_…), or a whole email address."
    fields = [
        "whose",
        "description",
        "paid",
        "sold",
        "quantity",
        "sold_at",
        "grant",
        "subscription",
        "refund",
        "by_staff",
        "dispute",
        "at_stripe",
        "account",
        "reference",
        "created_at",
    ]
    readonly_fields = ["whose", "paid", "sold", "sold_at", "refund", "by_staff", "dispute", "at_stripe"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payment]:
        payments: QuerySet[Payment] = super().get_queryset(request).prefetch_related("disputes")
        return payments

    def other_key(self, object_id: str) -> str:
        return "reference" if ":" in object_id else ""

    @display(description="Person")
    def whose(self, payment: Payment) -> SafeString | str:
        return person(payment.wallet)

    @display(description="Reference", ordering="reference")
    def short_reference(self, payment: Payment) -> SafeString | str:
        return short(payment.reference)

    @display(description="Paid", ordering="amount")
    def paid(self, payment: Payment) -> str:
        return money.full(payment.amount, payment.currency)

    @display(description="Credits sold", ordering="credits")
    def sold(self, payment: Payment) -> str:
        return "Not known" if payment.credits is None else f"{payment.credits:,}"

    @display(description="Sold at")
    def sold_at(self, payment: Payment) -> SafeString | str:
        return link(change_url(payment.price), terms_of(payment.price)) if payment.price else "Not known"

    @display(description="Refunded", ordering="refunded")
    def refund(self, payment: Payment) -> str:
        return money.full(payment.refunded, payment.currency) if payment.refunded else "–"

    @display(description="Refunds by staff")
    def by_staff(self, payment: Payment) -> SafeString | str:
        refunds = payment.staff_refunds.all()
        words = (
            (link(change_url(each), money.full(each.amount, payment.currency)), each.get_status_display())
            for each in refunds
        )
        return format_html_join("", "<div>{}: {}</div>", words) or "–"

    @display(description="Dispute")
    def dispute(self, payment: Payment) -> SafeString | str:
        parts = ((link(change_url(each), each.status.replace("_", " ")),) for each in payment.disputes.all())
        return format_html_join(", ", "{}", parts) or "–"

    @display(description="At Stripe")
    def at_stripe(self, payment: Payment) -> SafeString | str:
        return at_stripe(payment.account, "payments", payment.payment_intent)


class RefundState(admin.SimpleListFilter):
    """Refunds by what Stripe said of them."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(StaffRefund.Status.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[StaffRefund]) -> QuerySet[StaffRefund] | None:
        return queryset.filter(status=self.value()) if self.value() else None


@admin.register(StaffRefund)
class StaffRefundAdmin(ReadOnlyAdmin):
    empty_title = "No refunds yet"
    empty_words = "Staff refund a payment on the page of the person who made it."
    """What staff paid back, or wanted to. A refund that was made in Stripe's dashboard is at its payment only."""

    list_display = ["created_at", "whose", "payment_link", "sum", "state", "why", "who"]
    list_filter = [RefundState, "created_at"]
    list_select_related = ["payment__wallet__user", "payment__account", "actor"]
    search_fields = ["=stripe_id", "=payment__reference", "=payment__payment_intent", "=payment__wallet__user__email"]
    search_help_text = "A refund (re_…), a payment intent (pi_…) or reference, or a whole email address."
    fields = [
        "whose",
        "payment_link",
        "sum",
        "state",
        "last_error",
        "reason",
        "who",
        "at_stripe",
        "attempts",
        "created_at",
        "ended_at",
    ]
    readonly_fields = ["whose", "payment_link", "sum", "state", "who", "at_stripe"]

    @display(description="Person")
    def whose(self, refund: StaffRefund) -> SafeString | str:
        return person(refund.payment.wallet)

    @display(description="Payment")
    def payment_link(self, refund: StaffRefund) -> SafeString:
        return link(change_url(refund.payment), refund.payment.description)

    @display(description="Amount", ordering="amount")
    def sum(self, refund: StaffRefund) -> str:
        return money.full(refund.amount, refund.payment.currency)

    @display(
        description="State",
        label={"asked": "warning", "made": "success", "way": "info", "refused": "danger", "failed": "danger"},
    )
    def state(self, refund: StaffRefund) -> tuple[str, str]:
        return ("way", "On its way") if refund.is_on_its_way else (refund.status, refund.get_status_display())

    @display(description="Why")
    def why(self, refund: StaffRefund) -> str:
        return refund.last_error or refund.reason

    @display(description="Who")
    def who(self, refund: StaffRefund) -> SafeString | str:
        return line(refund.actor.email) if refund.actor else "The operator's shell"

    @display(description="At Stripe")
    def at_stripe(self, refund: StaffRefund) -> SafeString | str:
        return at_stripe(refund.payment.account, "refunds", refund.stripe_id)


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    empty_title = "No disputes"
    empty_words = "A payment that a bank questions is listed here, with the day by which Stripe wants an answer."
    list_display = ["created_at", "whose", "state", "why", "disputed", "payment_link", "closed_at"]
    list_filter = [("closed_at", admin.EmptyFieldListFilter), ("status", RecentValues), "created_at"]
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

    @display(description="Reason", ordering="reason")
    def why(self, dispute: Dispute) -> str:
        return dispute.reason.replace("_", " ") or "–"

    @display(description="Payment")
    def payment_link(self, dispute: Dispute) -> SafeString:
        return link(change_url(dispute.payment), dispute.payment.description)

    @display(description="Amount", ordering="amount")
    def disputed(self, dispute: Dispute) -> str:
        return money.full(dispute.amount, dispute.payment.currency)


class Life(admin.SimpleListFilter):
    """Subscriptions by whether they hold their wallet's place."""

    title = "life"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("live", "Not ended"), ("ended", "Ended")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Subscription]) -> QuerySet[Subscription] | None:
        match self.value():
            case "live":
                return queryset.filter(status__in=Subscription.LIVE)
            case "ended":
                return queryset.exclude(status__in=Subscription.LIVE)
        return None


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "whose", "plan", "pays", "gets", "state", "period_end", "ends"]
    many_rows = ManyRows("created_at")
    ordering = ["-created_at", "-id"]
    list_filter = [Life, ("status", RecentValues), "plan", "account"]
    list_select_related = ["wallet__user", "plan", "price"]
    search_fields = ["=stripe_id", "=wallet__user__email", "=wallet__customers__stripe_id"]
    search_help_text = "A subscription (sub_…), a customer (cus_…), or a whole email address."
    fields = [
        "whose",
        "plan",
        "pays",
        "quantity",
        "gets",
        "status",
        "period_start",
        "period_end",
        "cancel_at",
        "at_stripe",
        "account",
        "created_at",
        "ended_at",
    ]
    readonly_fields = ["whose", "pays", "gets", "at_stripe"]

    @display(description="Person")
    def whose(self, subscription: Subscription) -> SafeString | str:
        return person(subscription.wallet)

    @display(description="Pays")
    def pays(self, subscription: Subscription) -> SafeString | str:
        """What each period costs, at the price that was subscribed to."""
        if (price := subscription.price) is None:
            return short(subscription.stripe_price_id) if subscription.stripe_price_id else "Not known"
        times = f"{subscription.quantity} × " if subscription.quantity != 1 else ""
        return format_html("{}{}", times, link(change_url(price), terms_of(price)))

    @display(description="Credits")
    def gets(self, subscription: Subscription) -> str:
        """What each period brings, as it was sold."""
        return f"{subscription.price.credits * subscription.quantity:,}" if subscription.price else "Not known"

    @display(
        description="Status",
        label={"active": "success", "trialing": "success", "past_due": "danger", "unpaid": "danger"},
    )
    def state(self, subscription: Subscription) -> tuple[str, str]:
        return subscription.status, subscription.status.replace("_", " ")

    @display(description="Ends")
    def ends(self, subscription: Subscription) -> SafeString | str:
        """When it ended, or will since it was cancelled."""
        return moment(subscription.ended_at or subscription.cancel_at) or "–"

    @display(description="At Stripe")
    def at_stripe(self, subscription: Subscription) -> SafeString | str:
        return at_stripe(subscription.account, "subscriptions", subscription.stripe_id)


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "whose", "what", "terms", "status", "session"]
    many_rows = ManyRows("created_at", sorted_by=("session",))
    ordering = ["-created_at", "-id"]
    list_filter = ["status", "account", "created_at"]
    list_select_related = ["wallet__user", "plan", "pack", "price"]
    search_fields = ["=stripe_session_id", "=wallet__user__email"]
    search_help_text = "A checkout (cs_…), or a whole email address."
    fields = ["whose", "plan", "pack", "terms", "credits", "status", "at_stripe", "account", "created_at"]
    readonly_fields = ["whose", "terms", "credits", "at_stripe"]

    @display(description="Person")
    def whose(self, order: Order) -> SafeString | str:
        return person(order.wallet)

    @display(description="Checkout", ordering="stripe_session_id")
    def session(self, order: Order) -> SafeString | str:
        return short(order.stripe_session_id)

    @display(description="Plan or pack")
    def what(self, order: Order) -> str:
        return str(order.plan or order.pack)

    @display(description="Price")
    def terms(self, order: Order) -> SafeString | str:
        return link(change_url(order.price), terms_of(order.price)) if order.price else "Not known"

    @display(description="Credits")
    def credits(self, order: Order) -> str:
        return f"{order.price.credits:,}" if order.price else "Not known"

    @display(description="At Stripe")
    def at_stripe(self, order: Order) -> SafeString | str:
        return at_stripe(order.account, "checkout/sessions", order.stripe_session_id)


class Gone(admin.SimpleListFilter):
    """Customers by whether Stripe still has them."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("here", "At Stripe"), ("gone", "Gone")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[StripeCustomer]) -> QuerySet[StripeCustomer] | None:
        return queryset.filter(gone_at__isnull=self.value() == "here") if self.value() else None


@admin.register(StripeCustomer)
class StripeCustomerAdmin(ReadOnlyAdmin):
    """Who people are at Stripe: only customers that this site made."""

    list_display = ["created_at", "whose", "known_as", "short_id", "where", "gone_at"]
    many_rows = ManyRows("created_at", sorted_by=("short_id",))
    ordering = ["-created_at", "-id"]
    list_filter = [Gone, "account", "created_at"]
    list_select_related = ["wallet__user", "account"]
    search_fields = ["=stripe_id", "=wallet__user__email", "=email"]
    search_help_text = "A customer (cus_…), or a whole email address."
    fields = ["whose", "email", "name", "at_stripe", "account", "created_at", "gone_at"]
    readonly_fields = ["whose", "at_stripe"]

    @display(description="Person")
    def whose(self, customer: StripeCustomer) -> SafeString | str:
        return person(customer.wallet)

    @display(description="Customer", ordering="stripe_id")
    def short_id(self, customer: StripeCustomer) -> SafeString | str:
        return short(customer.stripe_id)

    @display(description="Known there as", ordering="email")
    def known_as(self, customer: StripeCustomer) -> SafeString | str:
        if customer.email == customer.wallet.user.email:
            return "The same"
        return line(customer.email) if customer.email else "–"

    @display(description="Account", ordering="account")
    def where(self, customer: StripeCustomer) -> SafeString | str:
        return account_name(customer.account)

    @display(description="At Stripe")
    def at_stripe(self, customer: StripeCustomer) -> SafeString | str:
        return at_stripe(customer.account, "customers", customer.stripe_id)


@admin.register(StripeAccount)
class StripeAccountAdmin(ReadOnlyAdmin):
    """The accounts at Stripe that this site sold through: the key in use opens one of them.

    No column is called as what leads there: Django would sort by it, and join all payments.
    """

    list_display = ["name", "mode", "state", "customers_kept", "payments_kept", "created_at"]
    list_display_links = ["name"]
    fields = ["name", "mode", "state", "customers_kept", "payments_kept", "prices_kept", "created_at"]
    readonly_fields = ["name", "mode", "state", "customers_kept", "payments_kept", "prices_kept"]
    ordering = ["-id"]

    @display(description="Account", ordering="stripe_id")
    def name(self, account: StripeAccount) -> str:
        return account.stripe_id or "From before accounts were noted"

    @display(description="Mode", label={"Live": "success", "Test": "warning"}, ordering="livemode")
    def mode(self, account: StripeAccount) -> str:
        return "Live" if account.livemode else "Test"

    @display(description="State", label={"In use": "success", "Earlier": ""})
    def state(self, account: StripeAccount) -> str:
        return "In use" if account == identity.known() else "Earlier"

    @display(description="Customers")
    def customers_kept(self, account: StripeAccount) -> SafeString:
        return _count(account.customers.all(), account, "stripecustomer")

    @display(description="Payments")
    def payments_kept(self, account: StripeAccount) -> SafeString:
        return _count(account.payments.all(), account, "payment")

    @display(description="Prices")
    def prices_kept(self, account: StripeAccount) -> SafeString:
        return _count(account.prices.all(), account, "price")


def _count(rows: QuerySet[Any], account: StripeAccount, model: str) -> SafeString:
    count = counted(rows)
    return link(
        f"{reverse(f'admin:billing_{model}_changelist')}?account__id__exact={account.pk}",
        str(count) if isinstance(count, MoreThan) else f"{count:,}",
    )
