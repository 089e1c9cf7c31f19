"""The addresses of Dashboard → Billing, and of Stripe's events."""

from django.urls import path

from billing.pages import card, change_plan, checkout, documents, overview, redeem, renewal, statements, webhook

urlpatterns = [
    path("dashboard/billing/", overview.overview, name="billing"),
    path("dashboard/billing/state/", overview.state, name="billing_state"),
    path("dashboard/billing/history/", overview.history, name="billing_history"),
    path("dashboard/billing/history.csv", overview.history_csv, name="billing_history_csv"),
    path("dashboard/billing/checkout/", checkout.start_checkout, name="billing_checkout"),
    path("dashboard/billing/portal/", checkout.open_portal, name="billing_portal"),
    path("dashboard/billing/change-plan/", change_plan.change_plan, name="billing_change_plan"),
    path("dashboard/billing/cancel/", renewal.cancel, name="billing_cancel"),
    path("dashboard/billing/resume/", renewal.resume, name="billing_resume"),
    path("dashboard/billing/card/", card.card, name="billing_card"),
    path("dashboard/billing/payments/<int:number>/", documents.document, name="billing_document"),
    path("dashboard/billing/statements/<int:year>-<int:month>.pdf", statements.statement, name="billing_statement"),
    path("dashboard/billing/success/", checkout.success, name="billing_success"),
    path("dashboard/billing/success/state/", checkout.success_state, name="billing_success_state"),
    path("redeem/", redeem.redeem, name="redeem"),
    path("stripe/webhook/", webhook.receive, name="stripe_webhook"),
]
