"""What a sandbox installation makes for itself, so that everything can be tried there."""

from typing import Any

import pytest

from generator.models import DEFAULT_MODEL, ImageModel, Operation, Price, Route, Upstream
from generator.upstreams.dialect import Capabilities
from generator.upstreams.reve_art import ReveArt
from reveweb.run import demo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _sandbox(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SANDBOX = settings.EMBEDDED_SANDBOX = True
    monkeypatch.setattr(ReveArt, "can", Capabilities(operations=frozenset(Operation)))


def model() -> ImageModel:
    return ImageModel.objects.get(slug=DEFAULT_MODEL)


def counts() -> tuple[int, int]:
    return Route.objects.count(), Price.objects.count()


def test_the_first_model_edits_and_remixes_there() -> None:
    demo.offer_all()
    demo.offer_all()
    assert model().operations == ["create", "edit", "remix"]
    assert counts() == (3, 3)
    assert set(Route.objects.values_list("upstream__slug", flat=True)) == {"reve"}


def test_what_an_operator_changed_stays() -> None:
    demo.offer_all()
    ImageModel.objects.update(operations=["create"])
    Route.objects.filter(operation="edit").update(is_active=False)
    demo.offer_all()
    assert model().operations == ["create"]
    assert not Route.objects.get(operation="edit").is_active
    assert counts() == (3, 3)


def test_a_price_that_was_set_before_holds() -> None:
    Price.objects.create(model=model(), operation="edit", credits=7)
    demo.offer_all()
    assert [price.credits for price in Price.objects.filter(operation="edit")] == [7]


@pytest.mark.parametrize("left", ["SANDBOX", "EMBEDDED_SANDBOX"])
def test_elsewhere_nothing_is_touched(settings: Any, left: str) -> None:
    setattr(settings, left, False)
    demo.offer_all()
    assert (model().operations, counts()) == (["create"], (1, 1))


def test_only_what_the_upstream_can_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReveArt, "can", Capabilities(operations=frozenset({Operation.CREATE, Operation.EDIT})))
    demo.offer_all()
    assert model().operations == ["create", "edit"]
    Upstream.objects.update(base_url="https://elsewhere.example")  # which is not our sandbox any more
    monkeypatch.setattr(ReveArt, "can", Capabilities(operations=frozenset(Operation)))
    demo.offer_all()
    assert model().operations == ["create", "edit"]
