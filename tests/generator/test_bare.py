"""What people bring is kept as a picture and nothing else: not where it was taken, nor what lies behind its end."""

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from generator.errors import BadImage, OddSize
from generator.files.bare import bare

SECRET = b"48.2082 N 16.3738 E"
PROFILE = b"profile " * 30
KINDS = ["PNG", "JPEG", "WEBP"]


def picture() -> Image.Image:
    """Dark at the left, light at the right, and wider than high: how it lies is to be seen."""
    return Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90).resize((96, 48)).convert("RGB")


def file(kind: str, image: Image.Image | None = None, **more: Any) -> bytes:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}), **more)
    return buffer.getvalue()


def told(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif[0x0112] = orientation
    return exif


def spoken(kind: str, orientation: int = 1, **more: Any) -> bytes:
    """Return a file with all the words that its format has room for."""
    if kind == "PNG":
        words = PngImagePlugin.PngInfo()
        words.add_text("Comment", SECRET.decode())
        words.add_itxt("XML:com.adobe.xmp", SECRET.decode())
        more["pnginfo"] = words
    elif kind == "JPEG":
        more |= {"comment": SECRET, "xmp": SECRET}
    else:
        more["xmp"] = SECRET
    return file(kind, exif=told(orientation), icc_profile=PROFILE, **more)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_words_go_and_the_pixels_and_their_profile_stay(kind: str) -> None:
    data = spoken(kind)
    kept, image = bare(data)
    assert SECRET in data
    assert SECRET not in kept
    assert opened(kept).tobytes() == opened(data).tobytes()  # it was not encoded again
    assert opened(kept).info["icc_profile"] == PROFILE
    assert not {"exif", "xmp", "comment", "Comment"} & opened(kept).info.keys()
    assert (image.width, image.height, image.size) == (96, 48, len(kept))


@pytest.mark.parametrize("kind", KINDS)
def test_a_bare_file_keeps_its_very_bytes(kind: str) -> None:
    kept, _ = bare(spoken(kind))
    assert bare(kept)[0] is kept


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("orientation", "size"), [(3, (96, 48)), (6, (48, 96)), (8, (48, 96))])
def test_what_lies_on_its_side_is_turned(kind: str, orientation: int, size: tuple[int, int]) -> None:
    kept, image = bare(spoken(kind, orientation))
    found = opened(kept)
    assert (image.width, image.height) == found.size == size
    assert found.getexif().get(0x0112, 1) == 1
    assert SECRET not in kept
    assert found.info["icc_profile"] == PROFILE
    light = {3: (2, 24), 6: (24, 93), 8: (24, 2)}[orientation]
    assert found.convert("L").getpixel(light) > 200  # type: ignore[operator]  # one band


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_behind_the_end_goes(kind: str) -> None:
    """As phones put films and second pictures there."""
    data = file(kind) + b"ftypmp42" + SECRET
    assert bare(data)[0] == bare(file(kind))[0]


def test_a_jpegs_second_picture_and_thumbnail_go() -> None:
    second = io.BytesIO()
    picture().save(second, "MPO", save_all=True, append_images=[picture().transpose(Image.Transpose.ROTATE_180)])
    kept, image = bare(second.getvalue())
    assert image.extension == "jpg"
    assert getattr(opened(kept), "n_frames", 1) == 1
    assert b"MPF\x00" not in kept
    jfif = file("JPEG")
    thumbnail = bytes([1, 1]) + b"\x01\x02\x03"
    fat = jfif[:2] + struct.pack(">BBH", 0xFF, 0xE0, 19) + jfif[6:18] + thumbnail + jfif[20:]
    assert opened(fat).size == (96, 48)
    assert bare(fat)[0] == jfif


def test_a_film_becomes_its_first_picture() -> None:
    buffer = io.BytesIO()
    picture().save(buffer, "WEBP", save_all=True, append_images=[Image.new("RGB", (96, 48))], lossless=True)
    kept, _ = bare(buffer.getvalue())
    assert getattr(opened(kept), "n_frames", 1) == 1
    assert opened(kept).convert("RGB").tobytes() == picture().tobytes()


def test_private_chunks_of_a_png_go() -> None:
    data = file("PNG")
    body = b"prIv" + SECRET
    chunk = struct.pack(">I", len(SECRET)) + body + struct.pack(">I", zlib.crc32(body))
    assert bare(data[:33] + chunk + data[33:])[0] == data


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16"])
def test_other_modes_pass(mode: str) -> None:
    image = picture().convert("L").convert(mode) if mode != "I;16" else Image.new("I;16", (96, 48), 40_000)
    for orientation in (1, 6):
        kept, found = bare(file("PNG", image, exif=told(orientation)))
        assert opened(kept).size == (found.width, found.height)
        assert SECRET not in kept


def test_transparency_survives_a_turn() -> None:
    image = Image.new("RGBA", (64, 32), (10, 20, 30, 40))
    for kind in ("PNG", "WEBP"):
        kept, _ = bare(file(kind, image, exif=told(6), **({"exact": True} if kind == "WEBP" else {})))
        assert opened(kept).getpixel((5, 5)) == (10, 20, 30, 40)


def test_what_is_no_picture_is_refused(settings: Any) -> None:
    whole = file("PNG")
    for data in (b"", b"GIF89a", b"<svg/>", whole[:-30], file("BMP"), file("GIF")):
        with pytest.raises(BadImage):
            bare(data)
    settings.IMAGE_MAX_PIXELS = 4000
    with pytest.raises(OddSize):
        bare(whole)
    with pytest.raises(OddSize):
        bare(file("PNG", Image.new("L", (15, 100))))
