"""Calls as they come: JSON, or a form with pictures; and masks turned from transparent into white.

A form names pictures `image`, or `image[]` for several. In JSON they are `images`, each with an `image_url` (an address
or a data URL) or a `file_id` of ours; `image` and `mask` may be such words alone.
"""

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from tempfile import TemporaryFile
from typing import IO, Any, cast

from generator.api.calling import ApiRequest
from generator.api.forms import form, is_form, is_small
from generator.api.openai.errors import invalid
from generator.api.pictures import parsed
from generator.ask import inputs
from generator.ask.inputs import NO_PICTURE, Brought, Given
from generator.errors import BadImage, PictureRefused
from generator.files import masks, uploads
from generator.files.uploads import Sources
from generator.models import REMIX_MOST_INPUTS, Generation, Upload
from kit import storage
from kit.threads import Pool, in_thread

_PICTURES = ("image", "image[]", "images", "images[]")


@dataclass
class Call:
    """A call's words, and its pictures with the fields that they are in."""

    fields: dict[str, Any]
    images: list[tuple[str, Given]] = field(default_factory=list)
    mask: Given | None = None


async def read(request: ApiRequest, kept: ExitStack, *, brings_pictures: bool) -> Call:
    """Return a call. Files are `kept` until it is closed. Raises what `json_body` does, BrokenForm, PictureRefused."""
    work = partial(_read, request, kept, brings_pictures=brings_pictures)
    if is_small(request):
        return await in_thread(work, Pool.FILES)
    async with inputs.turn():
        return await in_thread(work, Pool.FILES)


async def resolve(request: ApiRequest, call: Call) -> tuple[list[Generation | Upload], Generation | Upload | None]:
    """Return the rows of a call's pictures, and of its mask in our colours. Raises what `inputs.resolve_for` does."""
    caller = request.caller
    if call.mask is None:
        return await inputs.resolve_for(caller, call.images), None
    with ExitStack() as turned:
        mask = call.mask
        if not isinstance(mask, Brought):  # it is to be had first
            [row] = await inputs.resolve_for(caller, [("mask", mask)])
            mask = Brought(await _read_back(row))
            turned.enter_context(mask.file)
        mask = Brought(await _turned(mask.file))
        turned.enter_context(mask.file)
        rows = await inputs.resolve_for(caller, [*call.images, ("mask", mask)])
    return rows[:-1], rows[-1]


def _read(request: ApiRequest, kept: ExitStack, *, brings_pictures: bool) -> Call:
    if is_form(request) and brings_pictures:
        return _from_form(request, kept)
    fields = parsed(request)
    return _from_json(fields, kept) if brings_pictures else Call(fields)


def _from_form(request: ApiRequest, kept: ExitStack) -> Call:
    words, files = form(request, kept)
    call = Call({name: words[name] for name in words if words[name] != ""})
    # A picture that is refused is so before anything is asked of it: its name alone tells that.
    call.fields |= {name: "" for name in files if name not in (*_PICTURES, "mask")}
    found: list[str | IO[bytes]] = [text for name in _PICTURES for text in words.getlist(name) if text]
    found += [cast(IO[bytes], file) for name in _PICTURES for file in files.getlist(name)]
    call.images = _numbered([_given(one, "image", kept) for one in found])
    masks_given = [*filter(None, words.getlist("mask")), *files.getlist("mask")]
    if masks_given:
        call.mask = _given(masks_given[-1], "mask", kept)
    return call


def _from_json(fields: dict[str, Any], kept: ExitStack) -> Call:
    call = Call({name: value for name, value in fields.items() if name not in (*_PICTURES, "mask")})
    found = [one for name in _PICTURES if name in fields for one in _listed(fields[name])]
    call.images = _numbered([_given(_words(one, "image"), "image", kept) for one in found])
    if "mask" in fields:
        call.mask = _given(_words(fields["mask"], "mask"), "mask", kept)
    return call


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(one: Any, param: str) -> str:
    """Return what names a picture in JSON. Raises Told."""
    if isinstance(one, dict):
        one = one.get("image_url") or one.get("file_id")
    if isinstance(one, dict):  # as in messages: {"url": "…"}
        one = one.get("url")
    if not isinstance(one, str) or not one:
        raise invalid(param, "it must have an image_url, which is an https:// address or a data URL, or a file_id")
    return one


def _given(one: str | IO[bytes], param: str, kept: ExitStack) -> Given:
    given = inputs.told(one, param) if isinstance(one, str) else Brought(one)
    if isinstance(given, Brought):
        kept.enter_context(given.file)
    return given


def _numbered(given: list[Given]) -> list[tuple[str, Given]]:
    if len(given) > REMIX_MOST_INPUTS:
        raise invalid("image", f"it may be up to {REMIX_MOST_INPUTS} pictures")
    if len(given) == 1:
        return [("image", given[0])]
    return [(f"image.{number}", one) for number, one in enumerate(given)]


# --- Masks ---------------------------------------------------------------------------------------------------------


async def _turned(file: IO[bytes]) -> IO[bytes]:
    """Return a mask that is white where this one is transparent. Raises PictureRefused."""
    async with inputs.turn():
        data = await in_thread(partial(_all_of, file), Pool.FILES)
        if len(data) > uploads.MOST_BYTES:
            raise PictureRefused("mask", f"it has more than {uploads.MOST_BYTES // 1024**2} MB")
        try:
            white = await in_thread(partial(masks.white_where_transparent, data), Pool.PROCESSOR)
        except masks.NoTransparency as error:
            raise PictureRefused("mask", str(error)) from error
        except BadImage as error:
            raise PictureRefused("mask", NO_PICTURE) from error
        return await in_thread(partial(_kept, white), Pool.FILES)


async def _read_back(row: Generation | Upload) -> IO[bytes]:
    """Return the bytes of an upload that a mask was named by. Raises PictureRefused, StorageAway."""
    if isinstance(row, Generation):
        raise PictureRefused("mask", "it must be a file that you bring, not an image that was made here")
    _, picture = await storage.in_time(partial(uploads.pictures_of, Sources(mask=row)))
    assert picture is not None
    return await in_thread(partial(_kept, picture.data), Pool.FILES)


def _all_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(uploads.MOST_BYTES + 1)


def _kept(data: bytes) -> IO[bytes]:
    file: IO[bytes] = TemporaryFile()  # noqa: SIM115 (whoever gets it closes it)
    file.write(data)
    file.seek(0)
    return file
