"""The endpoints that draw an image from words, and tell what became of one."""

from typing import Any

from django.http import HttpResponse
from ninja import P, PathEx, Router

from generator.api import prefer
from generator.api.calling import ApiRequest, answer, fulfil, is_about, known, reading, wait_for
from generator.api.drawing import image_request, makes_images
from generator.api.prefer import PREFER_HEADER
from generator.ask import limits, one_statement, prices
from generator.ask.answers import Image, describe
from generator.ask.schemas import GenerateRequest
from generator.errors import GenerationNotFound
from generator.jobs import places
from generator.models import PUBLIC_ID, Generation
from kit import postgres
from kit.http.requests import site_of
from kit.threads import in_thread

router = Router(tags=["Images"])


@makes_images(router, "generate", summary="Generate an image", operation_id="generate_image")
async def generate(request: ApiRequest, body: GenerateRequest) -> HttpResponse:
    """Draw an image. Waits for it, or answers at once when `async` is true; a failure costs nothing."""
    return await draw(request, body)


@router.get(
    "/reve-image/status/{image_id}",
    auth=reading,
    response={200: Image},
    summary="Check an image's status",
    operation_id="image_status",
    openapi_extra={"parameters": [PREFER_HEADER]},
)
@router.get("/reve-image/status/{image_id}/", auth=reading, include_in_schema=False)
@router.get("/images/status/{image_id}", auth=reading, include_in_schema=False)
@router.get("/images/status/{image_id}/", auth=reading, include_in_schema=False)
async def status(
    request: ApiRequest, image_id: PathEx[str, P(description="The id that generate answered with.")]
) -> HttpResponse:
    """Tell how a generation is doing. Poll once a second; it costs nothing."""
    return await look(request, image_id)


# --- What both handlers of these endpoints do: the framework's, and the lean one ----------------------------------


async def draw(request: ApiRequest, body: GenerateRequest) -> HttpResponse:
    """Draw what is asked for in words."""
    return await fulfil(request, image_request(body, await prices.named_soon(body.model)), is_dry=body.dry_run)


async def describe_soon(generation: Generation, site: str) -> dict[str, Any]:
    """Return what look-ups tell of a generation."""
    asked_of = await prices.slug_soon(generation.image_model_id)
    return describe(generation, site, asked_of=asked_of, place=await places.place_soon(generation))


async def look(request: ApiRequest, image_id: str) -> HttpResponse:
    """Describe a generation of the caller's."""
    await limits.take_status_soon(request.caller)
    found: Generation | None = None
    if postgres.is_used() and PUBLIC_ID.fullmatch(image_id):
        found = await one_statement.find(request.caller, image_id)

    def find() -> Generation:
        mine = PUBLIC_ID.fullmatch(image_id) and known(request).generations().filter(public_id=image_id).first()
        if not mine:
            raise GenerationNotFound
        return mine

    if found is None:
        found = await in_thread(find)
    is_about(request, (found,))
    preference = prefer.of(request)
    [found], has_waited = await wait_for((found,), preference.wait or 0)
    response = answer(await describe_soon(found, site_of(request)))
    if applied := preference.applied(is_pending=False, has_waited=has_waited):
        response["Preference-Applied"] = applied
    return response
