"""Every address of the site."""

import billing.views
import billing.webhooks
from django.contrib import admin
from django.urls import include, path

import accounts.unsubscribe
from generator.pages import actions, api_call, files, gallery, image, shared, studio
from reveweb import health
from reveweb.api import api
from reveweb.docs import views as docs
from reveweb.pages import api_keys, brand, crawlers, dashboard, errors, explore, inbox

urlpatterns = [
    path("", errors.home, name="home"),
    path("start/", errors.start, name="start"),
    path("pricing/", errors.pricing, name="pricing"),
    path("brand.css", brand.stylesheet, name="brand_css"),
    path("icon.svg", brand.icon_svg, name="icon_svg"),
    path("icon-<int:size>.png", brand.icon_png, name="icon_png"),
    path("manifest.webmanifest", brand.manifest, name="manifest"),
    path("robots.txt", crawlers.robots, name="robots"),
    path("sitemap.xml", crawlers.sitemap, name="sitemap"),
    path("explore/", explore.explore, name="explore"),
    path("docs/", docs.page, name="docs"),
    path("docs/search/", docs.results, name="docs_search"),
    path("docs/<slug:slug>.md", docs.markdown, name="docs_markdown"),
    path("docs/<slug:slug>/", docs.page, name="docs_page"),
    path("llms.txt", docs.llms, name="llms"),
    path("llms-full.txt", docs.llms_full, name="llms_full"),
    path("dashboard/", dashboard.overview, name="dashboard"),
    path("dashboard/usage.csv", dashboard.usage_csv, name="usage_csv"),
    path("dashboard/first-steps/", dashboard.put_steps_away, name="put_steps_away"),
    path("", include("reveweb.personal.urls")),
    path("create/", studio.create, name="create"),
    path("create/generate/", studio.generate, name="studio_generate"),
    path("create/wall/", studio.wall, name="studio_wall"),
    path("create/api-call/", api_call.api_call, name="api_call"),
    path("gallery/", gallery.gallery, name="gallery"),
    path("gallery/delete/", actions.delete, name="image_delete"),
    path("gallery/favourites/", actions.favourite_many, name="images_favourite"),
    path("gallery/restore/", actions.restore, name="image_restore"),
    path("gallery/zip/", gallery.gallery_zip, name="gallery_zip"),
    path("gallery/<str:public_id>/", image.image, name="generation"),
    path("gallery/<str:public_id>/download/", image.download, name="image_download"),
    path("gallery/<str:public_id>/favourite/", actions.favourite, name="image_favourite"),
    path("gallery/<str:public_id>/share/", actions.share, name="image_share"),
    path("s/<str:token>/", shared.shared_image, name="shared_image"),
    path("s/<str:token>/download/", shared.download, name="shared_download"),
    path("shared/<str:token>/<str:name>", shared.picture, name="shared_picture"),
    path("shared/<str:token>/explore/<str:name>", shared.explore_picture, name="explore_picture"),
    path("events/", files.events, name="events"),
    path("images/<str:file_name>", files.image, name="image"),
    path("dashboard/api-keys/", api_keys.api_keys, name="api_keys"),
    path("dashboard/api-keys/<int:pk>/", api_keys.edit_api_key, name="edit_api_key"),
    path("dashboard/api-keys/<int:pk>/rotate/", api_keys.rotate_api_key, name="rotate_api_key"),
    path("dashboard/api-keys/<int:pk>/revoke/", api_keys.revoke_api_key, name="revoke_api_key"),
    path("dashboard/billing/", billing.views.overview, name="billing"),
    path("dashboard/billing/state/", billing.views.state, name="billing_state"),
    path("dashboard/billing/history/", billing.views.history, name="billing_history"),
    path("dashboard/billing/history.csv", billing.views.history_csv, name="billing_history_csv"),
    path("dashboard/billing/checkout/", billing.views.start_checkout, name="billing_checkout"),
    path("dashboard/billing/portal/", billing.views.open_portal, name="billing_portal"),
    path("dashboard/billing/change-plan/", billing.views.change_plan, name="billing_change_plan"),
    path("dashboard/billing/success/", billing.views.success, name="billing_success"),
    path("dashboard/billing/success/state/", billing.views.success_state, name="billing_success_state"),
    path("mail/stop/<str:token>/", accounts.unsubscribe.unsubscribe, name="unsubscribe"),
    path("inbox/", inbox.inbox, name="inbox"),
    path("inbox/<str:id>/", inbox.letter, name="inbox_letter"),
    path("inbox/<str:id>/html/", inbox.letter_html, name="inbox_letter_html"),
    path("stripe/webhook/", billing.webhooks.receive, name="stripe_webhook"),
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
