"""What a file says of itself: read back by a reader that is not ours, from every format, and there exactly once."""

import io
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from PIL import Image, PngImagePlugin

from billing.models import Wallet
from generator.files import containers, images, marks, plain, xmp
from generator.files.marks import EDITED, Mark, mark_of, source_type, stored
from generator.models import Generation, Group, Input, Upload
from tests import exif

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MARK = Mark(GENERATED, "Reve <Image> & 1.0", 'Fox “Studio" é')
SAID = {exif.SOURCE: GENERATED, exif.MODEL: MARK.model, exif.TOOL: MARK.model, exif.CREDIT: MARK.credit}
THEIRS = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    b'xmlns:t="http://purl.org/dc/terms/" t:provenance="https://example.com/manifest" '
    b'photoshop:Credit="Zebra" photoshop:City="Ulm"><e:DigitalSourceType>http://cv.iptc.org/newscodes/'
    b"digitalsourcetype/digitalCapture</e:DigitalSourceType></rdf:Description></rdf:RDF></x:xmpmeta>"
    b'<?xpacket end="w"?>'
)


def picture(mode: str = "RGB") -> Image.Image:
    return Image.linear_gradient("L").resize((49, 33)).convert(mode)


def file(kind: str, mode: str = "RGB", **more: Any) -> bytes:
    buffer = io.BytesIO()
    picture(mode).save(buffer, kind, **more)
    return buffer.getvalue()


def with_theirs(kind: str, packet: bytes = THEIRS, **more: Any) -> bytes:
    """Return a file with an upstream's packet in it."""
    if kind != "PNG":
        return file(kind, xmp=packet, **more)
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode(), **more)
    return file("PNG", pnginfo=info)


def turned() -> Image.Exif:
    told = Image.Exif()
    told[0x0112] = 6
    return told


FILES = {
    "PNG": file("PNG"),
    "PNG with a palette": file("PNG", "P"),
    "JPEG": file("JPEG"),
    "JPEG with Exif and a profile": file("JPEG", exif=turned(), icc_profile=b"profile" * 20, comment="hello"),
    "progressive JPEG in grey": file("JPEG", "L", progressive=True),
    "WebP": file("WEBP"),
    "WebP without loss": file("WEBP", lossless=True),
    "WebP one can see through": file("WEBP", "RGBA", lossless=True),
    "WebP with a header": file("WEBP", exif=turned()),
}
KINDS = ["PNG", "JPEG", "WEBP"]


@exif.needs_exiftool
def test_another_reader_finds_it_in_every_kind_of_file_and_nothing_wrong_with_that() -> None:
    before = exif.facts(*FILES.values())
    after = exif.facts(*(stored(data, MARK) for data in FILES.values()))
    for name, was, found in zip(FILES, before, after, strict=True):
        assert exif.marks(found) == SAID, name
        assert exif.complaints(found) == exif.complaints(was), name


@pytest.mark.parametrize("name", FILES)
def test_the_picture_stays_to_the_last_bit_and_so_does_all_else_of_its_file(name: str) -> None:
    before, after = (Image.open(io.BytesIO(data)) for data in (FILES[name], stored(FILES[name], MARK)))
    assert (before.mode, before.size, before.tobytes()) == (after.mode, after.size, after.tobytes())
    told = {key: value for key, value in after.info.items() if key not in ("xmp", "XML:com.adobe.xmp")}
    assert told == before.info


@pytest.mark.parametrize("name", FILES)
def test_to_mark_it_again_changes_nothing(name: str) -> None:
    marked = stored(FILES[name], MARK)
    assert stored(marked, MARK) is marked
    assert marks.carried(marked, MARK) is marked
    if "WebP with" not in name and "Exif" not in name:
        assert marks.shared(marked, MARK) is marked


