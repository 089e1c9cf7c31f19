"""The addresses of pages that compose several apps."""

from django.urls import path

from reveweb.leaks.page import report_key
from reveweb.pages import api_keys, brand, crawlers, dashboard, explore, home, inbox, pricing, requests

urlpatterns = [
    path("", home.home, name="home"),
    path("start/", home.start, name="start"),
    path("pricing/", pricing.pricing, name="pricing"),
    path("explore/", explore.explore, name="explore"),
    path("dashboard/", dashboard.overview, name="dashboard"),
    path("dashboard/usage.csv", dashboard.usage_csv, name="usage_csv"),
    path("dashboard/first-steps/", dashboard.put_steps_away, name="put_steps_away"),
    path("dashboard/api-keys/", api_keys.api_keys, name="api_keys"),
    path("dashboard/api-keys/<int:pk>/", api_keys.edit_api_key, name="edit_api_key"),
    path("dashboard/api-keys/<int:pk>/rotate/", api_keys.rotate_api_key, name="rotate_api_key"),
    path("dashboard/api-keys/<int:pk>/revoke/", api_keys.revoke_api_key, name="revoke_api_key"),
    path("dashboard/requests/", requests.requests, name="requests"),
    path("dashboard/requests/<str:request_id>/", requests.request, name="request"),
    path("dashboard/requests/<str:request_id>/again/", requests.run_again, name="request_again"),
    path("report-key/", report_key, name="report_key"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/<str:id>/", inbox.mail, name="inbox_mail"),
    path("inbox/<str:id>/html/", inbox.mail_html, name="inbox_mail_html"),
    path("brand.css", brand.stylesheet, name="brand_css"),
    path("icon.svg", brand.icon_svg, name="icon_svg"),
    path("icon-<int:size>.png", brand.icon_png, name="icon_png"),
    path("manifest.webmanifest", brand.manifest, name="manifest"),
    path("robots.txt", crawlers.robots, name="robots"),
    path("sitemap.xml", crawlers.sitemap, name="sitemap"),
]
