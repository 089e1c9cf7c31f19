"""Every address of the site: each app names its own."""

from django.contrib import admin
from django.urls import include, path

from reveweb import health
from reveweb.openapi import api

urlpatterns = [
    path("", include("reveweb.pages.urls")),
    path("", include("reveweb.docs.urls")),
    path("", include("reveweb.personal.urls")),
    path("", include("generator.urls")),
    path("", include("billing.urls")),
    path("", include("accounts.urls")),
    path("accounts/", include("allauth.urls")),
    path("v1/", api.urls),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
]

handler400 = "reveweb.pages.errors.bad_request"
handler403 = "reveweb.pages.errors.forbidden"
handler404 = "reveweb.pages.errors.not_found"
handler500 = "reveweb.pages.errors.server_error"
