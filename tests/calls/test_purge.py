"""What leaves the request log."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from billing import ledger
from billing.models import Wallet
from generator.calls import purge, tasks
from generator.library import trash
from generator.models import ApiCall, Generation
from kit import nights

Note = Callable[..., ApiCall]


@pytest.fixture
def note(wallet: Wallet) -> Note:
    """Note a call that came so long ago."""

    def noted(age: timedelta = timedelta(), **fields: Any) -> ApiCall:
        number = ApiCall.objects.count()
        values = {"wallet": wallet, "method": "POST", "path": "/v1/x", "route": "/v1/x", "status": 200} | fields
        return ApiCall.objects.create(
            request_id=f"req_{number}", duration_ms=1, created_at=timezone.now() - age, **values
        )

    return noted


def test_calls_that_are_too_old_go_step_by_step(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "AT_ONCE", 3)
    for days in (40, 31, 29, 33, 30.01, 29.99, 1, 2, 3, 50):  # the last one came late into the log
        note(timedelta(days=days))
    assert purge.old() == 4
    left = ApiCall.objects.order_by("pk").values_list("created_at", flat=True)
    assert [round((timezone.now() - at).days) for at in left] == [29, 29, 1, 2, 3, 50]


def test_it_stops_where_all_are_new(note: Note, monkeypatch: pytest.MonkeyPatch, statements: list[str]) -> None:
    monkeypatch.setattr(purge, "AT_ONCE", 2)
    for _ in range(10):
        note()
    statements.clear()
    assert purge.old() == 0
    assert len([one for one in statements if "SELECT" in one]) == 1


def test_the_log_goes_back_as_far_as_the_operator_says(note: Note, settings: Any) -> None:
    settings.REQUEST_LOG_DAYS = 2
    note(timedelta(days=3))
    note(timedelta(days=1))
    assert purge.old() == 1


def test_it_happens_once_a_night(note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    note(timedelta(days=40))
    monkeypatch.setattr(nights, "claim", lambda name, at: False)
    tasks.purge_calls()
    assert ApiCall.objects.count() == 1
    monkeypatch.setattr(nights, "claim", lambda name, at: True)
    tasks.purge_calls()
    assert ApiCall.objects.count() == 0


def test_another_accounts_calls_stay(note: Note, wallet: Wallet, bob: User) -> None:
    note()
    note(wallet=ledger.wallet_of(bob.pk))
    assert purge.of_account(wallet) == 1
    assert ApiCall.objects.count() == 1


def test_the_words_of_a_purged_image_are_forgotten_here_too(note: Note, generation: Generation, images: None) -> None:
    note(image_id=generation.public_id, request_body='{"prompt": "a lighthouse"}', answer_body="{}")
    other = note(image_id="img_other", request_body='{"prompt": "else"}')
    Generation.objects.filter(pk=generation.pk).update(status="failed", deleted_at=timezone.now() - timedelta(days=1))
    assert trash.purge_due() == 1
    mine = ApiCall.objects.get(image_id=generation.public_id)
    assert (mine.request_body, mine.answer_body, mine.is_whole) == ("", "", False)
    other.refresh_from_db()
    assert other.request_body
