"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

import accounts.views
import billing.views
import billing.webhooks
import generator.views
from reveweb import health, views
from reveweb.api import api

urlpatterns = [
    path("", views.home, name="home"),
    path("pricing/", views.pricing, name="pricing"),
    path("create/", generator.views.create, name="create"),
    path("create/generate/", generator.views.generate, name="studio_generate"),
    path("create/generations/<str:public_id>/", generator.views.generation_card, name="generation_card"),
    path("gallery/", generator.views.gallery, name="gallery"),
    path("gallery/<str:public_id>/", generator.views.generation, name="generation"),
    path("events/", generator.views.events, name="events"),
    path("images/<str:file_name>", generator.views.image, name="image"),
    path("dashboard/api-keys/", accounts.views.api_keys, name="api_keys"),
    path("dashboard/api-keys/<int:pk>/revoke/", accounts.views.revoke_api_key, name="revoke_api_key"),
    path("dashboard/billing/", billing.views.overview, name="billing"),
    path("dashboard/billing/state/", billing.views.state, name="billing_state"),
    path("dashboard/billing/history/", billing.views.history, name="billing_history"),
    path("dashboard/billing/history.csv", billing.views.history_csv, name="billing_history_csv"),
    path("dashboard/billing/checkout/", billing.views.start_checkout, name="billing_checkout"),
    path("dashboard/billing/portal/", billing.views.open_portal, name="billing_portal"),
    path("dashboard/billing/change-plan/", billing.views.change_plan, name="billing_change_plan"),
    path("dashboard/billing/success/", billing.views.success, name="billing_success"),
    path("dashboard/billing/success/state/", billing.views.success_state, name="billing_success_state"),
    path("stripe/webhook/", billing.webhooks.receive, name="stripe_webhook"),
    path("accounts/", include("allauth.urls")),
    path("v1/", api.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
]

handler400 = "reveweb.views.bad_request"
handler403 = "reveweb.views.forbidden"
handler404 = "reveweb.views.not_found"
handler500 = "reveweb.views.server_error"
