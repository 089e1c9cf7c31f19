"""The gallery: every image of one's own, and many of them at once as a ZIP."""

import re
from collections.abc import AsyncGenerator
from itertools import chain
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    QueryDict,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, push_url, replace_url

from billing import ledger
from billing.models import Wallet
from billing.pages.wallet import wallet_of
from generator.ask.forms import SHAPES
from generator.files import archive
from generator.library import listing, selection, trash
from generator.library.filters import SEARCH_MAX_LENGTH, Filters, filters_of, presets
from generator.models import Generation
from generator.pages.cards import cards_of
from generator.pages.chosen import ids_of, selection_of
from generator.pages.owner import HtmxRequest
from kit.text import hyphenated
from kit.threads import in_thread

ZIP_MOST = 10_000  # images: tens of gigabytes
ZIP_BATCH = 100  # images that are looked up at once while a ZIP is sent
_COUNT = re.compile(r"[0-9]{1,4}")


@require_safe
def gallery(request: HtmxRequest) -> HttpResponse:
    """The viewer's completed images, newest first, filtered and paged by the address.

    `at` names an image that the page shows, with others around it.

    A script that asks for older images, or for those of another filter, gets only them (`generator/gallery_results`).
    """
    if not request.user.is_authenticated:
        login = redirect_to_login(request.get_full_path())
        return HttpResponseClientRedirect(login["Location"]) if request.htmx else login
    wallet = wallet_of(request)
    sources = listing.sources_of(wallet, request.GET)
    filters = filters_of(request.GET, sources)
    start = listing.Start(request.GET.get("before", ""), _size(request))
    if at := request.GET.get("at"):
        start = listing.start_at(wallet, filters, at)
    before = start.before
    page = listing.page(wallet, filters, before=before, size=start.size)
    partial = request.htmx and request.htmx.target == "results" and not request.htmx.history_restore_request
    context = {
        "cards": cards_of(page.images),
        "filters": filters,
        "query": filters.suffix,
        "chips": filters.chips(sources),
        "keys": None if partial else listing.keys_of(wallet),
        "paged": bool(before),
        "older": urlencode([*filters.pairs, ("before", page.older)]) if page.older else "",
        "shapes": SHAPES,
        "presets": presets(),
        "search_max_length": SEARCH_MAX_LENGTH,
        "most_by_name": trash.MOST_AT_ONCE,
        "zip_most": ZIP_MOST,
        "partial": partial,
        "trashed": None if partial or before else trash.last_trashed(wallet),
    }
    response = render(request, f"generator/gallery{'_results' if partial else ''}.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return _with_address(request, response, filters) if request.htmx and not before else response


@require_safe
@login_required
def gallery_count(request: HttpRequest) -> JsonResponse:
    """How many images the gallery's filters find, and the newest of them: what `all` in a form is bound to."""
    wallet = wallet_of(request)
    found = selection.seen(wallet, filters_of(request.GET, listing.sources_of(wallet, request.GET)))
    return JsonResponse({"count": found.count, "newest": found.newest}, headers={"Cache-Control": "no-store"})


@require_POST
async def gallery_zip(request: HttpRequest) -> HttpResponseBase:
    """Send the images that the form means (`pages.chosen`) as a ZIP, at most `ZIP_MOST`.

    What isn't one's own, or was trashed, is left out.
    """
    user = await request.auser()
    if not user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    assert user.pk is not None
    user_id = user.pk
    wallet = await in_thread(lambda: ledger.wallet_of(user_id))
    found = await in_thread(lambda: _found(request, wallet))
    if not found:
        raise Http404
    response = StreamingHttpResponse(archive.stream_async(_batches(wallet, found)), content_type="application/zip")
    response["Content-Disposition"] = content_disposition_header(True, _archive_name(len(found)))
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _size(request: HttpRequest) -> int:
    """Return how many images a page has: more for somebody who comes back to a place far down."""
    wanted = request.GET.get("show", "")
    if not _COUNT.fullmatch(wanted):
        return listing.PAGE_SIZE
    return min(max(int(wanted), listing.PAGE_SIZE), listing.PAGE_MOST)


def _with_address(request: HtmxRequest, response: HttpResponse, filters: Filters) -> HttpResponse:
    """Tell the browser the address of what it shows now; the letters of one search are one step of its history."""
    address = reverse("gallery") + filters.suffix
    now = QueryDict(urlsplit(request.htmx.current_url or "").query)
    same_but_words = [pair for pair in filters.pairs if pair[0] != "q"] == [
        (name, value) for name, values in now.lists() if name not in ("q", "at", "before", "show") for value in values
    ]
    typing = same_but_words and bool(now.get("q")) and bool(filters.search)
    return replace_url(response, address) if typing else push_url(response, address)


def _found(request: HttpRequest, wallet: Wallet) -> list[int]:
    """Return the keys of the wallet's images that the form means, newest first. Raises BadRequest."""
    if chosen := selection_of(request, wallet):
        if chosen.count - len(chosen.but) > ZIP_MOST:
            raise BadRequest(f"At most {ZIP_MOST} images in one ZIP.")
        return list(chain.from_iterable(chosen.chunks(wallet)))
    ids = ids_of(request)
    mine = wallet.generations.completed().filter(public_id__in=ids)
    return list(mine.order_by("-pk").values_list("pk", flat=True))


async def _batches(wallet: Wallet, places: list[int]) -> AsyncGenerator[list[Generation]]:
    """Yield the images with these keys, few at a time: a ZIP takes as long as its reader does."""
    images = wallet.generations.completed().select_related("api_key").order_by("-pk")
    for start in range(0, len(places), ZIP_BATCH):
        some = images.filter(pk__in=places[start : start + ZIP_BATCH])
        yield await in_thread(lambda some=some: list(some))  # type: ignore[misc]  # a default is no argument to it


def _archive_name(count: int) -> str:
    site = hyphenated(settings.SITE_NAME) or "images"
    return f"{site}-{count}-image{'' if count == 1 else 's'}-{timezone.now():%Y-%m-%d}.zip"
