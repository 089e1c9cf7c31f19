"""The pages around images, and the images themselves."""

import re

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from generator import images
from generator.threads import in_thread

_FILE_NAME = re.compile(r"[0-9A-Za-z]{32}(?:_(?:480|960))?\.(png|jpg|webp)")


async def image(request: HttpRequest, file_name: str) -> HttpResponse:
    """Serve a stored image or thumbnail to anybody who knows its unguessable name; it never changes."""
    match = _FILE_NAME.fullmatch(file_name)
    if match is None:
        return HttpResponse(status=404)
    etag = f'"{file_name}"'
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponse(status=304)
    else:
        try:
            data = await in_thread(lambda: images.read(file_name))
        except FileNotFoundError:
            return HttpResponse(status=404)
        response = HttpResponse(data, content_type=images.CONTENT_TYPES[match[1]])
        response["Content-Length"] = str(len(data))
    response["ETag"] = etag
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@login_required
def create(request: HttpRequest) -> HttpResponse:
    """The studio."""
    return HttpResponse("create")


@login_required
def generate(request: HttpRequest) -> HttpResponse:
    """Take the studio's form."""
    return HttpResponse("generate")


@login_required
def generation_card(request: HttpRequest, public_id: str) -> HttpResponse:
    """One generation as it stands."""
    return HttpResponse("card")


@login_required
def gallery(request: HttpRequest) -> HttpResponse:
    """One's own images."""
    return HttpResponse("gallery")


async def events(request: HttpRequest) -> HttpResponse:
    """The account's changes as server-sent events."""
    return HttpResponse("events")
