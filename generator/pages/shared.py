"""What strangers see of a shared image: its page, its pictures and its file, until its owner takes it back.

None of it names the image's permanent address, which would outlive the share: all addresses here are the share's own
and end with it.
"""

import contextlib
import json
import re
from collections.abc import Callable
from functools import partial

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generator.files import downloads, images, marks
from generator.library import sharing
from generator.models import Generation
from generator.pages.cards import shared_picture_of
from kit.http import parts
from kit.http.parts import Stored
from kit.http.requests import site_of

# A browser may show again what it showed a moment ago; after that it asks, and hears 404 once the share has ended. No
# cache between keeps any of it: a copy there would go on for people who never saw the image while it was shared.
CACHED = "private, max-age=300, must-revalidate"

_FILE = re.compile(r"image\.(png|jpg|webp)")
_THUMBNAIL = re.compile(r"(480|960)\.webp")


@require_safe
@never_cache
def shared_image(request: HttpRequest, token: str) -> HttpResponse:
    """The image behind a public link, with its prompt; search engines may keep only what is on Explore."""
    generation = sharing.shared_image(token)
    if generation is None:
        raise Http404
    picture = shared_picture_of(generation)
    is_public = _is_public(generation)
    context = {
        "generation": generation,
        "picture": picture,
        "picture_url": site_of(request) + picture.url,
        "described": _described(generation, site_of(request)),
        "is_public": is_public,
        "is_own": generation.wallet.user_id == request.user.pk,
    }
    response = render(request, "generator/shared.html", context)
    if not is_public:
        response["X-Robots-Tag"] = "noindex"
    return response


@require_safe
async def picture(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """The picture or a thumbnail of a shared image. One query, whatever is answered."""
    return await _answer(request, lambda: sharing.shared_file(token), name)


@require_safe
async def explore_picture(request: HttpRequest, token: str, name: str) -> HttpResponseBase:
    """A thumbnail of an image on Explore: it ends when the image leaves Explore, even if its link goes on."""
    if _FILE.fullmatch(name):
        raise Http404
    return await _answer(request, lambda: sharing.file_on_explore(token) if settings.EXPLORE else None, name)


@require_safe
async def download(request: HttpRequest, token: str) -> HttpResponseBase:
    """The image behind a public link as a file, as it is stored but for what its upstream wrote into it."""

    def find() -> Stored:
        generation = sharing.shared_image(token)
        if generation is None:
            raise Http404
        headers = {
            "Content-Disposition": downloads.disposition(generation, downloads.original_format(generation)),
            "Cache-Control": "private, no-cache",
            "X-Robots-Tag": "noindex",
        }
        return _stored(generation, f"image.{generation.file_extension}", headers)

    return await _sent(request, find)


async def _answer(request: HttpRequest, look_up: Callable[[], Generation | None], name: str) -> HttpResponseBase:
    def find(name: str = name, **changed: str) -> Stored:
        generation = look_up()
        if generation is None:
            raise Http404
        headers = {"Cache-Control": CACHED, "Cross-Origin-Resource-Policy": "cross-origin"}  # link cards show it
        if not _is_public(generation):
            headers["X-Robots-Tag"] = "noindex"
        return _stored(generation, name, {**headers, **changed})

    def find_original() -> Stored:
        generation = look_up()
        if generation is None or not generation.needs_thumbnails or not _THUMBNAIL.fullmatch(name):
            raise Http404
        return find(f"image.{generation.file_extension}", **{"Cache-Control": "no-store"})

    try:
        return await parts.answer(request, find)
    except FileNotFoundError:  # it stands in for thumbnails until they are made
        with contextlib.suppress(Http404):
            return await _sent(request, find_original)
        return await _sent(request, find)  # they were, between the two looks


async def _sent(request: HttpRequest, find: Callable[[], Stored]) -> HttpResponseBase:
    try:
        return await parts.answer(request, find)
    except FileNotFoundError as error:
        raise Http404 from error


def _stored(generation: Generation, name: str, headers: dict[str, str]) -> Stored:
    """Return the file of `generation` that is called `name` in a share's addresses. Raises Http404."""
    if file := _FILE.fullmatch(name):
        if file[1] != generation.file_extension:
            raise Http404
        path, kind = images.path_of(generation.file_name), images.CONTENT_TYPES[file[1]]
    elif thumbnail := _THUMBNAIL.fullmatch(name):
        path, kind = images.thumbnail_name(generation.file_token, int(thumbnail[1])), images.CONTENT_TYPES["webp"]
    else:
        raise Http404
    # Never by the storage's own address (`signed_for`), which has the name that the permanent one has. Without the time
    # when it was made, of which the page names the day only.
    # The tag must not give the permanent address away; an image never changes, so its name in the share is enough.
    change = partial(marks.shared, mark=marks.mark_of(generation))
    return Stored(path, kind, etag=name, headers=headers, change=change)


def _described(generation: Generation, site: str) -> SafeString:
    """Return the image as schema.org has it, for what reads pages: JSON-LD, safe between a script's tags."""
    picture = shared_picture_of(generation)
    mark = marks.mark_of(generation, source=marks.source_type(generation))
    told = {
        "@context": "https://schema.org",
        "@type": "ImageObject",
        "name": Truncator(generation.prompt).chars(90),
        "contentUrl": site + picture.url,
        "encodingFormat": images.CONTENT_TYPES[generation.file_extension],
        "width": {"@type": "QuantitativeValue", "value": generation.width, "unitCode": "E37"},  # pixels, of UN/CEFACT
        "height": {"@type": "QuantitativeValue", "value": generation.height, "unitCode": "E37"},
        "dateCreated": f"{generation.created_at:%Y-%m-%d}",
        "digitalSourceType": marks.IN_SCHEMA[mark.source],
        "creditText": mark.credit,
        "creator": {"@type": "Organization", "name": mark.credit},
    }
    text = json.dumps(told)  # in ASCII
    return SafeString(text.replace("<", r"\u003C").replace(">", r"\u003E").replace("&", r"\u0026"))


def _is_public(generation: Generation) -> bool:
    return settings.EXPLORE and generation.is_listed