@exif.needs_exiftool
def test_what_an_upstream_wrote_stays_beside_it_where_both_can_be_true() -> None:
    files = [with_theirs("PNG"), with_theirs("PNG", zip=True), with_theirs("JPEG"), with_theirs("WEBP")]
    marked = [stored(data, MARK) for data in files]
    assert [stored(data, MARK) for data in marked] == marked
    for found in exif.facts(*marked):
        assert exif.complaints(found) == "OK"
        assert exif.marks(found) == {**SAID, "XMP-photoshop:City": "Ulm"}
    assert [data for data in marked if b"Zebra" in data or b"digitalCapture" in data or b"provenance" in data] == []


@exif.needs_exiftool
def test_strangers_get_the_mark_and_not_what_an_upstream_wrote() -> None:
    words = {"parameters": "zebra"}
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", words["parameters"])
    files = [file("PNG", pnginfo=info), *map(with_theirs, KINDS)]
    for data in [*files, *(stored(data, MARK) for data in files)]:
        [found] = exif.facts(shared := marks.shared(data, MARK))
        assert exif.marks(found) == SAID
        assert b"zebra" not in shared
        assert b"Ulm" not in shared


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_up_stays_where_words_go(kind: str) -> None:
    shared = marks.shared(file(kind, exif=turned()), MARK)
    assert Image.open(io.BytesIO(shared)).getexif()[0x0112] == 6
    assert marks.shared(shared, MARK) == shared


def test_what_is_not_known_is_not_said() -> None:
    bare = Mark(GENERATED, "", "Fox")
    assert bare.properties == {"Iptc4xmpExt:DigitalSourceType": GENERATED, "photoshop:Credit": "Fox"}


def test_a_model_may_be_called_anything() -> None:
    odd = Mark(GENERATED, "a\x00b\ud800]]><x>&amp;\x0b\ufffe\U0001f98a", "c")
    told = xmp.merged(THEIRS, odd.properties).decode()
    assert "ab]]&gt;&lt;x&gt;&amp;amp;\U0001f98a<" in told


HOSTILE = {
    "a document type": b'<!DOCTYPE x [<!ENTITY a "zebra">]><x:xmpmeta xmlns:x="adobe:ns:meta/">&a;</x:xmpmeta>',
    "no XML": b"zebra < zebra",
    "no UTF-8": b"\xff\xfezebra",
    "nothing of RDF": b"<zebra/>",
    "a tower": b"<a>" * 20_000 + b"zebra" + b"</a>" * 20_000,
    "a tower in RDF": xmp.packet({}).replace(b"</rdf:RDF>", b"<a>" * 9000 + b"zebra" + b"</a>" * 9000 + b"</rdf:RDF>"),
    "more than is read": THEIRS.replace(b"Ulm", b"zebra" * 60_000),
}


