"""What search engines are told: which pages there are, and which are nobody's but their owner's."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from reveweb.docs import book

# The last three show a crawler the log-in page, which is not for the index: nothing private can be found through them.
LISTED = frozenset(("home", "pricing", "explore", "docs", "docs_page", "create", "gallery", "dashboard"))


def is_listed(request: HttpRequest) -> bool:
    """Tell whether search engines may list the page that answers `request`."""
    match = getattr(request, "resolver_match", None)
    return match is not None and match.url_name in LISTED and not request.GET


@require_safe
@cache_control(public=True, max_age=3600)
def robots(request: HttpRequest) -> HttpResponse:
    """robots.txt"""
    return render(request, "robots.txt", content_type="text/plain; charset=utf-8")


@require_safe
@cache_control(public=True, max_age=3600)
def sitemap(request: HttpRequest) -> HttpResponse:
    """sitemap.xml, of the pages that are there for everybody."""
    names = ["home", "pricing", *(["explore"] if settings.EXPLORE else [])]
    pages = [page.url for chapter in book.CHAPTERS for page in chapter.pages]
    context = {"paths": [*(reverse(name) for name in names), *pages]}
    return render(request, "sitemap.xml", context, content_type="application/xml; charset=utf-8")
