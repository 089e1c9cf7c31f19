"""`POST /v1/reve-image/{id}/cancel`: free while it is queued, and told what happens to it where it is not."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.db import connection

from accounts import keys
from accounts.models import ApiKey, User
from billing.models import CreditEntry, Wallet
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.jobs import cancelling, lifecycle, wishes
from generator.jobs.attempts import Ended, State
from generator.jobs.changes import Move
from generator.models import Attempt, Generation, Route, Upstream
from generator.upstreams import routing, secret
from tests.api.answers import assert_error
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import working
from tests.generator.conftest import forget_client
from tests.generator.dialects.conftest import PEERS
from tests.generator.test_failover import wait_until
from tests.generator.test_lifecycle import complete, drawing, status, submitting

pytestmark = pytest.mark.services
Status = Generation.Status
Serve = Callable[..., httpx.Response]


def cancel(api: Api, generation: Generation) -> Any:
    answer = api.post(b"", f"/v1/reve-image/{generation.public_id}/cancel")
    assert answer.status_code == 200, answer.content
    return answer.json()


def returns() -> int:
    return CreditEntry.objects.filter(kind=CreditEntry.Kind.RELEASE).count()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "WAIT_SECONDS", 0.3)


@pytest.fixture
def spoken(sandbox: str, settings: Any, images: None) -> Iterator[Callable[[str], None]]:
    """Have the sandbox's upstream speak a protocol, and draw for ever."""

    def speak(name: str) -> None:
        settings.SANDBOX = False
        [peer] = [one for one in PEERS if one.name == name]
        Upstream.objects.update(dialect=name, base_url=sandbox + peer.path, secret=secret.seal("test-key"))
        Route.objects.update(their_name=peer.model)
        Generation.objects.update(prompt="a lighthouse [sandbox:never]")
        routing.forget()
        forget_client()

    yield speak
    forget_client()


# --- Where no upstream has it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/reve-image/{}/cancel", "/v1/reve-image/status/{}/cancel/"])
def test_what_is_queued_is_cancelled_for_free(api: Api, generation: Generation, wallet: Wallet, path: str) -> None:
    for _ in range(2):  # the second time it says the same
        body = api.post(b"", path.format(generation.public_id)).json()
        assert (body["id"], body["status"], body["error"]["code"]) == (generation.public_id, "failed", "cancelled")
        assert (body["cancelled"], body["credits_charged"]) == (True, 0)
        assert body["message"] == "It is cancelled. Your credit was returned."
    assert (audit(wallet), returns()) == (3, 1)


def test_what_has_ended_stays_as_it_is(api: Api, generation: Generation, wallet: Wallet) -> None:
    complete(drawing(generation))
    body = cancel(api, generation)
    assert (body["status"], body["cancelled"], body["credits_charged"]) == ("completed", False, 1)
    assert "finished already" in body["message"]
    assert audit(wallet) == 2
    failed = admission.admit(wallet=wallet, request=ImageRequest(prompt="x")).generation
    lifecycle.fail(drawing(failed), code="upstream_failed", message="No.")
    body = cancel(api, failed)
    assert (body["status"], body["cancelled"], body["credits_charged"]) == ("failed", False, 0)
    assert audit(wallet) == 2


def test_nobody_cancels_what_is_somebody_elses(api: Api, generation: Generation, bob: User, wallet: Wallet) -> None:
    api.secret = keys.mint(user=bob, name="test")[1]
    path = f"/v1/reve-image/{generation.public_id}/cancel"
    assert_error(api.post(b"", path), 404, "not_found")
    assert_error(api.post(b"", "/v1/reve-image/img_1/cancel"), 404, "not_found")
    ApiKey.objects.update(scopes=["read"])
    assert_error(api.post(b"", path), 403, "scope_missing")
    assert Generation.objects.get().status == Status.QUEUED


def test_fifty_cancels_at_once_end_in_one_return(
    api: Api, generation: Generation, wallet: Wallet, settings: Any
) -> None:
    settings.STATUS_RATE_LIMIT_PER_MINUTE = 1000
    from reveweb.asgi import application  # only now: it wants the static files to be there

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # Django insists on a dict
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=60) as client:
            key = {"Authorization": f"Bearer {api.secret}"}
            path = f"/v1/reve-image/{generation.public_id}/cancel"
            return await asyncio.gather(*(client.post(path, headers=key) for _ in range(50)))

    answers = asyncio.run(ask())
    assert Counter((one.status_code, one.json()["cancelled"]) for one in answers) == {(200, True): 50}
    assert (audit(wallet), returns()) == (3, 1)


