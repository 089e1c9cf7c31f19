"""API keys in the admin: as `accounts` lists them, with what staff may do to those that a filter finds."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import action

from accounts.admin import ApiKeyAdmin
from accounts.models import ApiKey
from accounts.viewer import user_of
from billing.admin import bulk
from billing.staff import acts

admin.site.unregister(ApiKey)  # `accounts` knows no acts of staff


@admin.register(ApiKey)
class KeyAdmin(ApiKeyAdmin):
    actions: Any = ["revoke_selected"]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return acts.may(user_of(request), "revoke_key")

    @action(description="Revoke …", permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        """Take down which keys were found, to be revoked once that is confirmed."""
        return bulk.begin(request, self, "revoke_keys", queryset)
