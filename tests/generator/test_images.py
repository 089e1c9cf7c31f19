"""Bytes from outside: what is kept as an image, what is refused, and the thumbnails made of it."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generator.errors import BadImage
from generator.files import images
from sandbox.spoiled import bomb

TOKEN = "T" * 32


@pytest.fixture(autouse=True)
def _storage(images: None) -> None:
    """Every test here has a storage of its own."""


def picture(mode: str = "RGB", size: tuple[int, int] = (320, 200), colour: Any = None) -> Image.Image:
    """A left half in one colour and a right half in another."""
    image = Image.new(mode, size)
    colour = _WHITE.get(mode, (255,) * len(mode)) if colour is None else colour
    image.paste(Image.new(mode, (size[0] // 2, size[1]), colour), (0, 0))
    return image


_WHITE: dict[str, Any] = {"1": 1, "L": 255, "I;16": 65535, "P": 1}


def encoded(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def thumbnail(side: int, token: str = TOKEN) -> Image.Image:
    image = Image.open(io.BytesIO(images.read(f"{token}_{side}.webp")))
    image.load()
    return image


def store(data: bytes, token: str = TOKEN) -> images.StoredImage:
    """Verify and keep an image, and make its thumbnails."""
    stored = images.store(data, token)
    images.keep_thumbnails(token, images.thumbnails(images.read(f"{token}.{stored.extension}")))
    return stored


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def left_and_right(image: Image.Image) -> tuple[int, int]:
    """Return how bright the two halves of a thumbnail are, 0 to 255."""
    grey = image.convert("L")

    def brightness(share: float) -> int:
        value = grey.getpixel((int(grey.width * share), grey.height // 2))
        assert isinstance(value, int)
        return value

    return brightness(0.2), brightness(0.8)


# --- What is kept ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("format", "extension"), [("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")])
def test_an_image_is_kept_byte_for_byte(format: str, extension: str) -> None:
    data = encoded(picture(), format)
    stored = store(data, TOKEN)
    assert (stored.extension, stored.size, stored.width, stored.height) == (extension, len(data), 320, 200)
    assert images.read(f"{TOKEN}.{extension}") == data


def test_the_content_decides_on_the_kind_not_a_name() -> None:
    assert store(encoded(picture(), "WEBP"), TOKEN).extension == "webp"


@pytest.mark.parametrize("size", [(1600, 900), (900, 1600), (1000, 1000), (4000, 40)])
def test_thumbnails_keep_the_shape_and_their_longer_side_is_nearly_as_named(size: tuple[int, int]) -> None:
    store(encoded(picture(size=size)), TOKEN)
    for side in images.THUMBNAIL_SIDES:
        small = thumbnail(side)
        assert small.format == "WEBP"
        assert side <= max(small.size) <= side * images.NEARLY
        assert small.width / small.height == pytest.approx(size[0] / size[1], rel=0.15)


def test_a_small_image_is_not_blown_up() -> None:
    store(encoded(picture(size=(64, 32))), TOKEN)
    assert thumbnail(480).size == (64, 32)


def test_files_are_spread_over_folders(tmp_path: Path) -> None:
    store(encoded(picture()), "ab" + "C" * 30)
    assert {name.partition("/")[0] for name in files(tmp_path)} == {"ab"}


def test_storing_again_overwrites(tmp_path: Path) -> None:
    store(encoded(picture()), TOKEN)
    before = files(tmp_path)
    again = encoded(picture(size=(100, 100)))
    assert store(again, TOKEN).width == 100
    assert files(tmp_path) == before
    assert images.read(f"{TOKEN}.png") == again
    assert thumbnail(480).size == (100, 100)


def test_the_mean_colour_is_told() -> None:
    assert store(encoded(Image.new("RGB", (64, 64), (0x33, 0x66, 0x99))), TOKEN).colour == "#336699"


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
def test_every_kind_of_png_gets_thumbnails_that_look_like_it(mode: str) -> None:
    image = picture(mode)
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 255, 255])
    store(encoded(image), TOKEN)
    left, right = left_and_right(thumbnail(480))
    assert left > 240
    assert right < 15


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    store(encoded(picture("I;16", colour=32768)), TOKEN)
    left, right = left_and_right(thumbnail(480))
    assert left == pytest.approx(128, abs=8)
    assert right < 15


def test_a_16_bit_png_with_a_transparent_grey_is_no_obstacle() -> None:
    data = encoded(picture("I;16"))
    transparent = _chunk(b"tRNS", struct.pack(">H", 65535))
    at = data.index(b"IDAT") - 4
    store(data[:at] + transparent + data[at:], TOKEN)
    assert thumbnail(480).size == (320, 200)


def test_a_cmyk_jpeg_gets_thumbnails_in_rgb() -> None:
    store(encoded(picture("CMYK", colour=(0, 0, 0, 255)), "JPEG"), TOKEN)
    left, right = left_and_right(thumbnail(480))
    assert left < 30
    assert right > 225


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_stays_transparent(mode: str) -> None:
    if mode == "P":
        image = picture("P")
        image.putpalette([255, 0, 0, 0, 255, 0])
        data = encoded(image, transparency=0)
    else:
        data = encoded(Image.new(mode, (320, 200)))
    store(data, TOKEN)
    small = thumbnail(480)
    assert small.mode == "RGBA"
    alpha = small.getpixel((300, 100))
    assert isinstance(alpha, tuple)
    assert alpha[3] == 0


def test_an_opaque_image_gets_thumbnails_without_alpha() -> None:
    store(encoded(picture()), TOKEN)
    assert thumbnail(480).mode == "RGB"


def test_a_photo_that_lies_on_its_side_is_measured_and_shown_upright() -> None:
    image = picture(size=(320, 200))
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90° clockwise to show
    stored = store(encoded(image, "JPEG", exif=exif), TOKEN)
    assert (stored.width, stored.height, stored.extension) == (200, 320, "jpg")
    small = thumbnail(480)
    assert small.size == (200, 320)
    top, bottom = (small.convert("L").getpixel((100, y)) for y in (40, 280))
    assert isinstance(top, int)
    assert isinstance(bottom, int)
    assert top > 240
    assert bottom < 15


@pytest.mark.parametrize("exif", [b"Exif\x00\x00garbage", b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_metadata_is_no_obstacle(exif: bytes) -> None:
    assert store(encoded(picture(), "JPEG", exif=exif), TOKEN).width == 320


def test_a_jpeg_with_a_second_picture_in_it_is_a_jpeg() -> None:
    buffer = io.BytesIO()
    picture().save(buffer, "MPO", save_all=True, append_images=[picture()])
    assert store(buffer.getvalue(), TOKEN).extension == "jpg"


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_an_animation_is_kept_and_its_first_picture_shown(format: str) -> None:
    still = Image.new("RGB", (64, 64), (255, 0, 0))
    data = encoded(still, format, save_all=True, append_images=[Image.new("RGB", (64, 64))], duration=100)
    assert store(data, TOKEN).size == len(data)
    colour = thumbnail(480).convert("RGB").getpixel((32, 32))
    assert isinstance(colour, tuple)
    red, green, blue = colour
    assert red > 200
    assert max(green, blue) < 60


# --- What is refused -------------------------------------------------------------------------------------------


def refused(data: bytes, folder: Path) -> str:
    """Store what must be refused; return why. Nothing of it may stay behind."""
    with pytest.raises(BadImage) as error:
        images.store(data, TOKEN)
    assert files(folder) == set()
    return str(error.value)


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "ICO", "PPM", "PDF", "EPS"])
def test_other_kinds_of_images_are_refused(tmp_path: Path, format: str) -> None:
    refused(encoded(picture(), format), tmp_path)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"<html></html>", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_image_is_refused(tmp_path: Path, data: bytes) -> None:
    refused(data, tmp_path)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_a_truncated_image_is_refused(tmp_path: Path, format: str, share: float) -> None:
    data = encoded(Image.effect_noise((300, 300), 80).convert("RGB"), format)
    refused(data[: int(len(data) * share)], tmp_path)


def test_a_png_with_a_broken_checksum_is_refused(tmp_path: Path) -> None:
    data = bytearray(encoded(picture()))
    data[data.index(b"IDAT") + 8] ^= 0xFF
    refused(bytes(data), tmp_path)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    assert "pixels" in refused(bomb(), tmp_path)
    assert "pixels" in refused(bomb(12_000), tmp_path)  # small enough for Pillow, too large for us


def test_an_image_may_have_as_many_pixels_as_the_limit_and_not_a_row_more(tmp_path: Path, settings: Any) -> None:
    settings.IMAGE_MAX_PIXELS = 100 * 100
    refused(encoded(picture(size=(100, 101))), tmp_path)
    assert images.store(encoded(picture(size=(100, 100))), TOKEN).width == 100


def test_an_image_too_small_to_be_one_is_refused(tmp_path: Path) -> None:
    for size in ((1, 1), (15, 500), (500, 15)):
        refused(encoded(picture(size=size)), tmp_path)
    assert images.store(encoded(picture(size=(16, 16))), TOKEN).width == 16


def test_broken_bytes_are_refused_and_never_a_surprise(tmp_path: Path) -> None:
    """Whatever Pillow raises on them: an unexpected error would have the job looked at until its deadline."""
    for format in images.FORMATS:
        data = encoded(picture(size=(40, 40)), format)
        for at in range(8, len(data), 7):
            broken = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
            try:
                images.store(broken, TOKEN)
            except BadImage:
                continue


def test_another_error_of_pillows_is_a_bad_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def surprise(*args: Any, **options: Any) -> Any:
        raise struct.error("unpack requires a buffer of 4 bytes")

    monkeypatch.setattr(Image, "open", surprise)
    assert "unpack" in refused(b"x", tmp_path)


# --- Reading and deleting --------------------------------------------------------------------------------------


def test_reading_what_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        images.read(f"{TOKEN}.png")


def test_deleting_removes_the_image_and_its_thumbnails_and_nothing_else(tmp_path: Path) -> None:
    store(encoded(picture()), TOKEN)
    store(encoded(picture()), "Other" + "T" * 27)
    images.delete(TOKEN)
    assert len(files(tmp_path)) == 3
    images.delete(TOKEN)
    assert images.read("Other" + "T" * 27 + ".png")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
