"""Another reveweb as an upstream: the dialect speaks to this very application, as it is served."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from billing.models import Wallet
from generator.ask import admission, prices
from generator.files import images
from generator.models import Generation, ImageModel, Operation, Price, Route, Upstream
from generator.upstreams import errors, transport
from generator.upstreams.dialect import Cost, Job, Order
from generator.upstreams.reve_art import ReveArt
from generator.upstreams.transport import Access
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import finish
from tests.generator.dialects.conftest import colour_at, left_half, opened, sheet, speak

RED, GREEN = (210, 20, 20), (20, 190, 30)
Speak = Callable[[Callable[[Any], Any]], Any]

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]


@pytest.fixture
def peer(transactional_db: None, api: Api, sandbox: str, settings: Any) -> Iterator[Speak]:
    """Do something with a dialect whose upstream is this installation, with Alice's key; it draws at the sandbox."""
    from reveweb.asgi import application  # only now: it wants the static files to be there
    from tests.generator.conftest import forget_client

    settings.UPSTREAM_TYPICAL_SECONDS = 0.0
    Upstream.objects.update(base_url=sandbox)
    model, upstream = ImageModel.objects.get(), Upstream.objects.get()
    ImageModel.objects.update(operations=list(Operation.values))
    for operation, credits in ((Operation.EDIT, 2), (Operation.REMIX, 3)):
        Route.objects.create(model=model, operation=operation, upstream=upstream)
        Price.objects.create(model=model, operation=operation, credits=credits)
    prices.forget()
    forget_client()

    def with_peer(work: Callable[[Any], Any]) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            application_itself = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # as in tests/api
            patch.setattr(transport, "_connection", lambda: application_itself)
            return speak(ReveArt(Access("http://testserver", api.secret)), work)

    yield with_peer
    forget_client()


def drawn(peer: Speak, order: Order) -> tuple[Job, Generation]:
    taken = peer(lambda dialect: dialect.submit(order))
    assert taken.state == "pending"
    generation = finish(Generation.objects.get(public_id=taken.id))
    return peer(lambda dialect: dialect.poll(taken.id)), generation


def test_it_draws_and_tells_what_that_cost(peer: Speak, wallet: Wallet) -> None:
    job, generation = drawn(peer, Order("a tree", negative_prompt="birds", aspect_ratio="3:2", model="text2image_v1"))
    assert (job.state, job.cost) == ("completed", Cost(1_000_000))
    assert job.url.endswith(generation.file_name)
    assert (generation.negative_prompt, generation.aspect_ratio) == ("birds", "3:2")


def test_it_edits_within_the_mask(peer: Speak, wallet: Wallet) -> None:
    before = audit(wallet)
    order = Order("a hat", Operation.EDIT, negative_prompt="birds", aspect_ratio="3:2", inputs=(sheet(RED),))
    job, generation = drawn(peer, Order(**{**vars(order), "mask": left_half()}))
    assert (job.state, job.cost) == ("completed", Cost(2_000_000))
    picture = opened(images.read(generation.file_name))
    assert colour_at(picture, (80, 30)) == RED != colour_at(picture, (10, 30))
    assert (generation.operation, generation.negative_prompt) == ("edit", "birds")
    assert audit(wallet) == before - 2


def test_it_remixes(peer: Speak, wallet: Wallet) -> None:
    before = audit(wallet)
    order = Order("both", Operation.REMIX, aspect_ratio="16:9", inputs=(sheet(RED), sheet(GREEN)))
    job, generation = drawn(peer, order)
    assert (job.state, job.cost) == ("completed", Cost(3_000_000))
    assert (generation.operation, generation.aspect_ratio) == ("remix", "16:9")
    assert audit(wallet) == before - 3


@pytest.mark.parametrize(
    ("order", "error"),
    [
        (Order("a", model="no-such-model"), errors.OperatorTrouble),
        (Order("a", size="9K"), errors.BadInput),
        (Order("a", Operation.EDIT, inputs=(sheet(RED),), mask=left_half((10, 10))), errors.BadInput),
    ],
)
def test_what_it_does_not_take_leaves_nothing(
    peer: Speak, wallet: Wallet, order: Order, error: type[Exception]
) -> None:
    before = audit(wallet)
    with pytest.raises(error):
        peer(lambda dialect: dialect.submit(order))
    assert audit(wallet) == before
    assert not Generation.objects.exists()


def test_a_prompt_that_it_had_refused_is_refused(peer: Speak, wallet: Wallet) -> None:
    job, _ = drawn(peer, Order("a [sandbox:refuse]"))
    assert (job.state, job.is_refused) == ("failed", True)


def test_its_empty_wallet_is_the_operators_trouble(peer: Speak, wallet: Wallet) -> None:
    admission.admit(wallet=wallet, request=admission.ImageRequest(prompt="all of it", count=audit(wallet)))
    with pytest.raises(errors.OperatorTrouble) as trouble:
        peer(lambda dialect: dialect.submit(Order("a tree")))
    assert trouble.value.kind == "out_of_funds"
