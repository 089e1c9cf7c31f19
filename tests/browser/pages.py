"""Every page a person can meet and who looks at it: for the accessibility test, the screenshots and Lighthouse."""

from dataclasses import dataclass

from tests import ROOT


@dataclass(frozen=True)
class View:
    """A page as one of the people of `furnish` sees it; nobody in particular when `who` is empty.

    `path` may hold `{image}`, `{failed}`, `{share}`, `{endpoint}` and `{endpoint_off}`: addresses of that person's, and
    `{person}` and `{payment}`: a customer in the admin. `status` is what it answers.
    """

    name: str
    path: str
    who: str = ""
    status: int = 200


PUBLIC = [
    View("landing", "/"),
    View("pricing", "/pricing/"),
    View("explore", "/explore/"),
    View("shared-image", "/s/{share}/"),
    View("report", "/s/{share}/report/"),
    View("login", "/accounts/login/"),
    View("signup", "/accounts/signup/"),
    View("password-reset", "/accounts/password/reset/"),
    View("password-reset-sent", "/accounts/password/reset/done/"),
    View("verification-sent", "/accounts/confirm-email/"),
    View("confirmation-outdated", "/accounts/confirm-email/none/"),
    View("account-inactive", "/accounts/inactive/"),
    View("not-found", "/nowhere/", status=404),
    View("inbox", "/inbox/"),
    View("report-key", "/report-key/"),
]
DOCS = [
    View(f"docs-{page.stem}", "/docs/" if page.stem == "introduction" else f"/docs/{page.stem}/")
    for page in sorted((ROOT / "reveweb" / "docs" / "pages").glob("*.md"))
]
DOCS.append(View("docs-search", "/docs/search/?q=credit"))
PRIVATE = [
    View("studio", "/create/", "ada"),
    View("studio-empty", "/create/", "new"),
    View("gallery", "/gallery/", "ada"),
    View("gallery-empty", "/gallery/", "new"),
    View("gallery-no-match", "/gallery/?q=zeppelin", "ada"),
    View("gallery-many", "/gallery/", "many"),
    View("image", "/gallery/{image}/", "ada"),
    View("image-failed", "/gallery/{failed}/", "ada"),
    View("dashboard", "/dashboard/", "ada"),
    View("dashboard-empty", "/dashboard/", "new"),
    View("api-keys", "/dashboard/api-keys/", "ada"),
    View("api-keys-empty", "/dashboard/api-keys/", "new"),
    View("requests", "/dashboard/requests/", "ada"),
    View("requests-empty", "/dashboard/requests/", "new"),
    View("requests-no-match", "/dashboard/requests/?q=req_none", "ada"),
    View("webhooks", "/dashboard/webhooks/", "ada"),
    View("webhooks-empty", "/dashboard/webhooks/", "new"),
    View("webhook", "/dashboard/webhooks/{endpoint}/", "ada"),
    View("webhook-off", "/dashboard/webhooks/{endpoint_off}/", "ada"),
    View("webhook-delete", "/dashboard/webhooks/{endpoint}/delete/", "ada"),
    View("billing", "/dashboard/billing/", "ada"),
    View("billing-empty", "/dashboard/billing/", "new"),
    View("redeem", "/redeem/?code=SPRING24", "ada"),
    View("credit-history", "/dashboard/billing/history/", "ada"),
    View("account", "/account/", "ada"),
    View("account-long-email", "/account/", "long"),
    View("email-address", "/accounts/email/", "ada"),
    View("password-change", "/accounts/password/change/", "ada"),
    View("two-factor", "/account/security/", "ada"),
    View("sessions", "/account/sessions/", "ada"),
    View("your-data", "/account/data/", "ada"),
    View("delete-account", "/account/delete/", "ada"),
    View("log-out", "/accounts/logout/", "ada"),
]
# model → the list's name; a list that is missing here fails tests/browser/test_admin.py
LISTS = {
    "accounts/user": "people",
    "accounts/apikey": "keys",
    "generator/generation": "images",
    "generator/report": "reports",
    "billing/creditentry": "entries",
    "billing/creditgrant": "grants",
    "billing/heldwelcome": "held-back",
    "billing/codeoffer": "codes",
    "billing/redemption": "redemptions",
    "billing/bulk": "acts-on-many",
    "billing/payment": "payments",
    "billing/staffrefund": "refunds",
    "billing/dispute": "disputes",
    "billing/subscription": "subscriptions",
    "billing/order": "checkouts",
    "billing/stripecustomer": "customers",
    "billing/plan": "plans",
    "billing/pack": "packs",
    "billing/price": "prices",
    "generator/upstream": "upstreams",
    "generator/imagemodel": "models",
    "generator/route": "routes",
    "generator/price": "image-prices",
    "generator/pause": "intake",
    "generator/promptrule": "prompt-rules",
    "reveweb/alert": "alerts",
    "generator/upstreamtrouble": "upstream-trouble",
    "generator/webhookendpoint": "webhook-endpoints",
    "generator/webhookdelivery": "webhook-messages",
    "billing/stripeevent": "events",
    "billing/stripeaccount": "accounts",
    "billing/outgoingmail": "mails",
    "billing/auditrecord": "records",
}
ADMIN_LISTS = [View(f"admin-{name}", f"/admin/{model}/", "sam") for model, name in LISTS.items()]
ADMIN = [
    View("admin", "/admin/", "sam"),
    *ADMIN_LISTS,
    View("admin-person", "/admin/accounts/user/{person}/change/", "sam"),
    View("admin-grant", "/admin/accounts/user/{person}/grant/", "sam"),
    View("admin-refund", "/admin/accounts/user/{person}/payments/{payment}/refund/", "sam"),
    View("admin-image", "/admin/generator/generation/{image}/change/", "sam"),
    View("admin-image-failed", "/admin/generator/generation/{failed}/change/", "sam"),
    View("admin-payment", "/admin/billing/payment/{payment}/change/", "sam"),
    View("admin-event", "/admin/billing/stripeevent/evt_5F1QxZ9fLkWn3Vb8TaZaXsCdVf/change/", "sam"),
    View("admin-plan-add", "/admin/billing/plan/add/", "sam"),
    View("admin-import", "/admin/billing/creditgrant/import/", "sam"),
    View("admin-upstream", "/admin/generator/upstream/1/change/", "sam"),
    View("admin-upstream-add", "/admin/generator/upstream/add/", "sam"),
    View("admin-upstream-test", "/admin/generator/upstream/1/test/", "sam"),
    View("admin-upstream-out", "/admin/generator/upstream/1/take-out/", "sam"),
    View("admin-upstream-trouble", "/admin/generator/upstream/2/change/", "sam"),
    View("admin-model", "/admin/generator/imagemodel/1/change/", "sam"),
    View("admin-route", "/admin/generator/route/1/change/", "sam"),
    View("admin-price-add", "/admin/generator/price/add/", "sam"),
    View("admin-margin", "/admin/generator/route/margin/", "sam"),
    View("admin-books", "/admin/books/", "sam"),
    View("admin-doctor", "/admin/accounts/user/doctor/", "sam"),
    View("admin-pause-add", "/admin/generator/pause/add/", "sam"),
    View("admin-rule-add", "/admin/generator/promptrule/add/", "sam"),
    View("admin-rules-try", "/admin/generator/promptrule/try/", "sam"),
    View("admin-no-match", "/admin/billing/payment/?q=zeppelin", "sam"),
]
ALL = [*PUBLIC, *DOCS, *PRIVATE, *ADMIN]

# Those that have a Lighthouse budget.
BUDGET = 60_000  # bytes on the wire of document, style sheets and scripts
MEASURED = [
    View("landing", "/"),
    View("pricing", "/pricing/"),
    View("docs", "/docs/"),
    View("studio", "/create/", "ada"),
    View("gallery", "/gallery/", "ada"),
    View("dashboard", "/dashboard/", "ada"),
    View("signup", "/accounts/signup/"),
    View("explore", "/explore/"),
    View("reference", "/docs/reference/"),
    View("image", "/gallery/{image}/", "ada"),
    View("billing", "/dashboard/billing/", "ada"),
    View("api-keys", "/dashboard/api-keys/", "ada"),
    View("admin", "/admin/", "sam"),
]
