"""Which place in the queue an image has: the one in which it would be sent."""

import threading
import time
from collections.abc import Callable

import pytest

from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.jobs import lifecycle, places
from generator.jobs.turns import Turns
from generator.models import Generation
from kit.threads import in_loop

pytestmark = pytest.mark.services


def ask(wallet: Wallet, count: int = 1, *, wait: bool = False) -> list[Generation]:
    wallet.rate_limit = 1000
    request = ImageRequest(prompt="x", count=count, wait=wait, is_awaited=wait)
    asked = admission.admit(wallet=wallet, request=request).generations
    Generation.objects.filter(pk__in=[one.pk for one in asked]).update(is_awaited=wait)
    return [Generation.objects.get(pk=one.pk) for one in asked]


def test_places_are_the_order_in_which_images_are_sent(wallet: Wallet, bob: User, give: Callable[[int], None]) -> None:
    """Alice has a backlog, Bob two, of which somebody waits for the second."""
    give(3)
    mine = ask(wallet, 6)
    first, second = ask(ledger.wallet_of(bob.pk)), ask(ledger.wallet_of(bob.pk), wait=True)
    order = sorted([*mine, *first, *second], key=lambda one: places.place_of(one) or 0)
    assert [places.place_of(one) for one in order] == list(range(1, 9))
    assert order.index(first[0]) < 4  # nobody waits behind Alice's backlog
    assert [one.pk for one in Turns(16).claim(8, {})] == [one.pk for one in order]


def test_only_what_is_queued_has_one(generation: Generation) -> None:
    assert places.place_of(generation) == 1
    claimed = lifecycle.claim_submission(generation.pk)
    assert claimed
    assert places.place_of(claimed) is None


def test_a_second_of_questions_is_one_query(generation: Generation, wallet: Wallet, statements: list[str]) -> None:
    later = ask(wallet)[0]
    statements.clear()
    assert [places.place_of(generation) for _ in range(50)] == [1] * 50
    assert in_loop(places.place_soon(later)) == 2
    assert len(statements) == 1
    newest = ask(wallet)[0]  # that came since is told to be the last
    assert places.place_of(newest) == 3
    places.forget()
    began = threading.Barrier(20)

    def place() -> None:
        began.wait()
        places.place_of(generation)

    statements.clear()
    threads = [threading.Thread(target=place) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in statements if "ROW_NUMBER" in one]) == 1


def test_what_is_far_behind_has_none(generation: Generation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "MOST", 0)
    places._seen = places._Queue(time.monotonic() + 60, {})
    assert places.place_of(generation) is None
