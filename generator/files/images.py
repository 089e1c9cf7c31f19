"""Bytes from outside become a verified image in storage, with its thumbnails; and how they are read and deleted."""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image, ImageOps

from generator.errors import BadImage, OddSize
from generator.files import marks
from generator.files.marks import Mark
from generator.files.standing import storage_trouble
from kit import storage

__all__ = ["storage_trouble"]  # of this room, for those who ask whether images can be kept

FORMATS = ("PNG", "JPEG", "WEBP")
EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "WEBP": "webp"}  # an MPO is a JPEG with a second picture in it
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
THUMBNAIL_SIDES = (480, 960)  # pixels of the longer side
NEARLY = 1.1  # times its side a thumbnail may have: making it that little smaller costs more than it saves
MIN_SIDE = 16
CONVERTED_QUALITY = 92
ANEW_QUALITY = 95
_ORIENTATION = 0x0112  # in EXIF


@dataclass(frozen=True)
class StoredImage:
    """An image in storage, `width` by `height` as viewers show it. `size` is in bytes, `colour` its mean as #rrggbb.

    `is_turned`: its pixels lie otherwise than viewers show them, as its file tells them to.
    """

    extension: str
    size: int
    width: int
    height: int
    colour: str
    is_turned: bool = False


def verify(data: bytes) -> StoredImage:
    """Decode `data` and return what it is.

    Raises BadImage when it is no PNG, JPEG or WebP, is broken, or has more than `IMAGE_MAX_PIXELS`.
    """
    image, extension, is_turned = _upright(data)
    return StoredImage(extension, len(data), image.width, image.height, _mean_colour(image), is_turned)


def prepared(data: bytes, mark: Mark, edited: bytes | None = None) -> tuple[bytes, StoredImage]:
    """Verify an image and return it as it is to be kept, with its mark in it, and what that is.

    `edited` is the file that it is an edit of (`marks.stored`). Raises BadImage.
    """
    image = verify(data)
    marked = marks.stored(data, mark, edited)
    return marked, replace(image, size=len(marked))


def keep(data: bytes, token: str, image: StoredImage) -> None:
    """Save verified `data` under `token`; saving again overwrites. Raises StorageAway, as all that asks the storage."""
    _save(path_of(f"{token}.{image.extension}"), data)


def store(data: bytes, token: str) -> StoredImage:
    """Verify and keep an image. Raises BadImage."""
    image = verify(data)
    keep(data, token, image)
    return image


def thumbnails(data: bytes, mark: Mark | None = None) -> dict[int, bytes]:
    """Return a verified image in the sizes that pages show, by their longer side, each with the mark."""
    small, _ = _decoded(data)
    mode = "RGBA" if small.has_transparency_data else "RGB"
    if small.mode != mode:
        small = small.convert(mode)
    packet = marks.mark_like(data, mark).packet if mark else b""
    made = {}
    for side in sorted(THUMBNAIL_SIDES, reverse=True):  # each is made of the larger one
        if max(small.size) > side * NEARLY:
            small.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=1.0)
        made[side] = _webp(small, packet)
    return made


def keep_thumbnails(token: str, made: Mapping[int, bytes]) -> None:
    """Save what `thumbnails` made; saving again overwrites."""
    for side, data in made.items():
        _save(thumbnail_name(token, side), data)


def delete_thumbnails(token: str) -> None:
    """Remove an image's thumbnails; what is gone already is fine."""
    for side in THUMBNAIL_SIDES:
        _delete(thumbnail_name(token, side))


def path_of(file_name: str) -> str:
    """Return where `file_name` lies in storage: spread over folders, so that none holds a million files."""
    return f"{file_name[:2]}/{file_name}"


def thumbnail_name(token: str, side: int) -> str:
    """Return the path of the thumbnail whose longer side is `side` pixels."""
    return path_of(f"{token}_{side}.webp")


def read(file_name: str) -> bytes:
    """Return a stored file's bytes. Raises FileNotFoundError, StorageAway."""
    with storage.opened(default_storage, path_of(file_name)) as file:
        return bytes(file.read())


