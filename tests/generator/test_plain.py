"""A shared file holds a picture, and no words that an upstream wrote into it."""

import io
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from generator.files.plain import without_words

WORDS = "a lighthouse Negative prompt: zebra Seed: 7"


def picture() -> Image.Image:
    return Image.linear_gradient("L").resize((48, 32)).convert("RGB")


def file(kind: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, kind, **more)
    return buffer.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    told = Image.Exif()
    told[0x010E] = WORDS  # ImageDescription
    told[0x0112] = orientation
    return told


def with_text() -> PngImagePlugin.PngInfo:
    told = PngImagePlugin.PngInfo()
    told.add_text("parameters", WORDS)
    told.add_text("more", WORDS, zip=True)
    told.add_itxt("again", WORDS)
    return told


XMP = f"<x:xmpmeta>{WORDS}</x:xmpmeta>".encode()
SPOKEN = {
    "png": file("PNG", pnginfo=with_text(), exif=exif()),
    "jpeg": file("JPEG", comment=WORDS, exif=exif(), xmp=XMP),
    "webp": file("WEBP", exif=exif(), xmp=XMP, lossless=True),
}


@pytest.mark.parametrize("kind", SPOKEN)
def test_words_go_and_the_picture_stays(kind: str) -> None:
    spoken = SPOKEN[kind]
    plain = without_words(spoken)
    assert b"zebra" in spoken
    assert b"zebra" not in plain
    before, after = (Image.open(io.BytesIO(data)) for data in (spoken, plain))
    assert before.tobytes() == after.tobytes()
    assert not {"parameters", "more", "again", "comment", "exif", "xmp"} & after.info.keys()
    assert without_words(plain) == plain


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_file_without_words_keeps_its_very_bytes(kind: str) -> None:
    data = file(kind, icc_profile=b"profile" * 20) if kind != "WEBP" else file(kind)
    assert without_words(data) is data


def test_a_turned_photograph_stays_turned() -> None:
    plain = without_words(file("JPEG", exif=exif(orientation=6)))
    assert b"zebra" not in plain
    assert Image.open(io.BytesIO(plain)).getexif()[0x0112] == 6


@pytest.mark.parametrize("kind", SPOKEN)
def test_what_is_cut_off_anywhere_is_left_to_the_decoder(kind: str) -> None:
    spoken = SPOKEN[kind]
    for end in range(0, len(spoken), 7):
        without_words(spoken[:end])
    for data in (b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBP"):
        assert without_words(data) == data