@pytest.mark.parametrize("packet", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_packet_that_cannot_be_read_is_replaced(packet: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (a codec's own error is one)
        xmp.merged(packet, MARK.properties)
    try:
        data = with_theirs("WEBP", packet)
    except UnicodeDecodeError:
        return
    marked = stored(data, MARK)
    assert b"zebra" not in marked
    assert marked.count(b"Iptc4xmpExt:DigitalSourceType>") == 2  # its beginning and its end


def test_a_packet_that_grows_beyond_a_jpegs_segment_is_replaced() -> None:
    marked = stored(with_theirs("JPEG", THEIRS.replace(b"Ulm", b"zebra" * 12_960)), MARK)
    [found] = [containers.xmp_of(marked, containers.parts_of(marked))]
    assert found == MARK.packet


def test_a_packet_is_not_unpacked_without_end() -> None:
    bomb = zlib.compress(b" " * 50_000_000)
    body = b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + bomb
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    data = file("PNG")
    marked = stored(data[:33] + chunk + data[33:], MARK)
    assert marked == stored(data, MARK)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_cut_off_anywhere_is_left_to_the_decoder(kind: str) -> None:
    whole = with_theirs(kind)
    for end in range(0, len(whole), 5):
        cut = whole[:end]
        for change in (marks.stored, marks.carried, marks.shared, marks.told):
            try:
                parts = containers.parts_of(cut)
            except ValueError:
                assert change(cut, MARK) is cut
            else:  # of a JPEG whose header is whole, or a PNG at the end of a chunk
                assert change(cut, MARK)
                assert parts


@pytest.mark.parametrize(
    "data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"]
)
def test_what_is_no_image_is_left_as_it_is(data: bytes) -> None:
    assert marks.stored(data, MARK) == data
    assert plain.without_words(data, MARK.packet) == data


def test_damaged_bytes_raise_nothing() -> None:
    for kind in KINDS:
        whole = with_theirs(kind, exif=turned()) if kind != "PNG" else with_theirs(kind)
        for at in range(min(len(whole), 1500)):
            odd = whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]
            marks.stored(odd, MARK)
            marks.shared(odd, MARK)


def test_to_mark_an_image_costs_next_to_nothing_beside_decoding_it() -> None:
    buffer = io.BytesIO()
    Image.effect_noise((700, 560), 60).convert("RGB").save(buffer, "PNG")
    data = buffer.getvalue()

    def seconds(work: Callable[[], object]) -> float:
        def once() -> float:
            began = time.thread_time()
            work()
            return time.thread_time() - began

        return sorted(once() for _ in range(9))[4]

    assert len(data) > 900_000
    assert seconds(lambda: stored(data, MARK)) < seconds(lambda: images.verify(data)) / 10


def test_neither_prompt_nor_account_is_said(generation: Generation) -> None:
    mark = mark_of(generation, model="m")
    assert (mark.source, mark.model, mark.prompt) == (GENERATED, "m", "")
    assert generation.prompt.encode() not in mark.packet


@pytest.fixture
def edit_of(wallet: Wallet) -> Callable[..., Generation]:
    """Makes the row of an edit of an upload, or of another image."""

    def edited(of: Generation | Upload) -> Generation:
        group = Group.objects.create(wallet=wallet, source="studio", operation="edit", digest="")
        source = {"upload": of} if isinstance(of, Upload) else {"generation": of}
        Input.objects.create(group=group, position=1, **source)
        return Generation.objects.create(
            wallet=wallet, prompt="p", aspect_ratio="1:1", request_digest="", deadline_at=timezone.now(),
            group=group, operation="edit",
        )  # fmt: skip

    return edited


def test_an_edit_of_a_persons_picture_says_so_and_so_does_an_edit_of_that(
    generation: Generation, wallet: Wallet, edit_of: Callable[..., Generation]
) -> None:
    upload = Upload.objects.create(
        wallet=wallet, extension="png", sha256="", size=1, width=1, height=1, expires_at=timezone.now()
    )
    edited, generated = edit_of(upload), edit_of(generation)
    assert [source_type(one) for one in (edited, edit_of(edited))] == [EDITED, EDITED]
    assert [source_type(one) for one in (generation, generated, edit_of(generated))] == [GENERATED] * 3
    assert mark_of(edited).source == mark_of(generated).source == EDITED
    assert mark_of(generated, source=source_type(generated)).source == GENERATED


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_of_a_file_says_what_that_says(kind: str) -> None:
    unsure = Mark(EDITED, MARK.model, MARK.credit)
    data = stored(file(kind), MARK)
    made = [*images.thumbnails(data, unsure).values(), *(images.convert(data, to, unsure) for to in KINDS)]
    for one in (*made, marks.told(data, unsure), marks.shared(stored(with_theirs(kind), MARK), unsure)):
        assert b"trainedAlgorithmicMedia" in one
        assert b"compositeWith" not in one
    assert b"compositeWith" in images.convert(stored(file(kind), unsure), "PNG", MARK)


@exif.needs_exiftool
def test_with_the_prompt_it_says_what_was_asked_for_and_what_was_left_out(generation: Generation) -> None:
    generation.prompt, generation.negative_prompt = "a fox <in> the\nsnow", "zebras"
    told = mark_of(generation, prompt=True)
    words = "a fox <in> the\nsnow\n\nLeft out: zebras"
    for kind, found in zip(KINDS, exif.facts(*(marks.told(file(kind), told) for kind in KINDS)), strict=True):
        assert (found[exif.PROMPT], found[exif.DESCRIPTION]) == (words, words), kind
