"""API keys, to read: they are made by their owners, and revoked on the person's page."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.models import Group
from django.utils.safestring import SafeString
from unfold.decorators import display

from accounts.many_rows import ManyRows
from accounts.models import ApiKey
from accounts.read_only import ReadOnlyAdmin, person, reference

admin.site.unregister(Group)  # roles are given on the person's page, and set in the code
for model in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    if admin.site.is_registered(model):
        admin.site.unregister(model)  # editing what opens an account would leave no audit record


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    list_display = ["visible_part", "name", "owner", "state", "created_at", "last_used_at", "last_used_ip"]
    many_rows = ManyRows("created_at")
    list_filter = [("revoked_at", admin.EmptyFieldListFilter), "created_at"]
    list_select_related = ["user"]
    search_fields = ["=prefix", "=user__email"]
    search_help_text = "A key's visible prefix (rv_ and 8 characters), or its owner's whole email address."
    fields = [
        "prefix",
        "name",
        "owner",
        "state",
        "is_test",
        "rate_limit",
        "daily_credit_cap",
        "monthly_credit_cap",
        "lifetime_credit_cap",
        "scopes",
        "image_models",
        "allowed_ips",
        "created_at",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "last_used_ip",
        "reported_at",
        "reported_where",
    ]
    readonly_fields = ["owner", "state"]

    @display(description="Prefix", ordering="prefix")
    def visible_part(self, key: ApiKey) -> SafeString:
        return reference(key.prefix)

    @display(description="Owner")
    def owner(self, key: ApiKey) -> SafeString:
        return person(key.user)

    @display(description="State", label={"Live": "success", "Revoked": "danger", "Expired": "warning"})
    def state(self, key: ApiKey) -> str:
        if key.revoked_at:
            return "Revoked"
        return "Expired" if key.is_expired else "Live"
