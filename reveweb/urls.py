"""Every address of the site: each app names its own."""

from django.contrib import admin
from django.urls import include, path

from reveweb import health
from reveweb.api import older
from reveweb.doctor import echo
from reveweb.mcp import door as mcp
from reveweb.observe import door as metrics
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
    path("api/", older.urls),
    path("mcp", mcp.otherwise, name="mcp"),
    path("mcp/", mcp.otherwise),
    path("doctor/echo", echo.echo, name="doctor_echo"),
    path("events/doctor/", echo.stream, name="doctor_stream"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.view, name="metrics"),
    path("admin/", admin.site.urls),
]

handler400 = "reveweb.pages.errors.bad_request"
handler403 = "reveweb.pages.errors.forbidden"
handler404 = "reveweb.pages.errors.not_found"
handler500 = "reveweb.pages.errors.server_error"
