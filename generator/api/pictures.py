"""The endpoints of `/v1` that pictures are brought to: edit, remix, and files."""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import IO, Any, TypeVar, cast

from django.http import HttpResponse
from ninja import P, PathEx, Router
from ninja.errors import ValidationError
from pydantic import ValidationError as Invalid

from generator.api.calling import ApiRequest, answer, auth, fulfil, idempotency_key
from generator.api.drawing import image_request, makes_images
from generator.api.forms import closing, form, is_form, is_small, let_go_of_body, mask_of
from generator.ask import inputs, limits, prices
from generator.ask.answers import DeletedFile, File, describe_file
from generator.ask.inputs import Brought, Given
from generator.ask.schemas import EditRequest, RemixRequest
from generator.calls import words as words_kept
from generator.errors import BrokenForm, PictureRefused, UploadNotFound
from generator.files import uploads
from generator.models import Generation, Operation, Upload
from kit.http import json_body
from kit.threads import Pool, in_thread

router = Router()

T = TypeVar("T")
Body = TypeVar("Body", EditRequest, RemixRequest)
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_WHOLE = re.compile(r"-?\d{1,20}", re.ASCII)
_FILE = "file_0"  # stands for a form's file while its words are validated


@makes_images(router, "edit", summary="Edit an image", operation_id="edit_image")
async def edit(request: ApiRequest) -> HttpResponse:
    """Change an image as the prompt says, and only where a mask is white if there is one. Else as `generate`."""
    idempotency_key(request)
    with closing() as kept:
        body, given = await _read(request, EditRequest, kept, {"image": False, "mask": False})
        rows = dict(zip([param for param, _ in given], await _rows(request, given), strict=True))
    model = await prices.named_soon(body.model)
    image, mask = rows["image"], rows.get("mask")
    only = request.caller.api_key.image_models
    ratios = await in_thread(partial(prices.ratios_of, model, Operation.EDIT, only))
    ratio = body.aspect_ratio or inputs.nearest_ratio(image.width or 1, image.height or 1, ratios)
    its_own = {"operation": Operation.EDIT, "aspect_ratio": ratio, "inputs": (image,), "mask": mask_of(mask, image)}
    return await fulfil(request, image_request(body, model, **its_own), is_dry=body.dry_run)


@makes_images(router, "remix", summary="Draw from reference images", operation_id="remix_images")
async def remix(request: ApiRequest) -> HttpResponse:
    """Draw a new image that goes by one to six others and the prompt. Else as `generate`."""
    idempotency_key(request)
    with closing() as kept:
        body, given = await _read(request, RemixRequest, kept, {"images": True})
        rows = await _rows(request, given)
    asked = image_request(body, await prices.named_soon(body.model), operation=Operation.REMIX, inputs=tuple(rows))
    return await fulfil(request, asked, is_dry=body.dry_run)


@router.post(
    "/files", auth=auth, tags=["Files"], response={200: File}, summary="Upload a file", operation_id="upload_file"
)
@router.post("/files/", auth=auth, include_in_schema=False)
async def upload_file(request: ApiRequest) -> HttpResponse:
    """Keep a PNG, JPEG or WebP of up to 20 MB, to make images from. Free; the same picture twice is one file."""
    if not is_form(request):
        raise BrokenForm
    with closing() as kept:
        _, files = await in_thread(partial(form, request, kept), Pool.FILES)
        if (file := files.get("file")) is None:
            raise PictureRefused("file", "there is no file of this name in the form")
        await limits.take_uploads_soon(request.caller.wallet, 1, request.caller.token)
        upload = await inputs.bring(request.caller.wallet, cast(IO[bytes], file), "file", request.caller.token)
    return answer(describe_file(upload, uploads.media_type_of(upload)))


_FileId = PathEx[str, P(description="The file's id.")]


@router.get(
    "/files/{file_id}",
    auth=auth,
    tags=["Files"],
    response={200: File},
    summary="Look at a file",
    operation_id="get_file",
)
@router.get("/files/{file_id}/", auth=auth, include_in_schema=False)
async def get_file(request: ApiRequest, file_id: _FileId) -> HttpResponse:
    """Tell what is known of a file of yours."""
    await limits.take_status_soon(request.caller)
    upload = await in_thread(partial(uploads.find, request.caller.wallet, file_id, request.caller.token))
    if upload is None:
        raise UploadNotFound
    return answer(describe_file(upload, uploads.media_type_of(upload)))


