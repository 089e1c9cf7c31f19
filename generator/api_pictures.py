"""The endpoints of `/v1` that pictures are brought to: edit, remix, and files."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import IO, Any, TypeVar, cast

from django.core.exceptions import TooManyFilesSent
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.utils.datastructures import MultiValueDict
from ninja import P, PathEx, Router
from ninja.errors import ValidationError
from pydantic import ValidationError as Invalid

from generator.api import IDEMPOTENCY_KEY_HEADER, ApiRequest, answer, auth, fulfil, idempotency_key
from generator.ask import inputs, limits, prices
from generator.ask.admission import ImageRequest
from generator.ask.inputs import Brought, Given
from generator.ask.schemas import (
    CompletedImage,
    DeletedFile,
    EditRequest,
    File,
    PendingImage,
    RemixRequest,
    describe_file,
)
from generator.errors import BrokenForm, PictureRefused, UploadNotFound
from generator.files import uploads
from generator.models import Generation, Operation, Upload
from kit.http import json_body
from kit.threads import Pool, in_thread

router = Router()

T = TypeVar("T")
Body = TypeVar("Body", EditRequest, RemixRequest)
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
_FILE = "file_0"  # stands for a form's file while its words are validated


@router.post(
    "/reve-image/edit",
    auth=auth,
    tags=["Images"],
    response={200: CompletedImage, 202: PendingImage},
    summary="Edit an image",
    operation_id="edit_image",
    openapi_extra={"parameters": [IDEMPOTENCY_KEY_HEADER]},
)
@router.post("/reve-image/edit/", auth=auth, include_in_schema=False)
@router.post("/images/edit", auth=auth, include_in_schema=False)
@router.post("/images/edit/", auth=auth, include_in_schema=False)
async def edit(request: ApiRequest) -> HttpResponse:
    """Change an image as the prompt says, and only where a mask is white if there is one. Else as `generate`."""
    idempotency_key(request)
    with _closing() as kept:
        body, given = await _read(request, EditRequest, kept, {"image": False, "mask": False})
        rows = dict(zip([param for param, _ in given], await inputs.resolve(request.wallet, given), strict=True))
    model = await prices.named_soon(body.model)
    image, mask = rows["image"], rows.get("mask")
    ratios = await in_thread(partial(prices.ratios_of, model, Operation.EDIT))
    wanted = ImageRequest(
        prompt=body.prompt,
        negative_prompt=body.negative_prompt,
        aspect_ratio=body.aspect_ratio or inputs.nearest_ratio(image.width or 1, image.height or 1, ratios),
        wait=not body.asynchronous,
        operation=Operation.EDIT,
        model=model,
        size=body.size,
        quality=body.quality,
        inputs=(image,),
        mask=_mask(mask, image),
    )
    return await fulfil(request, wanted)


@router.post(
    "/reve-image/remix",
    auth=auth,
    tags=["Images"],
    response={200: CompletedImage, 202: PendingImage},
    summary="Draw from reference images",
    operation_id="remix_images",
    openapi_extra={"parameters": [IDEMPOTENCY_KEY_HEADER]},
)
@router.post("/reve-image/remix/", auth=auth, include_in_schema=False)
@router.post("/images/remix", auth=auth, include_in_schema=False)
@router.post("/images/remix/", auth=auth, include_in_schema=False)
async def remix(request: ApiRequest) -> HttpResponse:
    """Draw a new image that goes by one to six others and the prompt. Else as `generate`."""
    idempotency_key(request)
    with _closing() as kept:
        body, given = await _read(request, RemixRequest, kept, {"images": True})
        rows = await inputs.resolve(request.wallet, given)
    wanted = ImageRequest(
        prompt=body.prompt,
        negative_prompt=body.negative_prompt,
        aspect_ratio=body.aspect_ratio,
        wait=not body.asynchronous,
        operation=Operation.REMIX,
        model=await prices.named_soon(body.model),
        size=body.size,
        quality=body.quality,
        inputs=tuple(rows),
    )
    return await fulfil(request, wanted)


@router.post(
    "/files", auth=auth, tags=["Files"], response={200: File}, summary="Upload a file", operation_id="upload_file"
)
@router.post("/files/", auth=auth, include_in_schema=False)
async def upload_file(request: ApiRequest) -> HttpResponse:
    """Keep a PNG, JPEG or WebP of up to 20 MB, to make images from. Free; the same picture twice is one file."""
    if not _is_form(request):
        raise BrokenForm
    with _closing() as kept:
        _, files = await in_thread(partial(_form, request, kept), Pool.FILES)
        if (file := files.get("file")) is None:
            raise PictureRefused("file", "there is no file of this name in the form")
        await limits.take_uploads_soon(request.wallet, 1)
        upload = await inputs.bring(request.wallet, cast(IO[bytes], file), "file")
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
    await limits.take_status_soon(request.wallet)
    upload = await in_thread(partial(uploads.find, request.wallet, file_id))
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
    await limits.take_status_soon(request.wallet)
    if not await in_thread(partial(uploads.discard, request.wallet, file_id)):
        raise UploadNotFound
    return answer({"id": file_id, "deleted": True})


# --- Reading bodies ------------------------------------------------------------------------------------------------


@contextmanager
def _closing() -> Iterator[ExitStack]:
    """Close whatever is read into files, however it ends."""
    with ExitStack() as kept:
        yield kept


async def _read(
    request: ApiRequest, schema: type[Body], kept: ExitStack, pictures: dict[str, bool]
) -> tuple[Body, list[tuple[str, Given]]]:
    """Return a body's words, validated, and its pictures with the fields that they are in.

    `pictures` are the fields that have some, and whether several. What is large has its turn and goes to the disk.
    """
    work = partial(_from_form if _is_form(request) else _from_json, request, schema, kept, pictures)
    if int(request.META.get("CONTENT_LENGTH") or 0) > SMALL or not request.META.get("CONTENT_LENGTH"):
        async with inputs.turn():
            return await in_thread(work, Pool.FILES)
    return await in_thread(work, Pool.FILES)


SMALL = 64 * 1024


def _from_json(
    request: ApiRequest, schema: type[Body], kept: ExitStack, pictures: dict[str, bool]
) -> tuple[Body, list[tuple[str, Given]]]:
    fields = _parsed(request)
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
    words, files = _form(request, kept)
    fields: dict[str, Any] = {name: words[name] for name in words if words[name] != ""}
    if isinstance(told := fields.get("async"), str):
        fields["async"] = _TRUTHS.get(told.lower(), told)
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


def _parsed(request: HttpRequest) -> dict[str, Any]:
    parsed = json_body.parse(request, most=None)
    _let_go_of_body(request)
    return parsed


def _is_form(request: HttpRequest) -> bool:
    return request.content_type == "multipart/form-data"


def _form(request: HttpRequest, kept: ExitStack) -> tuple[QueryDict, MultiValueDict[str, Any]]:
    """Return a form's words and files, which wait on the disk. Raises BrokenForm."""
    request.upload_handlers = [TemporaryFileUploadHandler(request)]
    try:
        words, files = request.POST, request.FILES
    except (MultiPartParserError, TooManyFilesSent, ValueError) as error:
        raise BrokenForm from error
    for name in files:
        for file in files.getlist(name):
            kept.enter_context(file)
    _let_go_of_body(request)
    return words, files


def _let_go_of_body(request: HttpRequest) -> None:
    """Give back the room that a body takes which was read: whoever sent it may wait for an image for minutes."""
    stream: Any = getattr(request, "_stream", None)
    if hasattr(stream, "truncate"):
        stream.seek(0)
        stream.truncate()


def _validated(schema: type[Body], fields: dict[str, Any]) -> Body:
    try:
        return schema.model_validate(fields)
    except Invalid as error:
        raise ValidationError(_faults(error)) from None


def _faults(error: Invalid) -> list[dict[str, Any]]:
    """Return what is wrong with the fields, without what was sent: it may be large."""
    found: list[Any] = list(error.errors(include_input=False))
    return [{**fault, "loc": ("body", *fault["loc"])} for fault in found]


def _mask(mask: Generation | Upload | None, image: Generation | Upload) -> Upload | None:
    if mask is None:
        return None
    if isinstance(mask, Generation):
        raise PictureRefused("mask", "it must be a file that you bring, not an image that was made here")
    if (mask.width, mask.height) != (image.width, image.height):
        raise PictureRefused("mask", f"it must be as large as the image, {image.width} x {image.height} pixels")
    return mask
