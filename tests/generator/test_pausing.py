"""Pauses of intake: nothing new is taken on, nothing is charged, and what runs is finished."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts import keys
from accounts.models import User
from billing.models import AuditRecord, Wallet
from generator.ask import admission, pausing, prices
from generator.ask.admission import ImageRequest
from generator.errors import IntakePaused
from generator.jobs import lifecycle
from generator.models import Generation, ImageModel, Pause
from tests.billing.books import audit

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]

GENERATE = "/v1/reve-image/generate"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "CACHE_SECONDS", -1.0)


def ask(wallet: Wallet, **more: Any) -> Generation:
    request = ImageRequest(prompt="a lighthouse", model=more.pop("model", None))
    return admission.admit(wallet=wallet, request=request, **more).generation


def pause(model: ImageModel | None = None, *, minutes: int | None = 60, message: str = "") -> Pause:
    until = timezone.now() + timedelta(minutes=minutes) if minutes else None
    return pausing.pause(actor=None, model=model, message=message, until=until, reason="a test")


def test_nothing_new_is_taken_on_and_nothing_charged(wallet: Wallet, give: Callable[[int], None]) -> None:
    give(10)
    before = ask(wallet, idempotency_key="before")
    pause(message="We are moving.")
    with pytest.raises(IntakePaused) as refused:
        ask(wallet)
    assert (refused.value.words, 3590 < refused.value.seconds <= 3600) == ("We are moving.", True)
    assert Generation.objects.count() == 1
    assert ask(wallet, idempotency_key="before") == before  # what was admitted is found again
    assert audit(wallet) == 12  # the welcome credits and what was given, less the one image


def test_what_runs_is_finished(wallet: Wallet, give: Callable[[int], None]) -> None:
    give(1)
    made = ask(wallet)
    pause()
    assert lifecycle.claim_submission(made.pk)


def test_a_pause_of_one_model_leaves_the_others(wallet: Wallet, give: Callable[[int], None]) -> None:
    give(5)
    first = ImageModel.objects.get()
    other = ImageModel.objects.create(slug="other", name="Other", order=9)
    for route in list(first.routes.all()):
        route.pk, route.model = None, other
        route.save()
    pause(first, minutes=None)
    with pytest.raises(IntakePaused) as refused:
        ask(wallet)
    assert (refused.value.until, refused.value.seconds) == (None, pausing.SECONDS_UNASKED)
    assert ask(wallet, model=other).image_model == other
    assert [one.model for one in pausing.standing(pausing.all_set())] == [first]
    pause()
    with pytest.raises(IntakePaused):
        ask(wallet, model=other)
    assert [one.model for one in pausing.standing(pausing.all_set())] == [None]  # which says enough


def test_it_ends_by_itself_and_by_hand(wallet: Wallet, give: Callable[[int], None]) -> None:
    give(5)
    held = pause()
    assert pausing.trouble() == "Intake is paused: all models"
    Pause.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert ask(wallet)
    assert pausing.trouble() is None
    assert pause(minutes=None).pk == held.pk  # the same row, begun anew
    assert pausing.resume(actor=None, pk=held.pk, reason="a test")
    assert not pausing.resume(actor=None, pk=held.pk, reason="a test")
    assert ask(wallet)
    assert AuditRecord.objects.filter(action__in=["Paused intake", "Resumed intake"]).count() == 3


def test_only_who_may_pauses(alice: User) -> None:
    with pytest.raises(PermissionDenied):
        pausing.pause(actor=alice, model=None, message="", until=None, reason="a test")
    with pytest.raises(PermissionDenied):
        pausing.resume(actor=alice, pk=1, reason="a test")


@pytest.mark.django_db(transaction=True)
def test_two_who_pause_at_once_make_one_row() -> None:
    def once(number: int) -> None:
        pause(message=f"{number}")
        connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(once, range(8)))
    assert Pause.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        (GENERATE, {"prompt": "x", "async": True}, "intake_paused"),
        ("/v1/image/create", {"prompt": "x"}, "INTAKE_PAUSED"),
        (GENERATE, {"prompt": "x", "dry_run": True}, "intake_paused"),
    ],
)
def test_every_protocol_says_so(
    client: Client, alice: User, wallet: Wallet, path: str, body: dict[str, Any], code: str
) -> None:
    pause(message="We are moving.")
    _, secret = keys.create(user=alice, name="a program", claim="pausing")
    headers = {"Authorization": f"Bearer {secret}"}
    answer = client.post(path, body, content_type="application/json", headers=headers)
    assert answer.status_code == 503
    assert 3590 < int(answer["Retry-After"]) <= 3600
    assert code in answer.content.decode()
    assert "We are moving. No new images are taken on for now." in answer.content.decode()
    assert not Generation.objects.exists()


def test_the_studio_has_a_banner_and_refuses(client: Client, alice: User, wallet: Wallet) -> None:
    client.force_login(alice)
    assert "data-pause" not in client.get("/create/").content.decode()
    pause(message="We are moving.")
    page = client.get("/create/").content.decode()
    assert "No new images are taken on until" in page
    assert "We are moving." in page
    answer = client.post(
        "/create/generate/",
        {"prompt": "x", "aspect_ratio": "1:1", "count": "1", "nonce": "0" * 32},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 503
    assert "We are moving." in answer.content.decode()
    assert not Generation.objects.exists()
