"""Every way by which an image's file leaves: each says what it is, and neither what was asked for nor by whom."""

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import c2pa
import pytest
from django.test import Client

from accounts.models import User
from generator.files import credentials
from generator.jobs import thumbnails
from generator.library import sharing
from generator.models import Generation
from reveweb.personal import export
from tests import certificates, exif
from tests.conftest import Api
from tests.driver import finish
from tests.generator.conftest import CannedServer, Reply, says
from tests.generator.test_marks import KINDS, file, with_theirs
from tests.streams import pieces_of

MODEL = "Reve Image 1.0"
PROMPT = "a lighthouse"
TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
Deliver = Callable[[bytes], Generation]


@pytest.fixture
def deliver(generation: Generation, upstream: CannedServer, settings: Any, images: None) -> Deliver:
    """Has the upstream deliver an image, which is drawn, stored, shared and made small."""
    settings.SITE_NAME = "Fox & Friends"

    def delivered(data: bytes) -> Generation:
        status = {"id": "up_1", "status": "completed", "url": "/cdn/fox", "metadata": {"model": MODEL}}
        says(upstream, "/v1/reve-image/status/up_1", status)
        upstream.replies["/cdn/fox"] = Reply(200, data, {"Content-Type": "image/png"})
        done = finish(generation)
        thumbnails.make_due()
        sharing.share(done)
        return Generation.objects.get(pk=done.pk)

    return delivered


@pytest.fixture
def certified(settings: Any, tmp_path: Path) -> Iterator[None]:
    """The site has a certificate."""
    settings.C2PA_CERTIFICATE, settings.C2PA_PRIVATE_KEY = certificates.make(tmp_path)
    yield
    credentials._identity.cache_clear()


def body(response: Any) -> bytes:
    assert response.status_code == 200
    return asyncio.run(_joined(response)) if response.streaming else bytes(response.content)


async def _joined(response: Any) -> bytes:
    return b"".join([piece async for piece in pieces_of(response)])


def ways(client: Client, generation: Generation, **query: str) -> dict[str, bytes]:
    """Return the file by every way that it leaves."""
    client.force_login(generation.wallet.user)
    page, share = f"/gallery/{generation.public_id}/", f"/s/{generation.share_token}/"
    shared = f"/shared/{generation.share_token}/"
    card = re.search(r'property="og:image" content="http://testserver([^"]+)"', client.get(share).content.decode())
    assert card
    archive = zipfile.ZipFile(io.BytesIO(body(client.post("/gallery/zip/", {"ids": generation.public_id}))))
    return {
        "address": body(client.get(f"/images/{generation.file_name}")),
        "download": body(client.get(f"{page}download/")),
        **{f"as {one}": body(client.get(f"{page}download/", {"format": one})) for one in ("png", "jpeg", "webp")},
        "thumbnail": body(client.get(f"/images/{generation.file_token}_480.webp")),
        "ZIP": archive.read(next(name for name in archive.namelist() if not name.endswith(".csv"))),
        "link card": body(client.get(card[1])),
        "shared thumbnail": body(client.get(f"{shared}960.webp")),
        "shared download": body(client.get(f"{share}download/")),
    }


@exif.needs_exiftool
@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_is_by_every_way(api: Api, deliver: Deliver, kind: str) -> None:
    generation = deliver(file(kind))
    left = ways(api.client, generation)
    for way, found in zip(left, exif.facts(*left.values()), strict=True):
        assert exif.marks(found) == {
            exif.SOURCE: "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
            exif.MODEL: MODEL,
            exif.TOOL: MODEL,
            exif.CREDIT: "Fox & Friends",
        }, way
        assert exif.complaints(found) == "OK", way
    for way, data in left.items():
        for word in (PROMPT, "alice", generation.public_id, generation.wallet.user.email):
            assert word.encode() not in data, way
    assert len(left["address"]) == generation.file_size


@exif.needs_exiftool
@pytest.mark.parametrize("kind", KINDS)
def test_what_an_upstream_wrote_stays_with_its_owner(api: Api, deliver: Deliver, kind: str) -> None:
    left = ways(api.client, deliver(with_theirs(kind)))
    assert {way for way, data in left.items() if b"Ulm" in data} == {
        "address", "download", "ZIP", f"as {kind.lower()}",
    }  # fmt: skip
    for way, found in zip(left, exif.facts(*left.values()), strict=True):
        assert found[exif.SOURCE].endswith("/trainedAlgorithmicMedia"), way
        assert found[exif.CREDIT] == "Fox & Friends", way


