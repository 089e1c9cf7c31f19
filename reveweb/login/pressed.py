"""What somebody pressed when their session was over, or with a form that had gone stale: it is not lost.

A form that asks for a log-in waits in the session while they log in. Then a page of its own asks whether they still
want it (`reconsider`), shows what they had written, and sends it to where it was going. A form whose token is stale, as
after a log-in in another tab, is offered again at once (`csrf_failed`). So nobody ends at an address that only takes
forms: one that is opened as a page leads to the page that the form was on (`PressedForms`).

What is kept is small, for a quarter of an hour, for the same person, and never a file, a password or a code. It is in
the session, so that nobody else can put anything there.
"""

import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render, resolve_url
from django.urls import Resolver404, resolve, reverse
from django.utils.deprecation import MiddlewareMixin
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect, HttpResponseClientRefresh

from accounts.viewer import user_of
from reveweb.lanes import Lane, lane_of
from reveweb.login.viewer import latest_mark, mark_of
from reveweb.middleware import refused_plainly

SECONDS = 15 * 60
MOST_LETTERS = 12_000  # of all fields; a stranger's session has room for as many in Chinese (`reveweb.login.strangers`)
TOKEN = "csrfmiddlewaretoken"  # noqa: S105 (the name of Django's field)
SECRET = ("password", "credential", "code", "secret", "otp")  # in the name of a field whose form is never kept
ACTS = {
    "account": "save your profile",
    "account_end_others": "log out all other browsers",
    "account_end_session": "log out that browser",
    "account_export": "pack an export of your data",
    "api_keys": "create that API key",
    "billing_cancel": "cancel your plan",
    "billing_change_plan": "change your plan",
    "billing_checkout": "go on to the checkout",
    "billing_portal": "open the page where you manage payments",
    "billing_resume": "let your plan go on",
    "edit_api_key": "save that API key",
    "image_delete": "move those images to the trash",
    "image_favourite": "mark that image",
    "image_restore": "take those images back",
    "image_share": "change how that image is shared",
    "images_favourite": "mark those images",
    "gallery_zip": "download those images",
    "revoke_api_key": "revoke that API key",
    "rotate_api_key": "rotate that API key",
    "start": "take those words to the studio",
    "studio_generate": "generate that",
}

_KEY = "pressed"


@dataclass(frozen=True)
class Form:
    """A form as it was sent: where to, what was in it, the page it was on, by whom (`viewer.mark_of`) and when."""

    path: str
    fields: list[tuple[str, str]]
    page: str
    who: str
    at: float

    @property
    def act(self) -> str:
        """What it does, after “Do you still want to”."""
        return ACTS.get(_name(self.path), "send that form")

    @property
    def shown(self) -> list[tuple[str, str, str]]:
        """What somebody wrote: name, label and text of each field."""
        return [(name, _label(name), text) for name, text in self.fields if _is_written(text)]

    @property
    def hidden(self) -> list[tuple[str, str]]:
        """All other fields."""
        return [(name, text) for name, text in self.fields if not _is_written(text)]


def form_of(request: HttpRequest) -> Form | None:
    """Return the form that a request sends; None when it is too large to keep, or nothing that may be kept."""
    if request.FILES or request.content_type not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return None
    fields = [(name, text) for name, texts in request.POST.lists() for text in texts if name != TOKEN]
    if any(word in name.lower() for name, _ in fields for word in SECRET):
        return None
    if sum(len(name) + len(text) for name, text in fields) > MOST_LETTERS:
        return None
    return Form(request.get_full_path(), fields, page_of(request), latest_mark(request), time.time())


def page_of(request: HttpRequest) -> str:
    """Return the page that a form was on, as the browser says, else its own address, which leads there."""
    referrer = request.headers.get("Referer", "")
    known = url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure())
    page = urlsplit(referrer)
    return f"{page.path}?{page.query}".rstrip("?") if known and page.path.startswith("/") else request.path


def page_above(request: HttpRequest) -> str:
    """Return the nearest address above that of a request which leads to another view."""
    here, parts = _name(request.path_info), [part for part in request.path_info.split("/") if part]
    while parts:
        parts.pop()
        above = "/".join(["", *parts, ""])
        if _name(above) not in ("", here):
            return above
    return reverse("home")


