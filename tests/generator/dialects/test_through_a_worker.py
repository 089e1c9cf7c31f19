"""Each dialect as an installation has it: rows, a worker, storage and the books."""

import threading
from typing import Any

import pytest

from billing.models import Wallet
from generator.ask import admission
from generator.files import images, uploads
from generator.models import Attempt, Generation, ImageModel, Operation, Route, Upstream
from generator.upstreams import secret
from kit import storage
from tests.billing.books import audit
from tests.driver import finish, step
from tests.generator.conftest import forget_client
from tests.generator.dialects.conftest import Peer, colour_at, left_half, opened, sheet

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]

RED = (210, 20, 20)


@pytest.fixture
def through(peer: Peer, sandbox: str, settings: Any, wallet: Wallet) -> Any:
    """Have the installation's upstream speak the peer's protocol."""
    settings.SANDBOX = False
    settings.UPSTREAM_TYPICAL_SECONDS = 0.0
    Upstream.objects.update(dialect=peer.name, base_url=sandbox + peer.path, secret=secret.seal("test-key"))
    Route.objects.update(their_name=peer.model)
    ImageModel.objects.update(operations=list(Operation))
    first = Route.objects.get()
    for operation in (Operation.EDIT, Operation.REMIX):
        Route.objects.create(model=first.model, operation=operation, upstream=first.upstream, their_name=peer.model)
    forget_client()
    yield peer
    forget_client()


def asked(wallet: Wallet, prompt: str, **fields: Any) -> Generation:
    request = admission.ImageRequest(prompt=prompt, **fields)
    return admission.admit(wallet=wallet, request=request).generation


def test_an_image_is_drawn_stored_and_charged(through: Peer, wallet: Wallet) -> None:
    before = audit(wallet)
    generation = finish(asked(wallet, f"a lighthouse by {through.name}"))
    assert generation.status == Generation.Status.COMPLETED
    assert opened(images.read(generation.file_name)).size == (generation.width, generation.height)
    assert audit(wallet) == before - 1
    assert Attempt.objects.get().state == Attempt.State.DRAWN


def test_a_refused_prompt_is_told_and_costs_nothing(through: Peer, wallet: Wallet) -> None:
    before = audit(wallet)
    generation = finish(asked(wallet, f"{through.name} [sandbox:refuse]"))
    assert (generation.status, generation.error_code) == ("failed", "prompt_refused")
    assert "content policy" in generation.error_message
    assert audit(wallet) == before


def test_empty_pockets_fail_nobodys_image(through: Peer, wallet: Wallet) -> None:
    generation = asked(wallet, f"{through.name} [sandbox:payment]")
    for _ in range(3):
        generation = step(generation)
    assert generation.status == Generation.Status.QUEUED


def test_pictures_are_read_by_threads_that_storage_may_hang(
    through: Peer, wallet: Wallet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of those that the database needs: a few hanging reads would stop all that is claimed and written."""
    picture, readers, opens = uploads.take(wallet, sheet(RED).data), set(), storage.opened

    def watched(kept_in: Any, path: str) -> Any:
        if path.startswith(uploads.FOLDER):
            readers.add(threading.current_thread().name.partition("_")[0])
        return opens(kept_in, path)

    monkeypatch.setattr(storage, "opened", watched)
    assert finish(asked(wallet, "a hat", operation=Operation.EDIT, inputs=(picture,))).status == "completed"
    assert readers == {"storage"}


def test_an_edit_is_made_from_what_somebody_brought(through: Peer, wallet: Wallet) -> None:
    picture, mask = uploads.take(wallet, sheet(RED).data), uploads.take(wallet, left_half().data)
    generation = finish(
        asked(wallet, "a hat", operation=Operation.EDIT, inputs=(picture,), mask=mask, aspect_ratio="3:2")
    )
    assert generation.status == Generation.Status.COMPLETED
    drawn = opened(images.read(generation.file_name))
    assert drawn.size == (96, 64)
    assert colour_at(drawn, (80, 30)) == RED != colour_at(drawn, (10, 30))
