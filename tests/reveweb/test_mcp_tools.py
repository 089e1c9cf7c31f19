"""What tools of the MCP server tell, called as the server calls them."""

import asyncio
import io
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from billing.models import Wallet
from generator.ask import prices
from generator.files import images as pictures
from generator.models import Generation, ImageModel, Route, Upstream
from reveweb.mcp import tools
from tests.conftest import Api


@pytest.fixture
def completed(generation: Generation, images: None) -> Generation:
    """A finished image, stored and without thumbnails."""
    generation.status, generation.file_extension = Generation.Status.COMPLETED, "png"
    generation.width, generation.height = 960, 640
    buffer = io.BytesIO()
    Image.new("RGB", (960, 640), "navy").save(buffer, "PNG")
    pictures.store(buffer.getvalue(), generation.file_token)
    return generation


def preview_of(generation: Generation) -> bytes:
    found = asyncio.run(tools._preview(generation, True))
    assert found is not None
    return found


def test_a_preview_is_the_thumbnail_that_is_there(completed: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    made = pictures.thumbnails(pictures.read(completed.file_name))
    pictures.keep_thumbnails(completed.file_token, made)

    def decoded(*args: Any, **named: Any) -> Any:
        raise AssertionError("Nothing is to be decoded.")

    monkeypatch.setattr(Image, "open", decoded)
    assert preview_of(completed) == made[tools.PREVIEW_SIDE]


def test_a_preview_is_made_while_there_is_no_thumbnail(completed: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(pictures, "thumbnails")  # all sizes are not needed
    with Image.open(io.BytesIO(preview_of(completed))) as small:
        assert (small.format, small.size) == ("WEBP", (480, 320))


def test_a_key_is_told_of_the_models_that_it_may_choose(api: Api, wallet: Wallet) -> None:
    first = ImageModel.objects.get()
    other = ImageModel.objects.create(slug="other", name="Other", operations=["create"])
    Route.objects.create(model=other, operation="create", upstream=Upstream.objects.get(slug="reve"))
    prices.forget()

    def told(image_models: list[str]) -> list[str]:
        api.key.image_models = image_models
        caller = SimpleNamespace(api_key=api.key, wallet=wallet, token=None, require=lambda scope: None)
        asked: Any = tools.Call(SimpleNamespace(caller=caller), None)  # type: ignore[arg-type]
        tool = next(one for one in tools.TOOLS if one.name == "list_models")
        said = asyncio.run(tools.call(tool, asked, {}))
        rows = [row["id"] for row in said.data["models"]]
        assert [line.split(":")[0] for line in said.words.splitlines()] == [f"- {one}" for one in rows]
        return rows

    assert told([]) == [first.slug, "other"]
    assert told(["other"]) == ["other"]
