"""The addresses of Dashboard → Billing, and of Stripe's events."""

from django.urls import path

from billing.pages import change_plan, checkout, overview, webhook

urlpatterns = [
    path("dashboard/billing/", overview.overview, name="billing"),
    path("dashboard/billing/state/", overview.state, name="billing_state"),
    path("dashboard/billing/history/", overview.history, name="billing_history"),
    path("dashboard/billing/history.csv", overview.history_csv, name="billing_history_csv"),
    path("dashboard/billing/checkout/", checkout.start_checkout, name="billing_checkout"),
    path("dashboard/billing/portal/", checkout.open_portal, name="billing_portal"),
    path("dashboard/billing/change-plan/", change_plan.change_plan, name="billing_change_plan"),
    path("dashboard/billing/success/", checkout.success, name="billing_success"),
    path("dashboard/billing/success/state/", checkout.success_state, name="billing_success_state"),
    path("stripe/webhook/", webhook.receive, name="stripe_webhook"),
]