def test_fifty_are_cancelled_while_a_worker_claims_them(api: Api, wallet: Wallet, give: Callable[[int], None]) -> None:
    """Each is either sent or cancelled; what comes back to the queue with a wish is cancelled as well."""
    give(47)
    wallet.rate_limit = 1000
    images = [admission.admit(wallet=wallet, request=ImageRequest(prompt="x")).generation for _ in range(50)]
    claimed: list[Generation] = []
    began = threading.Barrier(2)

    def claim() -> None:
        began.wait()
        try:
            for image in images:
                claimed.extend(lifecycle.claim_submissions([image.pk]))
        finally:
            connection.close()

    def call_off() -> None:
        began.wait()
        try:
            for image in reversed(images):
                cancelling._cancel(image)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(claim), pool.submit(call_off)]:
            future.result()
    sent = {one.pk for one in claimed}
    assert sent == set(Generation.objects.filter(status=Status.SUBMITTING).values_list("pk", flat=True))
    assert sent == wishes.among([one.pk for one in images])
    assert returns() == 50 - len(sent)
    # No upstream took them: so nothing of them is sent again, and all of them are free.
    moves = [Move(one, Ended(State.NOT_TAKEN), frozenset(), 0.0) for one in claimed]
    lifecycle.go_on(moves)
    assert lifecycle.claim_submissions([one.pk for one in images]) == []
    assert cancelling.take_wished(100) == ([], bool(sent))
    assert not Generation.objects.filter(status__in=Generation.UNFINISHED).exists()
    assert (audit(wallet), returns()) == (50, 50)


# --- Where an upstream may have it ------------------------------------------------------------------------------


def test_what_is_being_sent_goes_on_and_says_what_it_costs(api: Api, generation: Generation, wallet: Wallet) -> None:
    claimed = submitting(generation)
    body = cancel(api, generation)
    assert (body["status"], body["stage"], body["cancelled"], body["credits_charged"]) == (
        "pending",
        "submitting",
        False,
        1,
    )
    assert "costs 1 credit if it is drawn" in body["message"]
    # Its upstream did not take it: so it is free after all.
    lifecycle.go_on([Move(claimed, Ended(State.NOT_TAKEN), frozenset(), 0.0)])
    cancelling.take_wished(10)
    assert cancel(api, generation)["cancelled"] is True
    assert (audit(wallet), returns()) == (3, 1)


def test_what_came_to_nothing_is_not_drawn_elsewhere(generation: Generation, wallet: Wallet) -> None:
    other = Upstream.objects.create(slug="other", name="Other", dialect="reve_art", base_url="http://127.0.0.1:9")
    Route.objects.create(model=Route.objects.get().model, operation="create", upstream=other)
    routing.forget()
    claimed = submitting(generation)
    assert lifecycle.accepted(claimed, upstream_id="img_up", poll_after=0)
    [looked] = lifecycle.claim_looks(1)
    assert wishes.note(generation)
    assert not wishes.note(generation)
    assert not lifecycle.give_up(looked, ended=Ended(State.FAILED), code="upstream_failed", message="No.")
    found = Generation.objects.get()
    assert (found.status, found.error_code) == (Status.FAILED, "cancelled")
    assert (audit(wallet), returns()) == (3, 1)


def test_an_upstream_that_knows_no_cancelling_goes_on(
    api: Api,
    generation: Generation,
    wallet: Wallet,
    spoken: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cancelling, "WAIT_SECONDS", 200)
    spoken("reve_art")
    with working():
        wait_until(lambda: status(generation) == Status.DRAWING)
        body = cancel(api, generation)
        assert (body["status"], body["cancelled"]) == ("pending", False)
        refused_at = Generation.objects.get().cancel_refused_at
        assert refused_at
        assert cancel(api, generation)["cancelled"] is False
        assert Generation.objects.get().cancel_refused_at == refused_at  # it is known by now: nobody is asked again
    assert audit(wallet) == 2


@pytest.mark.parametrize("dialect", ["fal_queue", "replicate_predictions"])
def test_an_upstream_that_certainly_drops_it_makes_it_free(
    api: Api,
    generation: Generation,
    wallet: Wallet,
    spoken: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    dialect: str,
) -> None:
    monkeypatch.setattr(cancelling, "WAIT_SECONDS", 200)
    spoken(dialect)
    with working():
        wait_until(lambda: status(generation) == Status.DRAWING)
        began = time.monotonic()
        body = cancel(api, generation)
        took = time.monotonic() - began
    assert (body["status"], body["cancelled"], body["credits_charged"]) == ("failed", True, 0)
    assert took < 60
    assert (audit(wallet), returns()) == (3, 1)
    assert Attempt.objects.get().error_kind == "Cancelled"
