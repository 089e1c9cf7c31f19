"""Was I billed? Each end of the documentation's table is brought about, and the ledger is asked."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, get_args

import httpx
import pytest
from django.utils import timezone

from accounts import keys
from billing.models import Wallet
from generator.ask import prices
from generator.ask.answers import Failure
from generator.jobs import cancelling, lifecycle, sweep, wishes
from generator.jobs.attempts import Ended, State
from generator.jobs.changes import Unstored
from generator.jobs.ends import ENDS, FAILURES, named
from generator.models import Generation, ImageModel, Operation, Price
from tests.api.answers import GENERATE
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import working
from tests.generator.test_failover import wait_until
from tests.generator.test_lifecycle import complete, drawing, submitting

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images", "sandbox")]

PRICE = 2
PROMPT = {"prompt": "a lighthouse"}
ASYNC = {**PROMPT, "async": True}


class World:
    """Somebody with credits who asks for an image, and what becomes of it."""

    def __init__(self, api: Api, wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> None:
        self.api, self.wallet, self.monkeypatch = api, wallet, monkeypatch
        self.before = 0  # credits

    def ask(self, status: int = 202, **fields: Any) -> Any:
        headers = fields.pop("headers", {})
        answer = self.api.post({**ASYNC, **fields}, **headers)
        assert answer.status_code == status, answer.content
        return answer.json()

    def asked(self, **fields: Any) -> Generation:
        return Generation.objects.get(public_id=self.ask(**fields)["id"])

    def all_end(self) -> None:
        with working():
            wait_until(lambda: not Generation.objects.filter(status__in=Generation.UNFINISHED).exists())

    def cancel(self, generation: Generation) -> Any:
        self.monkeypatch.setattr(cancelling, "WAIT_SECONDS", 0.1)
        return self.api.post(b"", f"/v1/reve-image/{generation.public_id}/cancel").json()

    # --- Ends: each returns how many images were drawn

    def drawn(self) -> int:
        with working():
            self.ask(200, **{"async": False})
        return 1

    def wait_ended(self) -> int:
        self.ask(headers={"Prefer": "wait=1"})
        self.all_end()
        return 1

    def hung_up(self) -> int:
        from reveweb.asgi import application  # only now: it wants the static files to be there

        async def give_up() -> None:
            transport = httpx.ASGITransport(app=application)  # type: ignore[arg-type]  # Django insists on a dict
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                key = {"Authorization": f"Bearer {self.api.secret}"}
                call = asyncio.create_task(client.post(GENERATE[0], json=PROMPT, headers=key))
                while not await asyncio.to_thread(Generation.objects.exists):
                    await asyncio.sleep(0.02)
                call.cancel()

        asyncio.run(give_up())
        self.all_end()
        return 1

    def deleted(self) -> int:
        made = self.asked()
        complete(drawing(made))
        key = {"Authorization": f"Bearer {self.api.secret}"}
        assert self.api.client.delete(f"/v1/reve-image/{made.public_id}", headers=key).status_code == 200
        return 1

    def some_drawn(self) -> int:
        first = self.ask(n=3)["images"][0]
        Generation.objects.filter(public_id=first["id"]).update(deadline_at=timezone.now())
        sweep.fail_stuck()
        self.all_end()
        return 2

    def none_drawn(self) -> int:
        with working():
            self.ask(502, n=2, prompt="a lighthouse [sandbox:fail]", **{"async": False})
        return 0

    def failed(self) -> int:
        with working():
            self.ask(502, prompt="a lighthouse [sandbox:fail]", **{"async": False})
        return 0

    def prompt_refused(self) -> int:
        with working():
            self.ask(422, prompt="a lighthouse [sandbox:refuse]", **{"async": False})
        return 0

    def deadline(self) -> int:
        with working():
            self.ask(502, prompt="a lighthouse [sandbox:never]", deadline_seconds=1, **{"async": False})
        return 0

    def unstored(self) -> int:
        made = drawing(self.asked())
        lifecycle.wait_for_storage([Unstored(made, "reve-1", 0.0)])
        Generation.objects.filter(pk=made.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
        sweep.fail_stuck()
        return 1

    def lost(self) -> int:
        made = submitting(self.asked())
        Generation.objects.filter(pk=made.pk).update(due_at=timezone.now() - timedelta(seconds=1))
        sweep.fail_stuck()
        return 0

    def cancelled(self) -> int:
        assert self.cancel(self.asked())["cancelled"] is True
        return 0

    def dropped(self) -> int:
        made = drawing(self.asked())
        assert self.cancel(made)["cancelled"] is False  # nobody works on it yet
        [[claimed], _] = cancelling.take_wished(1)
        assert lifecycle.call_off(claimed)
        assert self.cancel(made)["cancelled"] is True
        return 0

    def went_on(self) -> int:
        made = drawing(self.asked())
        assert self.cancel(made)["cancelled"] is False
        [[claimed], _] = cancelling.take_wished(1)
        assert wishes.refuse(claimed)
        complete(Generation.objects.get(pk=made.pk))
        return 1

    def came_to_nothing(self) -> int:
        made = drawing(self.asked())
        assert self.cancel(made)["cancelled"] is False
        [[claimed], _] = cancelling.take_wished(1)
        assert wishes.refuse(claimed)
        [looked] = lifecycle.claim_looks(1)
        lifecycle.give_up(looked, ended=Ended(State.FAILED), code="upstream_failed", message="No.")
        return 0

    def too_late(self) -> int:
        made = self.asked()
        complete(drawing(made))
        assert self.cancel(made)["cancelled"] is False
        return 1

    def replayed(self) -> int:
        headers = {"Idempotency-Key": "one"}
        self.ask(headers=headers)
        self.before = audit(self.wallet)  # what the first one cost is another row's
        self.ask(headers=headers)
        return 0

    def conflict(self) -> int:
        headers = {"Idempotency-Key": "one"}
        self.ask(headers=headers)
        self.before = audit(self.wallet)
        self.ask(409, headers=headers, prompt="another")
        return 0

    def dry_run(self) -> int:
        self.ask(200, dry_run=True, n=10)
        return 0

    def not_covered(self) -> int:
        self.ask(402, n=10)
        return 0

    def refused(self) -> int:
        self.ask(422, prompt="")
        self.ask(422, seed=1)
        return 0

    def looked_up(self) -> int:
        made = self.asked()
        lifecycle.cancel(made)
        for path in ("", f"/{made.public_id}", f"/status/{made.public_id}", f"/{made.public_id}/events"):
            assert self.api.get(f"/v1/reve-image{path}").status_code == 200
        return 0

    def sample(self) -> int:
        secret, self.api.secret = self.api.secret, keys.mint(user=self.wallet.user, name="t", is_test=True)[1]
        with working():
            assert self.ask(200, **{"async": False})["test"] is True
        self.api.secret = secret
        return 1


@pytest.fixture
def world(api: Api, wallet: Wallet, give: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> World:
    give(12)
    Price.objects.create(
        model=ImageModel.objects.get(), operation=Operation.CREATE, credits=PRICE, since=timezone.now()
    )
    prices.forget()
    time.sleep(0.01)
    return World(api, wallet, monkeypatch)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.name)
def test_each_end_costs_what_the_table_says(world: World, end: Any) -> None:
    world.before = audit(world.wallet)
    drawn = getattr(world, end.name)()
    assert world.before - audit(world.wallet) == end.credits(price=PRICE, drawn=drawn)
    assert not Generation.objects.filter(status__in=Generation.UNFINISHED).exists() or not end.billed
    if end.code:
        assert {one.error_code for one in Generation.objects.all()} == {end.code}


def test_the_table_has_every_end() -> None:
    assert {end.name for end in ENDS} == {name for name in vars(World) if hasattr(World, name) and _is_end(name)}
    assert set(FAILURES) == set(get_args(Failure.model_fields["code"].annotation))
    assert {end.code for end in ENDS if end.code} == set(FAILURES)
    assert named("drawn").words == "Yes, its price"
    assert named("failed").words == "No, the credits are back"
    assert named("dry_run").words == "No"


def _is_end(name: str) -> bool:
    return not name.startswith("_") and name not in ("ask", "asked", "all_end", "cancel")
