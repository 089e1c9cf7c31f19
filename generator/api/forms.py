"""Forms with files, as the API reads them: onto the disk, and closed however a call ends."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.utils.datastructures import MultiValueDict

from generator.api.calling import ApiRequest
from generator.calls import words as words_kept
from generator.errors import BrokenForm, FormTooWordy, PictureRefused
from generator.models import Generation, Upload

SMALL = 64 * 1024  # bytes of a body that takes no turn to be read


@contextmanager
def closing() -> Iterator[ExitStack]:
    """Close whatever is read into files, however it ends."""
    with ExitStack() as kept:
        yield kept


def is_form(request: HttpRequest) -> bool:
    """Tell whether a request says that its body is a form with files."""
    return request.content_type == "multipart/form-data"


def is_small(request: HttpRequest) -> bool:
    """Tell whether a request says that its body is small."""
    length: str = request.META.get("CONTENT_LENGTH") or ""
    return length.isdigit() and int(length) <= SMALL


def form(request: ApiRequest, kept: ExitStack) -> tuple[QueryDict, MultiValueDict[str, Any]]:
    """Return a form's words and files, which wait on the disk. Raises BrokenForm, FormTooWordy."""
    request.upload_handlers = [TemporaryFileUploadHandler(request)]
    try:
        words, files = request.POST, request.FILES
    except RequestDataTooBig as error:  # of what waits in memory, so not of files
        raise FormTooWordy from error
    except (MultiPartParserError, TooManyFieldsSent, TooManyFilesSent, ValueError) as error:
        raise BrokenForm from error
    brought: dict[str, Any] = dict(words.lists())
    for name in files:
        for file in files.getlist(name):
            kept.enter_context(file)
        brought[name] = [words_kept.sized(file.size or 0) for file in files.getlist(name)]
    request.told = words_kept.told({name: each[0] if len(each) == 1 else each for name, each in brought.items()})
    let_go_of_body(request)
    return words, files


def let_go_of_body(request: HttpRequest) -> None:
    """Give back the room that a body takes which was read: whoever sent it may wait for an image for minutes."""
    stream: Any = getattr(request, "_stream", None)
    if hasattr(stream, "truncate"):
        stream.seek(0)
        stream.truncate()


def mask_of(mask: Generation | Upload | None, image: Generation | Upload) -> Upload | None:
    """Return the mask of an edit of `image`. Raises PictureRefused for one that does not fit."""
    if mask is None:
        return None
    if isinstance(mask, Generation):
        raise PictureRefused("mask", "it must be a file that you bring, not an image that was made here")
    if (mask.width, mask.height) != (image.width, image.height):
        raise PictureRefused("mask", f"it must be as large as the image, {image.width} x {image.height} pixels")
    return mask
