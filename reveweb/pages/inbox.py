"""The local inbox: what the site mailed while no mail server is named, for whoever tries it out.

Anybody who reaches the site sees everything there, so it exists only where `LOCAL_INBOX` says so.
"""

import re
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from billing.outbox import rendering
from generator.pages.owner import HtmxRequest
from kit.http.requests import site_of
from reveweb import local_mail
from reveweb.local_mail import LocalMail

SHOWN = 100

# What a mail may do in its frame: its own inline styles and pictures, and links that lead the whole page on.
MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-top-navigation-by-user-activation"
)

View = Callable[..., HttpResponseBase]


def _only_local(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *arguments: str, **names: str) -> HttpResponseBase:
        if not settings.LOCAL_INBOX:
            raise Http404
        return view(request, *arguments, **names)

    return guarded


@_only_local
@never_cache
@require_safe
def inbox(request: HtmxRequest) -> HttpResponse:
    """List the latest mails; an open page asks for what is newer than what it shows."""
    mails = list(local_mail.newest(SHOWN))
    newest = mails[0].id if mails else ""
    if request.htmx and request.GET.get("newest", "") == newest:
        return HttpResponse(status=204)  # nothing to swap, and the keyboard's place is kept
    template = "inbox/list.html" if request.htmx else "inbox/inbox.html"
    return render(request, template, {"mails": mails, "newest": newest})


@_only_local
@never_cache
@require_safe
def mail(request: HttpRequest, id: str) -> HttpResponse:
    """Show one mail: as a mail program would, or its text."""
    found = _found(id)
    as_text = request.GET.get("as") == "text" or not found.html
    context = {"mail": found, "text": _led_here(request, found.text), "as_text": as_text}
    response = render(request, "inbox/mail.html", context)
    response._csp_update = {"frame-src": ["'self'"]}  # type: ignore[attr-defined]  # as django-csp's decorators do
    return response


@_only_local
@never_cache
@require_safe
@xframe_options_sameorigin
def mail_html(request: HttpRequest, id: str) -> HttpResponse:
    """The mail's HTML, for the frame of its page; its links lead the whole page on."""
    html = _led_here(request, _found(id).html)
    html = re.sub(r"<head>", '<head><base target="_top">', html, count=1, flags=re.IGNORECASE)
    return HttpResponse(html, headers={"Content-Security-Policy": MAIL_POLICY})


def _led_here(request: HttpRequest, words: str) -> str:
    """Let links lead to where the site is seen from: without `PUBLIC_URL` the worker that wrote them could not know."""
    return words if settings.PUBLIC_URL else words.replace(rendering.site(), site_of(request))


def _found(id: str) -> LocalMail:
    found = local_mail.find(id)
    if found is None:
        raise Http404
    return found
