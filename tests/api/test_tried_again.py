"""What the next try of a call finds that OpenAI's clients send again by themselves, and by no name."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from billing.models import Wallet
from generator.api.openai import views
from generator.ask import retried
from generator.ask.callers import Caller
from generator.ask.retried import Try
from generator.models import Generation
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import working

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images", "sandbox")]

Serve = Callable[..., httpx.Response]
Draw = Callable[[dict[str, Any], dict[str, str]], httpx.Response]
GENERATIONS = "/v1/images/generations"
BODY = {"prompt": "a lighthouse"}
FIRST, AGAIN = ({"x-stainless-retry-count": tries} for tries in "01")


@pytest.fixture
def caller(api: Api, wallet: Wallet) -> Caller:
    return Caller(api.key, wallet)


@pytest.fixture
def draw(serve: Serve) -> Draw:
    """Ask for pictures, and have them drawn."""

    def send(body: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
        with working():
            return serve("POST", GENERATIONS, json=body, headers=headers)

    return send


@pytest.fixture
def tries(caller: Caller) -> Callable[[Callable[..., Any]], Any]:
    """Run a story of tries, which begin by `first()` and `again()`."""

    async def first() -> Try:
        return await retried.begin(caller, "same", 0)

    async def again() -> Try:
        return await retried.begin(caller, "same", 1)

    return lambda story: asyncio.run(story(first, again))


def test_what_was_refused_for_good_is_no_key_of_a_later_call(tries: Any) -> None:
    async def story(first: Any, again: Any) -> None:
        refused = await first()
        await refused.ended()
        charged = await first()
        await charged.hung_up()
        assert (await again()).key == charged.key

    for _ in range(5):  # keys are random
        tries(story)


def test_a_key_that_may_be_charged_goes_before_one_that_is_not(tries: Any) -> None:
    async def story(first: Any, again: Any) -> None:
        charged = await first()
        await charged.hung_up()
        await (await first()).refused()
        once = await again()
        assert once.key == charged.key
        await once.refused()  # for now: as a look-up it had no place in the limit
        assert (await again()).key == charged.key

    tries(story)


def test_no_try_takes_the_key_that_a_sibling_waits_with(tries: Any) -> None:
    async def story(first: Any, again: Any) -> None:
        waiting = [await first() for _ in range(4)]
        failed, refused = await first(), await first()
        await failed.failed()
        await refused.refused()
        taken = {(await again()).key, (await again()).key}
        assert refused.key in taken
        assert failed.key not in taken
        assert taken.isdisjoint(one.key for one in waiting)

    tries(story)


def test_what_a_process_that_died_waited_with_is_taken_up(tries: Any) -> None:
    async def story(first: Any, again: Any) -> None:
        held = await first()
        assert (await again()).key == held.key

    tries(story)


def test_a_list_does_not_grow_without_end(tries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(first: Any, again: Any) -> int:
        for _ in range(retried.MOST + 20):
            await (await first()).refused()
        client = retried._clients.get()
        [name] = [key async for key in client.scan_iter("reveweb:retried:*:same")]
        return int(await client.zcard(name))

    assert tries(story) == retried.MOST


def test_who_tops_up_after_a_refusal_is_charged_once_for_a_call_that_is_tried_again(
    serve: Serve, draw: Draw, wallet: Wallet, give: Callable[[int], None], settings: Any
) -> None:
    body = {**BODY, "n": 4}
    for _ in range(4):  # keys are random
        refused = serve("POST", GENERATIONS, json=body, headers=FIRST)
        assert (refused.status_code, refused.headers["x-should-retry"]) == (429, "false")
    give(5)
    settings.SYNC_WAIT_SECONDS = 0.1
    assert serve("POST", GENERATIONS, json=body, headers=FIRST).status_code == 503
    settings.SYNC_WAIT_SECONDS = 60
    assert draw(body, AGAIN).status_code == 200
    assert (Generation.objects.count(), audit(wallet)) == (4, 4)


def test_a_failed_image_is_drawn_anew_and_no_siblings_is_given_for_it(
    draw: Draw, caller: Caller, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sibling still waits, in another call."""
    digests, begin = [], retried.begin

    async def begun(caller: Caller, digest: str, tries: int) -> Try:
        digests.append(digest)
        return await begin(caller, digest, tries)

    monkeypatch.setattr(retried, "begin", begun)
    body = {"prompt": "x [sandbox:fail]"}
    assert draw(body, FIRST).status_code == 500
    held = asyncio.run(begin(caller, digests[0], 0))
    assert draw(body, AGAIN).status_code == 500
    assert Generation.objects.count() == 2
    assert not Generation.objects.filter(idempotency_key__endswith=held.key).exists()
    assert audit(wallet) == 3


def test_whoever_hangs_up_leaves_the_image_to_the_next_try(
    draw: Draw, serve: Serve, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs_up(*_: Any) -> Any:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(views, "wait_for", hangs_up)
        serve("POST", GENERATIONS, json=BODY, headers=FIRST)
    assert draw(BODY, AGAIN).status_code == 200
    assert (Generation.objects.count(), audit(wallet)) == (1, 2)
