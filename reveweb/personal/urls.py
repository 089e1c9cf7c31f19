"""The addresses under `/account/`, and those of allauth's pages that are ours or have a page there."""

from django.urls import URLPattern, path, re_path
from django.views.generic import RedirectView

from reveweb.login.pressed import reconsider
from reveweb.login.viewer import here
from reveweb.login.views import ConfirmEmailView, EmailView
from reveweb.personal.pages import data, profile, security, sessions

urlpatterns: list[URLPattern] = [
    path("account/", profile.profile, name="account"),
    path("account/here/", here, name="here"),
    path("account/pressed/", reconsider, name="reconsider"),
    path("account/theme/", profile.theme, name="account_theme"),
    path("account/security/", security.security, name="account_security"),
    path("account/sessions/", sessions.listing, name="account_sessions"),
    path("account/sessions/<int:pk>/end/", sessions.end, name="account_end_session"),
    path("account/sessions/end-others/", sessions.end_others, name="account_end_others"),
    path("account/data/", data.data, name="account_data"),
    path("account/data/export/", data.start_export, name="account_export"),
    path("account/data/export/state/", data.export_state, name="account_export_state"),
    path("account/data/export/<str:token>/", data.download, name="account_export_download"),
    path("account/delete/", data.delete, name="account_delete"),
    path("account/deleted/<str:token>/", data.deleted, name="account_deleted"),
    path("account/deleted/<str:token>/state/", data.deletion_state, name="account_deletion_state"),
    # In place of allauth's own, under its names.
    path("accounts/email/", EmailView.as_view(), name="account_email"),
    re_path(r"^accounts/confirm-email/(?P<key>[-:\w]+)/$", ConfirmEmailView.as_view(), name="account_confirm_email"),
    # allauth's own lists of the same: one page for each thing is enough.
    path("accounts/2fa/", RedirectView.as_view(pattern_name="account_security"), name="mfa_index"),
    path("accounts/2fa/webauthn/", RedirectView.as_view(pattern_name="account_security"), name="mfa_list_webauthn"),
    path("accounts/sessions/", RedirectView.as_view(pattern_name="account_sessions"), name="usersessions_list"),
]
