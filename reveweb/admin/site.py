"""What surrounds every page of the admin: navigation, search, style."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from unfold.dataclasses import SearchResult

from accounts.models import User
from accounts.read_only import change_url
from generator.admin import margins
from kit.http.requests import without_nul
from reveweb.admin import people

FOUND_AT_MOST = 10

# group → (title, icon, model); each is shown to whoever may view it
GROUPS: dict[str, list[tuple[str, str, str]]] = {
    "People": [
        ("People", "group", "accounts_user"),
        ("API keys", "key", "accounts_apikey"),
        ("Images", "image", "generator_generation"),
    ],
    "Credits": [
        ("Entries", "receipt_long", "billing_creditentry"),
        ("Grants", "toll", "billing_creditgrant"),
    ],
    "Money": [
        ("Payments", "payments", "billing_payment"),
        ("Refunds", "undo", "billing_staffrefund"),
        ("Disputes", "gavel", "billing_dispute"),
        ("Subscriptions", "autorenew", "billing_subscription"),
        ("Checkouts", "shopping_cart", "billing_order"),
        ("Customers", "badge", "billing_stripecustomer"),
    ],
    "For sale": [
        ("Plans", "workspace_premium", "billing_plan"),
        ("Packs", "inventory_2", "billing_pack"),
        ("Prices", "sell", "billing_price"),
    ],
    "Drawing": [
        ("Upstreams", "hub", "generator_upstream"),
        ("Models", "palette", "generator_imagemodel"),
        ("Routes", "route", "generator_route"),
        ("Image prices", "price_change", "generator_price"),
    ],
    "Machinery": [
        ("Upstream trouble", "cloud_off", "generator_upstreamtrouble"),
        ("Stripe events", "webhook", "billing_stripeevent"),
        ("Stripe accounts", "account_balance", "billing_stripeaccount"),
        ("Mails", "mail", "billing_outgoingmail"),
        ("Audit records", "history_edu", "billing_auditrecord"),
    ],
}


def stylesheet(request: HttpRequest) -> str:
    """The address of what the admin's own templates add to unfold's style."""
    return static("css/admin.css")


def script(request: HttpRequest) -> str:
    """The address of what the admin's search does beyond unfold's."""
    return static("js/admin-search.js")


def environment(request: HttpRequest) -> list[str] | None:
    """Say in the header that payments and images are simulated."""
    return ["Sandbox", "warning"] if settings.SANDBOX else None


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups of the sidebar, with what the viewer may see."""
    groups = []
    for title, pages in GROUPS.items():
        items = [_item(*page) for page in pages if _may_view(request, page[2])]
        if title == "Drawing" and margins.may_see(request):
            margin = reverse("admin:margin")  # whose address is below that of the routes
            for item in items:
                item["active"] = request.path.startswith(item["link"]) and request.path != margin
            items.append({"title": "Margin", "icon": "trending_up", "link": margin, "active": request.path == margin})
        if items:
            groups.append({"title": title, "separator": True, "items": items})
    overview = {"title": "Overview", "icon": "dashboard", "link": reverse("admin:index")}
    return [{"items": [overview]}, *groups]


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """Find people for the search that opens with Ctrl+K, by the start of their email or by any id of theirs."""
    if not request.user.has_perm("accounts.view_user"):
        return []
    typed = without_nul(request.GET.get("s", term)).strip()  # `term` is in lower case, which ids are not
    ids = people.find(typed)
    named = Q(email__istartswith=typed) | Q(name__istartswith=typed)
    users = User.objects.filter(named if ids is None else Q(pk__in=ids)).order_by("email")
    return [
        SearchResult(title=user.email, description=user.name or "Person", link=change_url(user), icon="person")
        for user in users[:FOUND_AT_MOST]
    ]


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse(f"admin:{model}_changelist")}


def _may_view(request: HttpRequest, model: str) -> bool:
    app, _, name = model.partition("_")
    has_perm: Callable[[str], bool] = request.user.has_perm
    return has_perm(f"{app}.view_{name}") or has_perm(f"{app}.change_{name}")
