"""Every address of the site."""

from django.contrib import admin
from django.urls import include, path

import accounts.views
import generator.views
from reveweb import health, views
from reveweb.api import api

urlpatterns = [
    path("", views.home, name="home"),
    path("create/", generator.views.create, name="create"),
    path("create/generate/", generator.views.generate, name="studio_generate"),
    path("create/generations/<str:public_id>/", generator.views.generation_card, name="generation_card"),
    path("gallery/", generator.views.gallery, name="gallery"),
    path("events/", generator.views.events, name="events"),
    path("images/<str:file_name>", generator.views.image, name="image"),
    path("dashboard/api-keys/", accounts.views.api_keys, name="api_keys"),
    path("dashboard/api-keys/<int:pk>/revoke/", accounts.views.revoke_api_key, name="revoke_api_key"),
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
