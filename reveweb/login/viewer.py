"""Whose pages a browser shows, in a cookie that scripts may read: so that Back shows nobody's pages to somebody else.

Browsers keep pages, for Back and Forward, and bring them back without asking the site. Each page therefore carries a
mark of the person whom it was made for (`static/js/viewer.js`), and the cookie says whose mark is current. When the
session has ended, the mark stays behind in it, as one that is over: a form that is sent then is known to be the same
person's (`reveweb.login.pressed`).

The mark opens nothing and tells nothing: it is a keyed digest of who somebody is.
"""

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.crypto import salted_hmac
from django.utils.deprecation import MiddlewareMixin
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User

COOKIE = "viewer"
OVER = "over."  # before the mark of somebody whose session has ended
LIFE = 365 * 24 * 3600  # seconds


def mark_of(user: User | AnonymousUser) -> str:
    """Return the mark of who is logged in; none for a stranger."""
    return salted_hmac("reveweb.login.viewer", str(user.pk)).hexdigest()[:20] if user.is_authenticated else ""


def latest_mark(request: HttpRequest) -> str:
    """Return the mark of who is or was the last to be logged in with this browser; none when nobody was."""
    return request.COOKIES.get(COOKIE, "").removeprefix(OVER)


@never_cache
@require_safe
def here(request: HttpRequest) -> HttpResponse:
    """Let a page that came back ask whether its session goes on: the cookie of the answer says so."""
    return HttpResponse(status=204)


class ViewerCookie(MiddlewareMixin):
    """Keeps the cookie true, with each page. At a log-out the browser is told to forget the pages that it kept."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        is_page = response.get("Content-Type", "").startswith("text/html") or response.status_code == 204
        if not is_page or not hasattr(request, "user"):
            return response
        known = request.COOKIES.get(COOKIE, "")
        assert isinstance(request.user, User | AnonymousUser)
        mark = mark_of(request.user)
        if not mark and known and not known.startswith(OVER):
            mark = f"{OVER}{known}"
            response["Clear-Site-Data"] = '"cache"'
        if mark and mark != known:
            response.set_cookie(
                COOKIE, mark[:80], max_age=LIFE, samesite="Lax", secure=bool(settings.SESSION_COOKIE_SECURE)
            )
        return response
