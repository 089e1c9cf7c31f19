"""Bytes from outside become a verified image in storage, with its thumbnails; and how they are read and deleted."""

import io
import warnings
from dataclasses import dataclass

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image, ImageOps

from generator.errors import BadImage

FORMATS = ("PNG", "JPEG", "WEBP")
EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "MPO": "jpg", "WEBP": "webp"}  # an MPO is a JPEG with a second picture in it
CONTENT_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
THUMBNAIL_SIDES = (480, 960)  # pixels of the longer side
MIN_SIDE = 16
CONVERTED_QUALITY = 92


@dataclass(frozen=True)
class StoredImage:
    """An image in storage, `width` by `height` as viewers show it. `size` is in bytes, `colour` its mean as #rrggbb."""

    extension: str
    size: int
    width: int
    height: int
    colour: str


def store(data: bytes, token: str) -> StoredImage:
    """Verify `data` by decoding it, and save it with its thumbnails under `token`; saving again overwrites.

    Raises BadImage when it is no PNG, JPEG or WebP, is broken, or has more than `IMAGE_MAX_PIXELS`.
    """
    image, extension = _decoded(data)
    small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    for side in sorted(THUMBNAIL_SIDES, reverse=True):
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        _save(thumbnail_name(token, side), _webp(small))
    _save(path_of(f"{token}.{extension}"), data)
    return StoredImage(extension, len(data), image.width, image.height, _mean_colour(small))


def path_of(file_name: str) -> str:
    """Return where `file_name` lies in storage: spread over folders, so that none holds a million files."""
    return f"{file_name[:2]}/{file_name}"


def thumbnail_name(token: str, side: int) -> str:
    """Return the path of the thumbnail whose longer side is `side` pixels."""
    return path_of(f"{token}_{side}.webp")


def read(file_name: str) -> bytes:
    """Return a stored file's bytes. Raises FileNotFoundError."""
    with default_storage.open(path_of(file_name)) as file:
        return bytes(file.read())


def convert(data: bytes, to: str) -> bytes:
    """Return a stored image as PNG, JPEG or WebP (`to`, one of `FORMATS`). JPEG knows no transparency: white is below.

    Raises BadImage.
    """
    image, _ = _decoded(data)
    profile = image.info.get("icc_profile") if image.mode != "CMYK" else None  # its colours would no longer fit
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if to == "JPEG" and image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, to, quality=CONVERTED_QUALITY, icc_profile=profile)
    return buffer.getvalue()


def delete(token: str) -> None:
    """Remove an image, whatever its format, and its thumbnails; what is gone already is fine."""
    originals = [path_of(f"{token}.{extension}") for extension in CONTENT_TYPES]
    for path in [*originals, *(thumbnail_name(token, side) for side in THUMBNAIL_SIDES)]:
        default_storage.delete(path)


def _decoded(data: bytes) -> tuple[Image.Image, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        if image.width * image.height > settings.IMAGE_MAX_PIXELS:
            raise BadImage(f"the image has {image.width} x {image.height} pixels")
        if min(image.size) < MIN_SIDE:
            raise BadImage(f"the image has only {image.width} x {image.height} pixels")
        image.load()
        return _eight_bits(ImageOps.exif_transpose(image)), EXTENSIONS[image.format or ""]
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


def _webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80, method=2)  # 2: half the time of 4 for 4 % more bytes
    return buffer.getvalue()


def _save(path: str, data: bytes) -> None:
    default_storage.save(path, ContentFile(data))


def _mean_colour(image: Image.Image) -> str:
    red, green, blue = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).tobytes()
    return f"#{red:02x}{green:02x}{blue:02x}"
