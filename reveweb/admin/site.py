"""What surrounds every page of the admin: navigation, search, style."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from unfold.dataclasses import SearchResult

from accounts.models import User
from accounts.read_only import change_url
from generator.admin import margins
from kit.http.requests import without_nul
from reveweb import places
from reveweb.admin import doctor, people

FOUND_AT_MOST = 10


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
    looked_at = reverse("admin:doctor")
    for title, pages in places.GROUPS.items():
        items = [_item(*page) for page in pages if _may_view(request, page[2])]
        if title == "Drawing" and margins.may_see(request):
            margin = reverse("admin:margin")  # whose address is below that of the routes
            for item in items:
                item["active"] = request.path.startswith(item["link"]) and request.path != margin
            items.append({"title": "Margin", "icon": "trending_up", "link": margin, "active": request.path == margin})
        if request.path == looked_at:  # whose address is below that of people
            items = [{**item, "active": False} for item in items]
        if title == "Machinery" and doctor.may_see(request):
            is_open = request.path == looked_at
            items.insert(0, {"title": "Doctor", "icon": "stethoscope", "link": looked_at, "active": is_open})
        if title == "Money" and margins.may_see(request):
            books = reverse("admin:books")
            items.insert(0, {"title": "Books", "icon": "menu_book", "link": books, "active": request.path == books})
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
    found = _begin_with(typed) if ids is None else list(User.objects.filter(pk__in=ids).order_by("email"))
    return [
        SearchResult(title=user.email, description=user.name or "Person", link=change_url(user), icon="person")
        for user in found[:FOUND_AT_MOST]
    ]


def _begin_with(typed: str) -> list[User]:
    """Return people whose address begins so, and, where there is room, those whose name does."""
    found = list(people.begins(typed)[:FOUND_AT_MOST])
    if len(found) < FOUND_AT_MOST:
        named = User.objects.filter(name__istartswith=typed).exclude(pk__in=[user.pk for user in found])
        found += named.order_by("email")[: FOUND_AT_MOST - len(found)]
    return sorted(found, key=lambda user: user.email)


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": places.address(model)}


def _may_view(request: HttpRequest, model: str) -> bool:
    app, _, name = model.partition("_")
    has_perm: Callable[[str], bool] = request.user.has_perm
    return has_perm(f"{app}.view_{name}") or has_perm(f"{app}.change_{name}")
