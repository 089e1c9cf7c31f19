"""The public page of a shared image: for anybody who has the link, until its owner takes it back."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.requests import site_of
from generator import sharing
from generator.cards import large_picture_of
from generator.models import Generation
from generator.threads import in_thread
from generator.views.image import saved_as


@require_safe
@never_cache
def shared_image(request: HttpRequest, token: str) -> HttpResponse:
    """The image behind a public link, with its prompt; search engines may keep only what is on Explore."""
    generation = _shared(token)
    is_public = settings.EXPLORE and generation.is_listed
    context = {
        "generation": generation,
        "picture": large_picture_of(generation),
        "file_url": generation.image_url(site_of(request)),
        "is_public": is_public,
        "is_own": generation.account.user_id == request.user.pk,
    }
    response = render(request, "generator/shared.html", context)
    if not is_public:
        response["X-Robots-Tag"] = "noindex"
    return response


@require_safe
async def download(request: HttpRequest, token: str) -> HttpResponse:
    """The image behind a public link as a file, as it is stored."""
    return await saved_as(await in_thread(lambda: _shared(token)))


def _shared(token: str) -> Generation:
    generation = sharing.shared_image(token)
    if generation is None:
        raise Http404
    return generation
