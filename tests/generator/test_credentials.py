"""Signed files, read back by C2PA's own reader: who signed what, what it was made of, and what breaks it."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import c2pa
import pytest
from django.conf import LazySettings

from generator.files import containers, credentials, images, marks
from generator.files.marks import EDITED, GENERATED, Mark
from tests import certificates, exif
from tests.generator.test_marks import KINDS, file, with_theirs

ROOT = Path(__file__).resolve().parent.parent.parent
MARK = Mark(GENERATED, "Reve Image 1.0", "Fox Studio")
TOLD = Mark(GENERATED, "Reve Image 1.0", "Fox Studio", "a zebra")
Sign = Callable[..., bytes]


@pytest.fixture
def certified(settings: LazySettings, tmp_path: Path) -> Iterator[None]:
    """The site has a certificate."""
    settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = certificates.make(tmp_path)
    yield
    credentials._identity.cache_clear()


@pytest.fixture
def theirs(settings: LazySettings, tmp_path: Path) -> Callable[[bytes], bytes]:
    """Signs a file as an upstream does that has a certificate of its own."""

    def sign(data: bytes) -> bytes:
        ours = settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY
        settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = certificates.make(tmp_path, "Upstream")
        kind = containers.container_of(data)
        assert kind
        signed = credentials.signed(data, kind.value, act="created", source=GENERATED, model="theirs")
        settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = ours
        return signed

    return sign


def told(data: bytes) -> dict[str, Any]:
    """Return what C2PA's reader says of a file, which is valid."""
    kind = containers.container_of(data)
    assert kind
    reader = c2pa.Reader(kind.value, io.BytesIO(data))
    assert reader.get_validation_state() == "Valid"
    said: dict[str, Any] = json.loads(reader.json())
    return said


def actions(said: dict[str, Any]) -> list[dict[str, Any]]:
    active = said["manifests"][said["active_manifest"]]
    [found] = [one["data"]["actions"] for one in active["assertions"] if one["label"].startswith("c2pa.actions")]
    return list(found)


def signers(said: dict[str, Any]) -> set[str]:
    return {one["signature_info"]["issuer"] for one in said["manifests"].values()}


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_certificate_a_file_is_signed_as_it_is_stored(certified: None, kind: str) -> None:
    data, image = images.prepared(file(kind), MARK)
    assert image.size == len(data)
    said = told(data)
    assert signers(said) == {"Fox Studio"}
    [made] = actions(said)
    assert (made["action"], made["digitalSourceType"]) == ("c2pa.created", GENERATED)
    assert made["softwareAgent"] == {"name": MARK.model}
    assert images.prepared(data, MARK)[0] is data  # as when storage was away: it comes by once more
    assert marks.carried(data, MARK) is data
    assert marks.shared(data, MARK) is data


@exif.needs_exiftool
def test_a_signed_file_says_the_same_to_whoever_knows_no_c2pa(certified: None) -> None:
    for found in exif.facts(*(marks.stored(file(kind), MARK) for kind in KINDS)):
        assert found[exif.SOURCE] == GENERATED
        assert exif.complaints(found) == "OK"