@router.delete(
    "/files/{file_id}",
    auth=auth,
    tags=["Files"],
    response={200: DeletedFile},
    summary="Delete a file",
    operation_id="delete_file",
)
@router.delete("/files/{file_id}/", auth=auth, include_in_schema=False)
async def delete_file(request: ApiRequest, file_id: _FileId) -> HttpResponse:
    """Delete a file of yours for good. Images that were made from it stay."""
    request.caller.require_key()
    await limits.take_status_soon(request.caller)
    if not await in_thread(partial(uploads.discard, request.caller.wallet, file_id)):
        raise UploadNotFound
    return answer({"id": file_id, "deleted": True})


async def _rows(request: ApiRequest, given: Sequence[tuple[str, Given]]) -> list[Generation | Upload]:
    return await inputs.resolve_for(request.caller, given)


# --- Reading bodies ------------------------------------------------------------------------------------------------


async def _read(
    request: ApiRequest, schema: type[Body], kept: ExitStack, pictures: dict[str, bool]
) -> tuple[Body, list[tuple[str, Given]]]:
    """Return a body's words, validated, and its pictures with the fields that they are in.

    `pictures` are the fields that have some, and whether several. What is large has its turn and goes to the disk.
    """
    work = partial(_from_form if is_form(request) else _from_json, request, schema, kept, pictures)
    if is_small(request):
        return await in_thread(work, Pool.FILES)
    async with inputs.turn():
        return await in_thread(work, Pool.FILES)


def _from_json(
    request: ApiRequest, schema: type[Body], kept: ExitStack, pictures: dict[str, bool]
) -> tuple[Body, list[tuple[str, Given]]]:
    fields = parsed(request)
    body = _validated(schema, fields)
    given: list[tuple[str, Given]] = []
    for name, several in pictures.items():
        value = getattr(body, name)
        for param, words in _numbered(name, value) if several else [(name, value)]:
            if words or name != "mask":
                given.append((param, _kept(inputs.told(words, param), kept)))
        setattr(body, name, [] if several else "")  # they may be large, and this one may wait for minutes
    return body, given


def _from_form(
    request: ApiRequest, schema: type[Body], kept: ExitStack, pictures: dict[str, bool]
) -> tuple[Body, list[tuple[str, Given]]]:
    words, files = form(request, kept)
    fields: dict[str, Any] = {name: words[name] for name in words if words[name] != ""}
    for name in ("async", "dry_run"):
        if isinstance(told := fields.get(name), str):
            fields[name] = _TRUTHS.get(told.lower(), told)
    for name in ("n", "seed", "deadline_seconds"):
        if _WHOLE.fullmatch(str(fields.get(name))):
            fields[name] = int(fields[name])
    found: dict[str, list[str | IO[bytes]]] = {}
    for name, several in pictures.items():
        names = [name, f"{name}[]"] if several else [name]
        all_of_it: list[str | IO[bytes]] = [text for one in names for text in words.getlist(one) if text]
        all_of_it += [cast(IO[bytes], file) for one in names for file in files.getlist(one)]
        found[name] = all_of_it if several else all_of_it[-1:]
        fields.pop(name, None)
        if all_of_it:
            fields[name] = [_FILE for _ in all_of_it] if several else _FILE
    body = _validated(schema, fields)
    given: list[tuple[str, Given]] = []
    for name, several in pictures.items():
        for param, one in _numbered(name, found[name]) if several else [(name, one) for one in found[name]]:
            given.append((param, _kept(inputs.told(one, param), kept) if isinstance(one, str) else Brought(one)))
    return body, given


def _numbered(name: str, values: list[T]) -> list[tuple[str, T]]:
    return [(f"{name}.{number}", value) for number, value in enumerate(values)]


def _kept(given: Given, kept: ExitStack) -> Given:
    if isinstance(given, Brought):
        kept.enter_context(given.file)
    return given


def parsed(request: ApiRequest) -> dict[str, Any]:
    """Return the fields of a body in JSON that may be large, and give back its room.

    One that the request log keeps as it is stays: what brings no pictures can be run again from there.
    """
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdigit() and int(length) <= words_kept.LONGEST_RAW:
        return json_body.parse(request, most=words_kept.LONGEST_RAW)
    fields = json_body.parse(request, most=None)
    request.told = words_kept.told(fields)
    let_go_of_body(request)
    return fields


def _validated(schema: type[Body], fields: dict[str, Any]) -> Body:
    try:
        return schema.model_validate(fields)
    except Invalid as error:
        raise ValidationError(faults(error)) from None


def faults(error: Invalid) -> list[dict[str, Any]]:
    """Return what is wrong with the fields, without what was sent: it may be large."""
    found: list[Any] = list(error.errors(include_input=False))
    return [{**fault, "loc": ("body", *fault["loc"])} for fault in found]
