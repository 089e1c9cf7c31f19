"""What tools of the MCP server tell, called as the server calls them."""

import asyncio
import io
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone
from PIL import Image

from billing.models import Wallet
from generator.ask import limits, pausing, prices
from generator.ask.callers import Caller
from generator.errors import ImageDeleted, IntakePaused, LimiterUnavailable, PromptNotAllowed
from generator.files import images as pictures
from generator.models import Generation, ImageModel, PromptRule, Route, Upstream
from reveweb.mcp import errors, sessions, telling, tools
from reveweb.mcp.calls import Call, Told
from tests.billing.books import audit
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
    found = asyncio.run(telling.preview(generation, True))
    assert found is not None
    return found


def test_a_preview_is_the_thumbnail_that_is_there(completed: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    made = pictures.thumbnails(pictures.read(completed.file_name))
    pictures.keep_thumbnails(completed.file_token, made)

    def decoded(*args: Any, **named: Any) -> Any:
        raise AssertionError("Nothing is to be decoded.")

    monkeypatch.setattr(Image, "open", decoded)
    assert preview_of(completed) == made[telling.PREVIEW_SIDE]


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
        asked: Any = Call(SimpleNamespace(caller=caller), None)  # type: ignore[arg-type]
        tool = next(one for one in tools.TOOLS if one.name == "list_models")
        said = asyncio.run(tools.call(tool, asked, {}))
        rows = [row["id"] for row in said.data["models"]]
        assert [line.split(":")[0] for line in said.words.splitlines()] == [f"- {one}" for one in rows]
        return rows

    assert told([]) == [first.slug, "other"]
    assert told(["other"]) == ["other"]


# --- What is drawn ------------------------------------------------------------------------------------------------


def drawn(api: Api, wallet: Wallet, *, cap: int = 0, **arguments: Any) -> Told:
    """Call `generate_image` without waiting, with a key of Alice's, in a session that may spend `cap` credits."""
    request: Any = RequestFactory().post("/mcp")
    request.caller, request.is_remembered, request.needs = Caller(api.key, wallet), False, None
    session = sessions.Session(f"key:{api.key.pk}", sessions.PAUSE_SECONDS, cap)
    tool = next(one for one in tools.TOOLS if one.name == "generate_image")
    asked = {"prompt": "a lighthouse", "wait": False, **arguments}
    return asyncio.run(tools.call(tool, Call(request, session), asked))


@pytest.mark.parametrize("what", ["pause", "rule", "retire"])
def test_what_was_drawn_before_is_given_again_whatever_is_refused_now(
    api: Api, wallet: Wallet, transactional_db: None, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "CACHE_SECONDS", -1.0)
    first = drawn(api, wallet, idempotency_key="one").data
    if what == "pause":
        pausing.pause(actor=None, model=None, message="", until=None, reason="a test")
        with pytest.raises(IntakePaused):
            drawn(api, wallet, idempotency_key="two")
    elif what == "rule":
        PromptRule.objects.create(kind=PromptRule.Kind.WORDS, text="lighthouse")
    else:
        ImageModel.objects.update(is_active=False)
    again = drawn(api, wallet, idempotency_key="one").data
    assert (again["id"], first["credits_charged"], again["credits_charged"]) == (first["id"], 1, 0)
    assert (again["session"]["credits_spent"], audit(wallet)) == (1, 2)


def test_a_prompt_that_breaks_a_rule_counts_as_anywhere(
    api: Api, wallet: Wallet, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "CACHE_SECONDS", -1.0)
    rule = PromptRule.objects.create(kind=PromptRule.Kind.WORDS, text="dragon")
    for _ in range(2):
        with pytest.raises(PromptNotAllowed):
            drawn(api, wallet, cap=3, prompt="a dragon")
    rule.refresh_from_db()
    assert rule.hits == 2
    assert limits.peek(limits.generate_window(wallet, api.key)).remaining == 100_000 - 2
    assert drawn(api, wallet, cap=3).data["session"]["credits_spent"] == 1
    assert audit(wallet) == 2


def test_what_was_deleted_is_not_given_again(api: Api, wallet: Wallet, transactional_db: None) -> None:
    first = drawn(api, wallet, idempotency_key="one").data
    Generation.objects.update(status=Generation.Status.COMPLETED, deleted_at=timezone.now())
    with pytest.raises(ImageDeleted) as told:
        drawn(api, wallet, idempotency_key="one")
    assert told.value.public_id == first["id"]
    data = errors.tell(RequestFactory().post("/mcp"), told.value).data["error"]
    assert (data["code"], data["image_id"]) == ("image_not_found", first["id"])


def test_what_was_charged_is_told_though_the_session_cannot_be_noted(
    api: Api, wallet: Wallet, transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any, **named: Any) -> int:
        raise LimiterUnavailable

    with monkeypatch.context() as patch:
        patch.setattr(sessions.Session, "note", away)
        told = drawn(api, wallet, cap=2).data
        assert (told["credits_charged"], told["session"]["credits_spent"]) == (1, 1)
        PromptRule.objects.create(kind=PromptRule.Kind.WORDS, text="dragon")
        prices.forget()
        with pytest.raises(PromptNotAllowed):
            drawn(api, wallet, cap=2, prompt="a dragon")
    assert drawn(api, wallet, cap=2).data["session"]["credits_spent"] == 2
    assert audit(wallet) == 1
