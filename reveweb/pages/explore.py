"""Explore: images whose owners show them to everybody."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from generator.library import showcase as shelf
from generator.pages.cards import explore_picture_of


@require_safe
def explore(request: HttpRequest) -> HttpResponse:
    """What people chose to show, newest first, paged by the address; only where the operator wants such a page."""
    if not settings.EXPLORE:
        raise Http404
    before = request.GET.get("before", "")
    page = shelf.page(before=before)
    tiles = [(generation, explore_picture_of(generation)) for generation in page.images]
    context = {"tiles": tiles, "paged": bool(before), "older": page.older}
    return render(request, "explore.html", context)