@pytest.mark.parametrize("kind", KINDS)
def test_the_prompt_is_in_a_file_whose_owner_asks_for_that_alone(api: Api, deliver: Deliver, kind: str) -> None:
    generation = deliver(file(kind))
    api.client.force_login(generation.wallet.user)
    page = f"/gallery/{generation.public_id}/"
    for format in ("", "png", "jpeg", "webp"):
        for prompt, is_there in (("1", True), ("0", False), ("", False)):
            data = body(api.client.get(f"{page}download/", {"format": format, "prompt": prompt}))
            assert (PROMPT.encode() in data) is is_there
            assert b"alice" not in data
    assert PROMPT.encode() not in body(api.client.get(f"/images/{generation.file_name}"))
    assert f'href="{page}download/?format={kind.lower()}&amp;prompt=1"' in api.client.get(page).content.decode()


@exif.needs_exiftool
def test_what_was_stored_before_images_were_marked_is_marked_as_it_leaves(
    api: Api, deliver: Deliver, settings: Any
) -> None:
    generation = deliver(file("PNG"))
    path = next(Path(settings.STORAGES["default"]["OPTIONS"]["location"]).rglob(generation.file_name))
    path.write_bytes(file("PNG"))
    left = ways(api.client, generation)
    del left["address"]  # which is sent in pieces as it lies there, or by the storage itself
    for way, found in zip(left, exif.facts(*left.values()), strict=True):
        assert found[exif.SOURCE].endswith("/trainedAlgorithmicMedia"), way


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_certificate_all_but_what_is_small_is_signed(
    api: Api, deliver: Deliver, certified: None, kind: str
) -> None:
    generation = deliver(file(kind))
    for way, data in ways(api.client, generation).items():
        if "thumbnail" not in way:
            type = next(TYPES[kind] for kind in KINDS if data.startswith(file(kind)[:4]))
            reader = c2pa.Reader(type, io.BytesIO(data))
            assert reader.get_validation_state() == "Valid", way


def test_its_page_shows_and_verifies_the_credentials(api: Api, deliver: Deliver, certified: None) -> None:
    generation = deliver(file("PNG"))
    api.client.force_login(generation.wallet.user)
    page = f"/gallery/{generation.public_id}/"
    assert f'hx-get="{page}credentials/"' in api.client.get(page).content.decode()
    part = api.client.get(f"{page}credentials/", headers={"HX-Request": "true"}).content.decode()
    assert "Valid: unchanged since it was signed" in part
    assert "Fox Studio 2026, Fox Studio" in part
    assert f"with {MODEL}" in part
    assert "<html" not in part
    assert part.strip() in api.client.get(f"{page}credentials/").content.decode()


def test_its_page_tells_of_a_file_that_was_changed(api: Api, deliver: Deliver, certified: None, settings: Any) -> None:
    generation = deliver(file("PNG"))
    path = next(Path(settings.STORAGES["default"]["OPTIONS"]["location"]).rglob(generation.file_name))
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    api.client.force_login(generation.wallet.user)
    address = f"/gallery/{generation.public_id}/credentials/"
    assert "Not valid" in api.client.get(address).content.decode()
    path.write_bytes(file("PNG"))
    assert "This file is not signed" in api.client.get(address).content.decode()
    path.unlink()
    assert api.client.get(address).status_code == 404


def test_without_a_certificate_nothing_is_said_of_credentials(api: Api, deliver: Deliver) -> None:
    generation = deliver(file("PNG"))
    api.client.force_login(generation.wallet.user)
    page = f"/gallery/{generation.public_id}/"
    assert "credentials" not in api.client.get(page).content.decode()
    assert api.client.get(f"{page}credentials/").status_code == 404


def test_whose_credentials_those_are_stays_theirs(api: Api, deliver: Deliver, certified: None, bob: User) -> None:
    generation = deliver(file("PNG"))
    api.client.force_login(bob)
    assert api.client.get(f"/gallery/{generation.public_id}/credentials/").status_code == 404


def test_a_shared_page_says_it_to_what_reads_pages(api: Api, deliver: Deliver, client: Client) -> None:
    generation = deliver(file("PNG"))
    Generation.objects.update(prompt="a fox</script><script>alert(1)</script> & “hens”")
    html = client.get(f"/s/{generation.share_token}/").content.decode()
    [text] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html)
    told = json.loads(text)
    assert told["name"] == "a fox</script><script>alert(1)</script> & “hens”"
    assert (told["@type"], told["contentUrl"]) == (
        "ImageObject",
        f"http://testserver/shared/{generation.share_token}/image.png",
    )
    assert told["digitalSourceType"] == "https://schema.org/TrainedAlgorithmicMediaDigitalSource"
    assert told["creditText"] == told["creator"]["name"] == "Fox & Friends"
    assert generation.file_token not in html


@exif.needs_exiftool
def test_an_export_has_them_marked(deliver: Deliver, tmp_path: Path) -> None:
    generation = deliver(file("JPEG"))
    with (tmp_path / "export.zip").open("w+b") as packed:
        archive = export._Archive(packed)
        archive.add_image(generation)
        archive.close()
    with zipfile.ZipFile(tmp_path / "export.zip") as found:
        [name] = found.namelist()
        [told] = exif.facts(found.read(name))
    assert told[exif.CREDIT] == "Fox & Friends"
