"""The endpoints about images that were asked for: list them, look at one, call it off, delete it."""

from functools import partial
from typing import Any

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from ninja import P, PathEx, Query, Router

from generator.api import events, images
from generator.api.calling import ApiRequest, answer, auth, is_about, known, reading
from generator.api.prefer import PREFER_HEADER
from generator.ask import limits, prices
from generator.ask.answers import Image
from generator.ask.job_schemas import Cancel, DeletedImage, ImageList, ListQuery, describe_cancel
from generator.errors import GenerationNotFound, NotFinished, NotOffered
from generator.jobs import cancelling, places
from generator.library import history, trash
from generator.models import PUBLIC_ID, Generation, ImageModel
from kit.http.requests import site_of
from kit.threads import in_thread

EVENT_STREAM = "text/event-stream"
router = Router(tags=["Images"])
_ImageId = PathEx[str, P(description="The image's id.")]


@router.get(
    "/reve-image",
    auth=reading,
    response={200: ImageList},
    summary="List images",
    operation_id="list_images",
)
@router.get("/reve-image/", auth=reading, include_in_schema=False)
async def list_images(request: ApiRequest, query: Query[ListQuery]) -> HttpResponse:
    """List what you asked for, newest first, however far it got. What you deleted is left out."""
    await limits.take_status_soon(request.caller)
    page = await in_thread(partial(_page, request, query))
    site = site_of(request)
    data = [await images.describe_soon(one, site) for one in page.images]
    more = {"next_cursor": page.next} if page.next else {}
    return answer({"object": "list", "data": data, "has_more": bool(page.next), **more})


def _page(request: ApiRequest, query: ListQuery) -> history.Page:
    model = ImageModel.objects.filter(slug=query.model.replace("\x00", "")).first() if query.model else None
    if query.model and model is None:
        raise NotOffered("model", "there is none of that name; GET /v1/models lists them")
    wanted = history.Wanted(
        status=query.status or "",
        operation=query.operation or "",
        model=model,
        search=query.q,
        created_after=query.created_after,
        created_before=query.created_before,
    )
    return history.page(known(request).generations(), wanted, limit=query.limit, cursor=query.cursor)


@router.get(
    "/reve-image/{image_id}",
    auth=reading,
    response={200: Image},
    summary="Look at an image",
    operation_id="get_image",
    openapi_extra={"parameters": [PREFER_HEADER]},
)
@router.get("/reve-image/{image_id}/", auth=reading, include_in_schema=False)
async def get_image(request: ApiRequest, image_id: _ImageId) -> HttpResponse:
    """Tell what became of an image of yours: the same as its status."""
    return await images.look(request, image_id)


@router.delete(
    "/reve-image/{image_id}",
    auth=auth,
    response={200: DeletedImage},
    summary="Delete an image",
    operation_id="delete_image",
)
@router.delete("/reve-image/{image_id}/", auth=auth, include_in_schema=False)
async def delete_image(request: ApiRequest, image_id: _ImageId) -> HttpResponse:
    """Move a finished image to the trash. Its credits stay spent; in the gallery it can be restored for a while."""
    request.caller.require_key()
    await limits.take_status_soon(request.caller)
    await in_thread(partial(_delete, request, image_id))
    return answer({"id": image_id, "deleted": True})


def _delete(request: ApiRequest, image_id: str) -> None:
    found = _own(request, image_id)
    if not found.is_final:
        raise NotFinished
    if not trash.discard(found.wallet, [found.public_id]):
        raise GenerationNotFound


@router.post(
    "/reve-image/{image_id}/cancel",
    auth=auth,
    response={200: Cancel},
    summary="Cancel an image",
    operation_id="cancel_image",
)
@router.post("/reve-image/{image_id}/cancel/", auth=auth, include_in_schema=False)
@router.post("/reve-image/status/{image_id}/cancel", auth=auth, include_in_schema=False)
@router.post("/reve-image/status/{image_id}/cancel/", auth=auth, include_in_schema=False)
async def cancel_image(request: ApiRequest, image_id: _ImageId) -> HttpResponse:
    """Call off an image. Free while it is queued; the answer says what happens to one that is being made already."""
    await limits.take_status_soon(request.caller)
    found = await cancelling.cancel_soon(await in_thread(partial(_own, request, image_id)))
    asked_of, place = await prices.slug_soon(found.image_model_id), await places.place_soon(found)
    return answer(describe_cancel(found, site_of(request), asked_of=asked_of, place=place))


@router.get(
    "/reve-image/{image_id}/events",
    auth=reading,
    response={200: str},
    summary="Watch an image",
    operation_id="image_events",
)
@router.get("/reve-image/{image_id}/events/", auth=reading, include_in_schema=False)
async def image_events(request: ApiRequest, image_id: _ImageId) -> HttpResponseBase:
    """Tell what an image is doing now, then each change, as server-sent events until it has ended.

    Each is `event: status` with the image's JSON as `data`. It closes after ten minutes at most: connect again then.
    """
    caller = await in_thread(partial(known, request))
    found = await in_thread(partial(_own, request, image_id))
    if request.META["REQUEST_METHOD"] == "HEAD":
        return HttpResponse(content_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})
    leave = await events.take_place(caller)
    site = site_of(request)

    async def told(generation: Generation) -> dict[str, Any]:
        return await images.describe_soon(generation, site)

    response = StreamingHttpResponse(events.of(found, caller, told), content_type=EVENT_STREAM)
    response._resource_closers.append(leave)  # type: ignore[attr-defined]  # Django's own, as for files
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _own(request: ApiRequest, image_id: str) -> Generation:
    found = known(request).generations().filter(public_id=image_id).first() if PUBLIC_ID.fullmatch(image_id) else None
    if found is None:
        raise GenerationNotFound
    is_about(request, (found,))
    return found