def read_thumbnail(token: str, side: int) -> bytes:
    """Return a stored thumbnail's bytes. Raises FileNotFoundError, StorageAway."""
    with storage.opened(default_storage, thumbnail_name(token, side)) as file:
        return bytes(file.read())


def convert(
    data: bytes, to: str, mark: Mark, *, quality: int = CONVERTED_QUALITY, within: tuple[int, int] | None = None
) -> bytes:
    """Return a stored image as PNG, JPEG or WebP (`to`, one of `FORMATS`), marked. JPEG knows no transparency: white
    is below. `quality` is 1 to 100, of the two that lose some.

    It is made smaller where it has more pixels across or down than `within` says. Raises BadImage.
    """
    image, _ = _decoded(data)
    profile = image.info.get("icc_profile") if image.mode != "CMYK" else None  # its colours would no longer fit
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if to == "JPEG" and image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if within is not None:
        image.thumbnail(within, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, to, quality=quality, icc_profile=profile)
    return marks.converted(buffer.getvalue(), data, mark)


def opened(data: bytes) -> Image.Image:
    """Return a picture as viewers show it, decoded. Raises BadImage."""
    return _decoded(data)[0]


def made_anew(data: bytes) -> bytes:
    """Return a stored image in a file of its own format that has its picture, upright, and its colours' profile.

    Raises BadImage.
    """
    image, extension = _decoded(data)
    profile = image.info.get("icc_profile")
    image.info = {name: image.info[name] for name in ("transparency",) if name in image.info}
    buffer = io.BytesIO()
    if extension == "png":
        image.save(buffer, "PNG", icc_profile=profile)
    elif extension == "jpg":
        image.save(buffer, "JPEG", icc_profile=profile, quality=ANEW_QUALITY)
    else:
        is_lossless = b"VP8L" in data
        image.save(buffer, "WEBP", icc_profile=profile, quality=ANEW_QUALITY, lossless=is_lossless, exact=is_lossless)
    return buffer.getvalue()


def delete(token: str) -> None:
    """Remove an image, whatever its format, and its thumbnails; what is gone already is fine."""
    for extension in CONTENT_TYPES:
        _delete(path_of(f"{token}.{extension}"))
    delete_thumbnails(token)


def _decoded(data: bytes) -> tuple[Image.Image, str]:
    image, extension, _ = _upright(data)
    return image, extension


def _upright(data: bytes) -> tuple[Image.Image, str, bool]:
    """Return an image as viewers show it, its extension, and whether it had to be turned for that. Raises BadImage."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > settings.IMAGE_MAX_PIXELS:
            raise OddSize(f"the image has {image.width} x {image.height} pixels")
        if min(image.size) < MIN_SIDE:
            raise OddSize(f"the image has only {image.width} x {image.height} pixels")
        image.load()
        extension = EXTENSIONS[image.format or ""]
        is_turned = image.getexif().get(_ORIENTATION, 1) != 1
        ImageOps.exif_transpose(image, in_place=True)
        return _eight_bits(image), extension, is_turned
    except (BadImage, MemoryError):
        raise
    except Exception as error:  # on broken files Pillow raises nearly anything
        raise BadImage(f"the image cannot be decoded: {error!r}") from error


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return 16-bit grey scaled to 8 bits, which a plain conversion would clip to white."""
    if not image.mode.startswith("I"):
        return image
    grey = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    grey.info.pop("transparency", None)  # a 16-bit value, of no use any more
    return grey


def _webp(image: Image.Image, xmp: bytes) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80, method=0, xmp=xmp)  # 0: half the time of 2 for a tenth more bytes
    return buffer.getvalue()


def _save(path: str, data: bytes) -> None:
    with storage.asked():
        default_storage.save(path, ContentFile(data))


def _delete(path: str) -> None:
    with storage.asked():
        default_storage.delete(path)


def _mean_colour(image: Image.Image) -> str:
    few = image.resize((min(image.width, 64), min(image.height, 64)), Image.Resampling.NEAREST)  # all would take 5 ms
    red, green, blue = few.convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
    return f"#{red:02x}{green:02x}{blue:02x}"