@login_required
@never_cache
@require_safe
def reconsider(request: HttpRequest) -> HttpResponse:
    """Ask whoever logged in whether they still want what they pressed."""
    form = _kept(request)
    back = request.GET.get("back", "")
    safe = url_has_allowed_host_and_scheme(back, None) and back.startswith("/")
    if form is None:
        messages.info(request, "You are logged in. What you pressed before was not done: press it again.")
        return redirect(back if safe else resolve_url(settings.LOGIN_REDIRECT_URL))
    return render(request, "account/reconsider.html", {"pressed": form})


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Offer a form whose token is stale again, with its words and a new token.

    Only one that this site's own pages have sent: another site's would be a trap with our button on it.
    """
    wants_json = request.get_preferred_type(["text/html", "application/json"]) == "application/json"
    is_ours = request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"
    if is_ours and wants_json:
        return _private(JsonResponse({"csrf": get_token(request)}, status=403))
    if is_ours and request.headers.get("HX-Request"):
        messages.warning(request, "This page was out of date, so nothing was changed. Press it again.")
        return HttpResponseClientRefresh()
    form = form_of(request) if is_ours and request.method == "POST" else None
    context = {"pressed": form, "page": page_of(request) if is_ours else ""}
    return _private(render(request, "403_csrf.html", context, status=403))


class PressedForms(MiddlewareMixin):
    """Leads who presses a button to where it goes on, whatever became of their session or their page."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            return _not_a_page(request, response)
        if _asks_for_log_in(request, response):
            return _log_in_first(request, response)
        if request.method == "POST" and request.session.get(_KEY, {}).get("path") == request.get_full_path():
            del request.session[_KEY]  # it is done, or the view has said why not
        return response


def _not_a_page(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if Lane.PLAIN in lane_of(request.path_info):
        answer = refused_plainly(response.status_code)
    elif request.method in ("GET", "HEAD"):
        return redirect(page_above(request))
    else:
        answer = render(request, "errors/405.html", status=response.status_code)
    answer["Allow"] = response.get("Allow", "")
    return answer


def _asks_for_log_in(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Tell whether a view leads a stranger over the log-in page back to itself.

    One that leads elsewhere, as the studio does, has kept what was sent.
    """
    if "Location" not in response.headers:
        return False
    target = urlsplit(response.headers["Location"])
    doors = (resolve_url(settings.LOGIN_URL), reverse("admin:login"), reverse("account_reauthenticate"))
    return (
        target.path in doors
        and request.get_full_path() in parse_qs(target.query).get("next", [])
        and not request.user.is_authenticated
    )


def _log_in_first(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    htmx = getattr(request, "htmx", None)
    wants_json = request.get_preferred_type(["text/html", "application/json"]) == "application/json"
    if request.method == "POST":
        if form := form_of(request):
            request.session[_KEY] = asdict(form)
        door = _door(f"{reverse('reconsider')}?{urlencode({'back': page_of(request)})}")
    elif htmx:  # for a part of a page
        door = _door(htmx.current_url_abs_path or page_above(request))
    elif wants_json:
        door = _door(page_of(request))
    else:
        return response
    if htmx:
        return HttpResponseClientRedirect(door)
    return _private(JsonResponse({"login": door}, status=401)) if wants_json else redirect(door)


def _door(onward: str) -> str:
    return f"{resolve_url(settings.LOGIN_URL)}?{urlencode({'next': onward})}"


def _kept(request: HttpRequest) -> Form | None:
    kept: dict[str, Any] | None = request.session.get(_KEY)
    if kept is None:
        return None
    form = Form(**{**kept, "fields": [(name, text) for name, text in kept["fields"]]})
    is_theirs = form.who in ("", mark_of(user_of(request)))
    if is_theirs and time.time() - form.at < SECONDS:
        return form
    del request.session[_KEY]
    return None


def _name(path: str) -> str:
    """Return the name of the address `path`, else the view's own; nothing where there is none."""
    try:
        match = resolve(urlsplit(path).path)
    except Resolver404:
        return ""
    return match.view_name or getattr(match.func, "__name__", "")


def _is_written(text: str) -> bool:
    return " " in text.strip() or "\n" in text or len(text) > 60


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "private, no-store"
    return response
