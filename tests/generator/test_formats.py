"""Whatever the upstream delivers is kept as it came and marked, and all that is said of it is true of its bytes."""

import io
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from generator.files import archive, images, plain
from generator.models import Generation
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import finish
from tests.generator.conftest import CannedServer, Reply, says

Status = Generation.Status


def picture(format: str, size: tuple[int, int], **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 80, 40)).save(buffer, format, **options)
    return buffer.getvalue()


def turned(size: tuple[int, int]) -> bytes:
    """Return a JPEG that viewers turn by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return picture("JPEG", size, exif=exif)


KINDS = [
    pytest.param(picture("PNG", (64, 64)), "png", "image/png", (64, 64), "1:1", id="as asked"),
    pytest.param(picture("JPEG", (64, 48)), "jpg", "image/jpeg", (64, 48), "4:3", id="a JPEG of another shape"),
    pytest.param(picture("WEBP", (36, 64)), "webp", "image/webp", (36, 64), "9:16", id="a WebP of another shape"),
    pytest.param(turned((96, 64)), "jpg", "image/jpeg", (64, 96), "2:3", id="a JPEG that is turned"),
]


@pytest.mark.parametrize(("data", "extension", "kind", "size", "ratio"), KINDS)
@pytest.mark.parametrize("claimed", ["image/png", "application/octet-stream"])
def test_all_that_is_said_of_an_image_is_true_of_its_bytes(
    api: Api,
    generation: Generation,
    upstream: CannedServer,
    data: bytes,
    extension: str,
    kind: str,
    size: tuple[int, int],
    ratio: str,
    claimed: str,
) -> None:
    generation = delivered(upstream, generation, data, claimed)
    assert generation.status == Status.COMPLETED
    kept = images.read(generation.file_name)
    assert (generation.file_extension, generation.file_size) == (extension, len(kept))
    assert plain.without_words(kept) is kept
    assert Image.open(io.BytesIO(kept)).tobytes() == Image.open(io.BytesIO(data)).tobytes()

    answer = api.get(f"/v1/reve-image/status/{generation.public_id}").json()
    assert answer["url"].endswith(f".{extension}")
    assert (answer["metadata"]["width"], answer["metadata"]["height"]) == size

    served = api.client.get(urlsplit(answer["url"]).path)
    assert (served["Content-Type"], served["Content-Length"]) == (kind, str(len(kept)))
    assert served.getvalue() == kept

    api.client.force_login(generation.wallet.user)
    page = f"/gallery/{generation.public_id}/"
    saved = api.client.get(f"{page}download/")
    assert saved["Content-Type"] == kind
    assert f'.{extension}"' in saved["Content-Disposition"]
    assert saved.getvalue() == kept

    details = " ".join(api.client.get(page).content.decode().split())
    assert f"{size[0]} × {size[1]} pixels" in details
    assert extension.upper() in details
    assert (f"{ratio} (1:1 was asked for)" in details) == (ratio != "1:1")
    assert f'data-ratio="{ratio}"' in api.client.get("/gallery/").content.decode()

    [packed, _] = zipfile.ZipFile(io.BytesIO(b"".join(archive.stream([generation])))).infolist()
    assert packed.filename.endswith(f".{extension}")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(picture("GIF", (64, 64)), id="a GIF"),
        pytest.param(picture("BMP", (64, 64)), id="a BMP"),
        pytest.param(picture("PNG", (64, 64))[:-40], id="most of a PNG"),
        pytest.param(picture("PNG", (8, 8)), id="a dot"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="an SVG"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_image_costs_nothing_and_leaves_nothing(
    generation: Generation, upstream: CannedServer, data: bytes, tmp_path: Path
) -> None:
    generation = delivered(upstream, generation, data, "image/png")
    assert (generation.status, generation.error_code) == (Status.FAILED, "upstream_failed")
    assert audit(generation.wallet) == 3
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def delivered(upstream: CannedServer, generation: Generation, data: bytes, claimed: str) -> Generation:
    """Return the generation after the upstream has answered with `data`."""
    says(upstream, "/v1/reve-image/status/up_1", {"id": "up_1", "status": "completed", "url": "/cdn/fox.png"})
    upstream.replies["/cdn/fox.png"] = Reply(200, data, {"Content-Type": claimed})
    return finish(generation)
