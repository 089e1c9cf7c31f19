"""One image's own page, and the image as a file."""

from dataclasses import replace
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generator.ask import prices
from generator.files import credentials, downloads, images
from generator.jobs.receipt import receipt_of
from generator.library import family, listing
from generator.library.filters import TESTS, Filters, filters_of
from generator.library.neighbours import neighbours_of
from generator.models import Generation, Operation
from generator.pages.cards import card_of, large_picture_of
from generator.pages.owner import kept_generation, own_generation
from generator.pages.sources import source_of
from kit import storage
from kit.http import signed
from kit.http.requests import site_of
from kit.threads import Pool, in_thread, let_go

RETRY_AFTER = 2  # seconds: about what a conversion takes


@login_required
@require_safe
@never_cache
def image(request: HttpRequest, public_id: str) -> HttpResponse:
    """One of the viewer's generations; an unfinished one is best watched in the studio.

    Whoever comes from a filtered gallery brings its query along: the images beside this one are those it shows.
    """
    generation = own_generation(request, public_id)
    if not generation.is_final:
        if generation.is_test:  # which no page watches
            return redirect(f"{reverse('gallery')}?source={TESTS}")
        return redirect(f"{reverse('create')}#{generation.public_id}")
    completed = generation.status == Generation.Status.COMPLETED
    filters = filters_of(request.GET, listing.sources_of(generation.wallet, request.GET)) if request.GET else Filters()
    if generation.is_test and not filters.source:
        filters = replace(filters, source=TESTS)
    relatives = family.family_of(generation)
    made_from = [source_of(one) for one in relatives.made_from]
    context = {
        "generation": generation,
        "card": card_of(generation),
        "picture": large_picture_of(generation) if completed else None,
        "file_url": generation.image_url(site_of(request)) if completed else "",
        "formats": _formats(generation) if completed else [],
        "has_credentials": completed and credentials.is_configured(),
        "beside": neighbours_of(generation, filters),
        "query": filters.suffix,
        "place": urlencode([*filters.pairs, ("at", generation.public_id)]),
        "receipt": receipt_of(generation),
        "before": next(iter(made_from), None) if completed and generation.operation == Operation.EDIT else None,
        "made_from": made_from,
        "lost": relatives.lost,
        "led_to": [source_of(one) for one in relatives.led_to],
        "modes": prices.doable(),
    }
    return render(request, "generator/generation.html", context)


@login_required
@require_safe
async def download(request: HttpRequest, public_id: str) -> HttpResponse:
    """One of the viewer's images as a file: `?format=` png, jpeg or webp, else as it is stored.

    With `?prompt=1` it says what was asked for.
    """
    user_id = (await request.auser()).pk
    assert user_id is not None
    await sync_to_async(let_go)()  # the request's own thread asked for the user, and a conversion waits for its turn
    generation = await in_thread(lambda: kept_generation(user_id, public_id))
    try:
        return await saved_as(
            request, generation, request.GET.get("format", ""), prompt=request.GET.get("prompt") == "1"
        )
    except downloads.TooManyConversions:
        return await in_thread(lambda: _wait_for_turn(request, generation))


async def saved_as(
    request: HttpRequest, generation: Generation, format: str = "", *, prompt: bool = False
) -> HttpResponse:
    """Answer with a completed image as a file, converted where need be. Raises Http404, TooManyConversions."""
    if generation.status != Generation.Status.COMPLETED:
        raise Http404
    format = format or downloads.original_format(generation)
    if format not in downloads.FORMATS:
        raise BadRequest("The format is png, jpeg or webp.")
    try:
        if downloads.is_conversion(generation, format):
            return (await downloads.converted(generation, format, prompt=prompt)).response()
        if signed.stands_in(request) and not prompt:
            return await storage.in_time(lambda: downloads.address_of(generation))
        return (await downloads.download_of(generation, format, prompt=prompt)).response()
    except FileNotFoundError as error:
        raise Http404 from error


@login_required
@require_safe
async def verified(request: HttpRequest, public_id: str) -> HttpResponse:
    """Who signed one of the viewer's images, and whether its file is as it was then: a part of its page.

    There is none without a certificate to sign with.
    """
    if not credentials.is_configured():
        raise Http404
    user_id = (await request.auser()).pk
    assert user_id is not None
    await sync_to_async(let_go)()  # as for a download
    generation = await in_thread(lambda: kept_generation(user_id, public_id))
    if generation.status != Generation.Status.COMPLETED:
        raise Http404
    kind = images.CONTENT_TYPES[generation.file_extension]
    try:
        data = await storage.in_time(lambda: images.read(generation.file_name))
    except FileNotFoundError as error:
        raise Http404 from error
    found = await in_thread(lambda: credentials.read(data, kind), Pool.PROCESSOR)
    return await in_thread(lambda: _with_credentials(request, generation, found))


def _with_credentials(
    request: HttpRequest, generation: Generation, found: credentials.Credentials | None
) -> HttpResponse:
    is_part = bool(request.headers.get("HX-Request"))
    context = {"generation": generation, "credentials": found, "is_part": is_part}
    template = "generator/credentials.html" if is_part else "generator/credentials_page.html"
    response = render(request, template, context)
    response["Cache-Control"] = "no-store"
    return response


def _wait_for_turn(request: HttpRequest, generation: Generation) -> HttpResponse:
    context = {"generation": generation, "most": downloads.CONVERSIONS_OF_ONE_ACCOUNT, "seconds": RETRY_AFTER}
    response = render(request, "generator/too_many_conversions.html", context, status=429)
    response["Retry-After"] = str(RETRY_AFTER)
    response["Cache-Control"] = "no-store"
    return response


def _formats(generation: Generation) -> list[tuple[str, str, bool]]:
    """Return the formats one can have: the address's word, the usual word, and whether the image is stored so."""
    original = downloads.original_format(generation)
    words = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP"}
    return [(format, words[format], format == original) for format in downloads.FORMATS]
