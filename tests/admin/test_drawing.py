"""Models, routes, prices of images and the margin in the admin."""

import csv
import io
from typing import Any

import pytest

from billing.models import AuditRecord, Pack, Plan
from generator.models import DEFAULT_MODEL, Attempt, Generation, ImageModel, Operation, Price, Route, Upstream
from tests.admin.conftest import REASON, Staff

MODEL = {
    "name": "Sketch",
    "slug": "sketch",
    "description": "",
    "operations": ["create", "edit"],
    "aspect_ratios": ["1:1", "16:9"],
    "sizes": ["1K"],
    "qualities": [],
    "order": "5",
    "is_active": "on",
    "reason": REASON,
}


@pytest.fixture
def first(transactional_db: None) -> ImageModel:
    return ImageModel.objects.get(slug=DEFAULT_MODEL)


@pytest.fixture
def route(first: ImageModel) -> Route:
    return Route.objects.get(model=first)


def errors(response: Any) -> dict[str, Any]:
    assert response.status_code == 200
    return dict(response.context_data["adminform"].form.errors)


# --- Models ------------------------------------------------------------------------------------------------------


def test_a_model_is_added_by_ticking_boxes(boss: Staff) -> None:
    page = boss.text("generator_imagemodel_add")
    assert page.count('type="checkbox" name="operations"') == 3
    assert "[&quot;" not in page  # no JSON
    assert boss.post("generator_imagemodel_add", **MODEL).status_code == 302

    model = ImageModel.objects.get(slug="sketch")
    assert (model.operations, model.aspect_ratios) == (["create", "edit"], ["1:1", "16:9"])
    assert (model.sizes, model.qualities) == (["1K"], [])
    record = AuditRecord.objects.get()
    assert (record.action, record.after["operations"]) == ("Added a model", ["create", "edit"])


def test_a_model_that_nobody_used_may_get_another_slug_and_one_that_was_used_keeps_its(
    boss: Staff, drawn: Generation
) -> None:
    model = ImageModel.objects.create(slug="sketch", name="Sketch")
    assert boss.post("generator_imagemodel_change", model.pk, **{**MODEL, "slug": "drawing"}).status_code == 302
    model.refresh_from_db()
    assert model.slug == "drawing"

    Generation.objects.filter(pk=drawn.pk).update(image_model=model)
    assert boss.post("generator_imagemodel_change", model.pk, **{**MODEL, "slug": "other"}).status_code == 302
    model.refresh_from_db()
    assert model.slug == "drawing"


def test_the_first_models_slug_is_that_of_every_older_image(boss: Staff, first: ImageModel) -> None:
    assert boss.post("generator_imagemodel_change", first.pk, **{**MODEL, "slug": "other"}).status_code == 302
    first.refresh_from_db()
    assert (first.slug, first.name) == (DEFAULT_MODEL, "Sketch")


def test_taking_a_model_off_says_how_many_images_wait_and_is_confirmed(
    boss: Staff, first: ImageModel, drawn: Generation
) -> None:
    Generation.objects.filter(pk=drawn.pk).update(status="queued", image_model=None)  # as of before there were others
    off = {name: value for name, value in MODEL.items() if name not in ("is_active", "slug")}
    found = errors(boss.post("generator_imagemodel_change", first.pk, **off))
    assert list(found) == ["confirm"]
    assert "1 image of it is not drawn yet" in found["confirm"][0]
    first.refresh_from_db()
    assert first.is_active

    assert boss.post("generator_imagemodel_change", first.pk, **off, confirm="on").status_code == 302
    first.refresh_from_db()
    assert not first.is_active


def test_a_size_that_no_box_has_stays(boss: Staff) -> None:
    model = ImageModel.objects.create(slug="sketch", name="Sketch", sizes=["768px"])
    assert 'value="768px"' in boss.text("generator_imagemodel_change", model.pk)


# --- Routes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "currency", "micros"),
    [("0.04", "usd", 40_000), ("12", "", 12_000_000), ("0.000001", "EUR", 1), ("", "", None), ("0", "USD", 0)],
)
def test_a_routes_cost_is_noted_exactly(
    boss: Staff, route: Route, cost: str, currency: str, micros: int | None
) -> None:
    asked = {"their_name": "big", "cost": cost, "cost_currency": currency, "is_active": "on", "reason": REASON}
    assert boss.post("generator_route_change", route.pk, **asked).status_code == 302
    route.refresh_from_db()
    assert (route.cost_micros, route.cost_currency, route.their_name) == (micros, currency.upper(), "big")


@pytest.mark.parametrize("cost", ["-1", "a", "0.0000001", "1e99", "NaN", "Infinity", "2000000"])
def test_what_is_no_cost_is_refused(boss: Staff, route: Route, cost: str) -> None:
    asked = {"cost": cost, "cost_currency": "USD", "is_active": "on", "reason": REASON}
    assert list(errors(boss.post("generator_route_change", route.pk, **asked))) == ["cost"]


