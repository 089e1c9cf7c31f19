"""What was asked for at once before there were groups gets one, in batches that can be interrupted."""

from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from billing.models import Wallet
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.models import Generation, Group
from tests.conftest import Api

pytestmark = pytest.mark.services

fill_groups: Any = import_module("generator.migrations.0031_fill_groups")


def fill() -> None:
    fill_groups.fill(apps, SimpleNamespace(connection=connection))


@pytest.fixture
def old(wallet: Wallet, api: Api) -> Callable[..., Generation]:
    """Make a generation as a version without groups left it."""

    def make(key: str | None = None, position: int = 1, status: str = "completed", **fields: Any) -> Generation:
        now = timezone.now()
        return Generation.objects.create(
            wallet=wallet,
            prompt="a pier",
            aspect_ratio="1:1",
            request_digest=ImageRequest("a pier", count=fields.pop("count", 1)).digest,
            idempotency_key=key,
            position=position,
            status=status,
            deadline_at=now,
            **fields,
        )

    return make


def test_a_press_is_a_group_and_each_call_is_one(old: Callable[..., Generation], api: Api) -> None:
    press = [old("studio:1", position, count=3) for position in (3, 2, 1)]
    call, nameless = old("order-1", api_key=api.key), old(api_key=api.key, status="failed")
    fill()
    groups = [Generation.objects.get(pk=one.pk).group for one in (*press, call, nameless)]
    assert groups[0] == groups[1] == groups[2]
    assert len({group.pk for group in groups if group}) == Group.objects.count() == 3
    names = ("source", "count", "idempotency_key", "api_key_id", "image_model_id")
    assert [tuple(getattr(group, name) for name in names) for group in Group.objects.order_by("pk")] == [
        ("studio", 3, "studio:1", None, None),
        ("api", 1, "order-1", api.key.pk, None),
        ("api", 1, None, api.key.pk, None),
    ]
    assert [group.created_at for group in Group.objects.order_by("pk")] == [
        one.created_at for one in (press[2], call, nameless)
    ]


def test_what_was_interrupted_goes_on_where_it_was(
    old: Callable[..., Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill_groups, "AT_ONCE", 2)
    rows = [old("studio:1", position, count=5) for position in (5, 4, 3, 2, 1)] + [old() for _ in range(6)]
    begin = fill_groups._fill

    def stop_late(*arguments: Any) -> int:
        if arguments[-1] > rows[7].pk:
            raise KeyboardInterrupt
        return int(begin(*arguments))

    with monkeypatch.context() as patch:
        patch.setattr(fill_groups, "_fill", stop_late)
        with pytest.raises(KeyboardInterrupt):
            fill()
    kept = dict(Generation.objects.exclude(group=None).values_list("pk", "group"))
    assert 5 < len(kept) < 11
    fill()
    now = dict(Generation.objects.values_list("pk", "group"))
    assert {pk: now[pk] for pk in kept} == kept
    assert (Group.objects.count(), None in now.values()) == (7, False)
    fill()
    assert Group.objects.count() == 7


def test_what_is_under_way_is_left_to_its_worker(old: Callable[..., Generation]) -> None:
    old("studio:1", 2, "drawing", count=2)
    old("studio:1", 1, count=2)
    old(status="queued")
    fill()
    assert not Group.objects.exists()


def test_a_key_from_before_there_were_groups_still_finds_its_images(
    old: Callable[..., Generation], wallet: Wallet
) -> None:
    request = ImageRequest("a pier", count=2)
    rows = [old("studio:1", position, count=2) for position in (2, 1)]
    for _ in ("not filled yet", "filled"):
        again = admission.admit(wallet=wallet, request=request, idempotency_key="studio:1")
        assert again.replayed
        assert [one.pk for one in again.generations] == [rows[1].pk, rows[0].pk]
        fill()
