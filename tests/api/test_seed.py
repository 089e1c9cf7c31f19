"""`seed`: the same one draws the same image again, where the model and every upstream of it take one."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from billing.models import Wallet
from generator.ask import prices
from generator.files import images
from generator.models import Generation, ImageModel, Operation, Route, Upstream
from generator.upstreams import routing, secret
from tests.api.answers import STATUS, assert_error
from tests.conftest import Api
from tests.driver import working
from tests.generator.conftest import forget_client
from tests.generator.dialects.conftest import PEERS

pytestmark = pytest.mark.services
ASYNC = {"prompt": "a lighthouse", "async": True}


@pytest.fixture
def seeded(wallet: Wallet) -> None:
    ImageModel.objects.update(has_seed=True)
    prices.forget()


def test_it_is_refused_where_the_model_has_none(api: Api) -> None:
    message = assert_error(api.post({**ASYNC, "seed": 7}), 422, "invalid_request", "seed")
    assert "text2image_v1 takes none" in message
    assert api.get("/v1/models").json()["data"][0]["seed"] is False


@pytest.mark.usefixtures("seeded")
def test_it_is_refused_where_an_upstream_cannot_be_told(api: Api) -> None:
    other = Upstream.objects.create(slug="other", name="Other", dialect="openai_images", base_url="http://127.0.0.1:9")
    Route.objects.create(model=ImageModel.objects.get(), operation=Operation.CREATE, upstream=other)
    prices.forget()
    assert_error(api.post({**ASYNC, "seed": 7}), 422, "invalid_request", "seed")
    assert api.get("/v1/models").json()["data"][0]["seed"] is False
    assert api.post(ASYNC).status_code == 202


@pytest.mark.usefixtures("seeded")
@pytest.mark.parametrize("seed", [-1, 2**32, "7", 1.5, True])
def test_a_seed_that_is_none_is_refused(api: Api, seed: Any) -> None:
    assert_error(api.post({**ASYNC, "seed": seed}), 422, "invalid_request", "seed")


@pytest.mark.usefixtures("seeded")
def test_it_is_told_back_and_each_image_has_the_next(api: Api) -> None:
    assert api.get("/v1/models").json()["data"][0]["seed"] is True
    answer = api.post({**ASYNC, "seed": 2**32 - 1, "n": 2})
    seeds = [api.get(STATUS[0] + one["id"]).json()["seed"] for one in answer.json()["images"]]
    assert seeds == [2**32 - 1, 0]
    assert "seed" not in api.get(STATUS[0] + api.post(ASYNC).json()["id"]).json()
    headers = {"Idempotency-Key": "one"}
    Wallet.objects.update(rate_limit=1000)
    assert api.post({**ASYNC, "seed": 1, "dry_run": True}).status_code == 200
    assert api.post(ASYNC, **headers).status_code == 402


@pytest.mark.usefixtures("seeded", "images")
@pytest.mark.parametrize("peer", [one for one in PEERS if one.dialect.can.takes_seed], ids=lambda one: one.name)
def test_the_same_seed_draws_the_same_image(
    api: Api, sandbox: str, settings: Any, give: Callable[[int], None], peer: Any
) -> None:
    give(10)
    settings.SANDBOX = False
    Upstream.objects.update(dialect=peer.name, base_url=sandbox + peer.path, secret=secret.seal("test-key"))
    Route.objects.update(their_name=peer.model)
    routing.forget()
    prices.forget()
    forget_client()

    def drawn(seed: int) -> bytes:
        answer = api.post({"prompt": f"a lighthouse by {peer.name}", "seed": seed})
        assert answer.status_code == 200, answer.content
        found = Generation.objects.get(public_id=answer.json()["id"])
        with Image.open(io.BytesIO(images.read(found.file_name))) as image:
            return image.convert("RGB").tobytes()

    with working():
        first, other, again = drawn(7), drawn(8), drawn(7)
    forget_client()
    assert first == again
    assert first != other