@pytest.mark.parametrize("to", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_an_upstream_signed_stays_as_it_is_and_is_an_ingredient_of_what_is_made_of_it(
    certified: None, theirs: Sign, kind: str, to: str
) -> None:
    original = theirs(file(kind))
    assert marks.stored(original, MARK) is original
    assert marks.shared(original, MARK) is original
    assert signers(told(original)) == {"Upstream"}
    said = told(images.convert(original, to, MARK))
    assert signers(said) == {"Upstream", "Fox Studio"}
    assert [one["action"] for one in actions(said)] == ["c2pa.opened", "c2pa.converted"]
    assert actions(said)[1]["digitalSourceType"] == GENERATED


@pytest.mark.parametrize("kind", KINDS)
def test_with_the_prompt_in_it_a_file_is_signed_anew_and_what_it_was_is_an_ingredient(
    certified: None, theirs: Sign, kind: str
) -> None:
    for original, by in ((theirs(file(kind)), "Upstream"), (marks.stored(file(kind), MARK), "Fox Studio")):
        data = marks.told(original, TOLD)
        assert b"a zebra" in data
        said = told(data)
        assert signers(said) == {by, "Fox Studio"}
        assert [one["action"] for one in actions(said)] == ["c2pa.opened", "c2pa.edited.metadata"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_upstream_wrote_beside_its_signature_goes_and_the_rest_is_signed_anew(
    certified: None, theirs: Sign, kind: str
) -> None:
    original = theirs(with_theirs(kind))
    shared = marks.shared(original, MARK)
    assert b"Ulm" in original
    assert b"Ulm" not in shared
    assert signers(told(shared)) == {"Upstream", "Fox Studio"}


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_names_the_picture_that_was_changed(certified: None, kind: str) -> None:
    mark = Mark(EDITED, MARK.model, MARK.credit)
    data, _ = images.prepared(file(kind), mark, edited=file("JPEG"))
    said = told(data)
    assert [one["action"] for one in actions(said)] == ["c2pa.opened", "c2pa.edited"]
    assert actions(said)[1]["digitalSourceType"] == EDITED
    [ingredient] = said["manifests"][said["active_manifest"]]["ingredients"]
    assert (ingredient["relationship"], ingredient["format"]) == ("parentOf", "image/jpeg")
    again, _ = images.prepared(file(kind), mark, edited=marks.stored(file("PNG"), MARK))
    assert signers(told(again)) == {"Fox Studio"}
    assert len(told(again)["manifests"]) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_certificate_what_is_changed_is_not_said_to_be_signed(theirs: Sign, kind: str) -> None:
    original = theirs(with_theirs(kind))
    assert marks.stored(original, MARK) is original
    for changed in (marks.shared(original, MARK), marks.told(original, TOLD), images.convert(original, kind, MARK)):
        assert not containers.has_manifest(changed)
        assert b"trainedAlgorithmicMedia" in changed


def test_a_long_manifest_in_many_segments_goes_whole(theirs: Sign) -> None:
    data = theirs(file("JPEG"))
    for _ in range(3):
        data = theirs(data)
    part = containers.manifest_of(data, containers.parts_of(data))[0]
    more = containers.jpeg_segment(b"\xeb", data[part.start + 4 : part.start + 20] + b"x" * 60_000)
    whole = data[: part.end] + more + data[part.end :]
    assert len(containers.manifest_of(whole, containers.parts_of(whole))) == 2
    assert containers.without_manifest(whole) == containers.without_manifest(data)


def test_credentials_are_read_and_verified(certified: None, theirs: Sign) -> None:
    data = images.convert(theirs(file("PNG")), "JPEG", MARK)
    found = credentials.read(data, "image/jpeg")
    assert found
    assert (found.signer, found.issuer, found.is_valid, found.is_known) == (
        "Fox Studio 2026",
        "Fox Studio",
        True,
        False,
    )
    assert [step.action for step in found.steps] == ["opened", "converted"]
    assert found.steps[1].agent == MARK.model
    assert found.when
    assert found.before == ["Upstream"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_bit_of_the_picture_is_seen(certified: None, kind: str) -> None:
    data = bytearray(marks.stored(file(kind, quality=90) if kind != "PNG" else file(kind), MARK))
    data[-20 if kind != "WEBP" else data.index(b"VP8 ") + 100] ^= 1
    container = containers.container_of(bytes(data))
    assert container
    found = credentials.read(bytes(data), container.value)
    assert found
    assert not found.is_valid


def test_a_file_without_credentials_has_none(certified: None) -> None:
    assert credentials.read(file("PNG"), "image/png") is None
    assert credentials.read(b"zebra", "image/png") is None


def test_with_a_certificate_that_has_lapsed_an_image_is_kept_without(
    settings: LazySettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = certificates.make(tmp_path, "Late Studio", days=-1)
    data = marks.stored(file("PNG"), MARK)
    assert b"trainedAlgorithmicMedia" in data
    assert not containers.has_manifest(data)
    assert "could not be signed" in caplog.text


def test_without_a_certificate_nothing_of_it_is_loaded() -> None:
    code = (
        "import sys, django; django.setup()\n"
        "import reveweb.urls\n"
        "from generator.files import images, marks\n"
        f"mark = marks.Mark({GENERATED!r}, 'm', 'c')\n"
        f"images.convert(images.prepared({file('PNG')!r}, mark)[0], 'JPEG', mark)\n"
        "assert 'c2pa' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