def test_a_route_leads_to_no_upstream_that_cannot_do_it(
    boss: Staff, first: ImageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from generator.upstreams.dialect import Capabilities
    from generator.upstreams.reve_art import ReveArt

    monkeypatch.setattr(ReveArt, "can", Capabilities(operations=frozenset({Operation.CREATE})))
    asked = {"model": first.pk, "operation": "edit", "upstream": Upstream.objects.get().pk, "reason": REASON}
    found = errors(boss.post("generator_route_add", **asked))
    assert found["operation"] == ["Reve can only create."]


def test_the_last_route_is_taken_off_only_when_that_is_confirmed(boss: Staff, route: Route) -> None:
    off = {"cost": "", "cost_currency": "", "reason": REASON}
    found = errors(boss.post("generator_route_change", route.pk, **off))
    assert "Nothing else draws this: Reve Image 1.0, create" in found["confirm"][0]
    assert boss.post("generator_route_change", route.pk, **off, confirm="on").status_code == 302


# --- Prices ------------------------------------------------------------------------------------------------------


def ask_price(who: Staff, model: ImageModel, credits: int, **data: object) -> Any:
    return who.post("generator_price_add", model=model.pk, operation="create", credits=credits, reason=REASON, **data)


def test_a_price_is_set_once_what_it_leaves_was_seen(boss: Staff, first: ImageModel, route: Route) -> None:
    Plan.objects.all().delete()
    Pack.objects.all().delete()
    Pack.objects.create(slug="small", name="100 credits", credits=100, price=1000)
    Pack.objects.create(slug="large", name="500 credits", credits=500, price=4000)
    Route.objects.update(cost_micros=90_000, cost_currency="USD")

    shown = ask_price(boss, first, 1)
    [preview] = shown.context_data["previews"]
    assert (preview.cost, preview.loses) == ("$0.09 USD", True)
    assert preview.leaves == "−$0.01 USD (−12 %) to $0.01 USD (10 %)"
    assert not AuditRecord.objects.exists()

    Route.objects.update(cost_micros=10_000)  # it changed since: what was seen does not hold
    again = ask_price(boss, first, 1, confirmed=shown.context_data["confirmed"])
    assert again.status_code == 200

    before = Price.objects.count()
    done = ask_price(boss, first, 2, confirmed=ask_price(boss, first, 2).context_data["confirmed"])
    assert done.status_code == 302
    assert Price.objects.count() == before + 1
    assert Price.objects.latest("pk").credits == 2
    record = AuditRecord.objects.get()
    assert (record.before["credits"], record.after["credits"]) == (1, 2)


@pytest.mark.parametrize(
    ("micros", "currency", "words"),
    [
        (None, "", "Note on the route"),
        (12_000_000, "", "no money here"),
        (40_000, "EUR", "Nothing is sold in EUR"),
    ],
)
def test_what_cannot_be_compared_is_said_and_not_mixed(
    boss: Staff, first: ImageModel, route: Route, micros: int | None, currency: str, words: str
) -> None:
    Pack.objects.create(slug="small", name="100 credits", credits=100, price=1000)
    Route.objects.update(cost_micros=micros, cost_currency=currency)
    [preview] = ask_price(boss, first, 1).context_data["previews"]
    assert words in preview.leaves
    assert not preview.loses


def test_a_price_is_neither_edited_nor_deleted(boss: Staff, first: ImageModel) -> None:
    price = Price.objects.get()
    assert boss.post("generator_price_change", price.pk, credits=9).status_code == 403
    assert boss.get("generator_price_delete", price.pk).status_code == 403
    assert "Holds" in boss.text("generator_price_changelist")


def test_a_size_that_the_model_does_not_offer_has_no_price(boss: Staff, first: ImageModel) -> None:
    ImageModel.objects.create(slug="sketch", name="Sketch", sizes=["2K"])
    shown = ask_price(boss, first, 1, size="2K")
    assert shown.context_data["form"].errors["size"] == ["Reve Image 1.0 does not offer it."]


# --- Margin ------------------------------------------------------------------------------------------------------


def test_the_margin_is_on_a_page_and_in_a_file(finance: Staff, drawn: Generation) -> None:
    Attempt.objects.update(cost_micros=40_000, cost_currency="USD")
    page = finance.text("margin")
    assert "$0.04 USD" in page
    assert "−$0.04 USD" in page

    file = finance.get("margin_csv")
    assert file["Content-Disposition"].startswith('attachment; filename="margin-')
    [line] = csv.DictReader(io.StringIO(file.content.decode()))
    assert (line["model"], line["upstream"], line["images"], line["currency"]) == (DEFAULT_MODEL, "reve", "1", "USD")
    assert (float(line["cost"]), float(line["margin"])) == (0.04, -0.04)


@pytest.mark.parametrize(
    "query", ["?since=x", "?since=2026-02-01&until=2026-01-01", "?since=2020-01-01&until=2026-01-01"]
)
def test_days_that_are_none_are_refused_in_words(finance: Staff, query: str) -> None:
    assert "rw-danger-text" in finance.text("margin", query=query)
    assert finance.get("margin_csv", query=query).status_code == 200


def test_support_sees_no_margin(support: Staff) -> None:
    assert support.get("margin").status_code == 403
    assert support.get("margin_csv").status_code == 403
