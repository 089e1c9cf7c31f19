"""Who looks at a page, and what of theirs it is about."""

from collections.abc import Callable

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from django_htmx.middleware import HtmxDetails

from billing import ledger
from generator.models import PUBLIC_ID, Generation


class HtmxRequest(HttpRequest):
    """A request that knows whether htmx sent it."""

    htmx: HtmxDetails


def own_generation(request: HttpRequest, public_id: str) -> Generation:
    """Return one of the viewer's own generations that are kept, with its API key. Raises Http404."""
    assert request.user.pk is not None
    return kept_generation(request.user.pk, public_id)


def kept_generation(user_id: int, public_id: str) -> Generation:
    """Return a generation of the user's that is kept, with its API key. Raises Http404."""
    if PUBLIC_ID.fullmatch(public_id):
        own = ledger.wallet_of(user_id).generations.kept().select_related("wallet", "api_key")
        if found := own.filter(public_id=public_id).first():
            return found
    raise Http404


def wants_json(request: HttpRequest) -> bool:
    """Whether the page's script asks."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def page_before(request: HttpRequest, otherwise: str) -> str:
    """Return the page of this site that a form was on, else the address `otherwise`."""
    referrer = request.headers.get("Referer", "")
    known = url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure())
    return referrer if known else otherwise


def owners_act(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Let only people who are signed in post to `view`."""
    return require_POST(login_required(view))
