"""What an installation had asked of its one upstream is there and said as before, now that there may be several."""

import json
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from billing.models import CreditEntry, Wallet
from billing.staff import audit
from generator.ask import admission
from generator.ask.admission import ImageRequest
from generator.jobs.receipt import receipt_of
from generator.models import Attempt, Generation, Group, Route, UpstreamTrouble
from tests.installations.prepared import Installation

pytestmark = [
    pytest.mark.services,
    pytest.mark.usefixtures("moment"),
    pytest.mark.parametrize("installation", ["one-upstream"], indirect=True, scope="module"),
]

ENDED = {"completed", "failed"}
OLGA = "olga@example.com"


@pytest.fixture
def olga(client: Client) -> Client:
    """Her browser."""
    client.force_login(User.objects.get(email=OLGA))
    return client


def test_each_image_was_created_by_the_first_model_for_one_credit() -> None:
    assert not Generation.objects.exclude(credits=1, operation="create", image_model=None, size="", quality="").exists()
    holds = CreditEntry.objects.filter(reference__startswith="generation:", kind="hold")
    assert set(holds.values_list("amount", flat=True)) == {-1}
    assert holds.count() == Generation.objects.count() > 60


@pytest.mark.usefixtures("installation")
def test_the_first_model_draws_at_the_upstream_that_there_was() -> None:
    [route] = Route.objects.select_related("model", "upstream")
    assert (route.model.slug, route.operation, route.upstream.slug) == ("text2image_v1", "create", "reve")
    assert (route.upstream.base_url, route.upstream.secret, route.is_active) == ("", "", True)  # the environment's
    assert list(route.model.prices.values_list("operation", "size", "quality", "credits")) == [("create", "", "", 1)]
    assert not Attempt.objects.exists()  # no history is made up


def test_what_was_pressed_together_is_a_group_and_each_call_is_one(installation: Installation) -> None:
    presses = [("studio", f"studio:{one['form']['nonce']}", one["images"]) for one in installation.facts["presses"]]
    calls = [("api", one["idempotency_key"], [one["image"]]) for one in installation.facts["calls"]]
    sizes = set()
    for source, key, names in (*presses, *calls):
        images = Generation.objects.filter(public_id__in=names)
        if not set(images.values_list("status", flat=True)) <= ENDED:
            assert not images.exclude(group=None).exists()  # a worker has it
            continue
        [group] = Group.objects.filter(generations__in=images).distinct()
        assert (group.source, group.idempotency_key, group.count) == (source, key, len(names))
        assert set(group.generations.all()) == set(images)
        assert (group.operation, group.image_model, group.mask, group.inputs.count()) == ("create", None, None, 0)
        sizes.add(len(names))
    assert sizes == {1, 2, 4}
    unnamed = Generation.objects.get(prompt="A jar under no name").group
    assert unnamed
    assert (unnamed.source, unnamed.idempotency_key, unnamed.count) == ("api", None, 1)


def test_a_key_that_was_sent_before_finds_its_images_and_charges_nothing(
    installation: Installation, olga: Client
) -> None:
    before = charged()
    for press in installation.facts["presses"]:
        answer = olga.post("/create/generate/", press["form"], headers={"Accept": "application/json"})
        assert answer.status_code == 200, answer.content
        kept = Generation.objects.kept().filter(public_id__in=press["images"])
        assert answer.json()["ids"] == [
            name for name in press["images"] if name in kept.values_list("public_id", flat=True)
        ]
    for call in installation.facts["calls"]:
        answer = send(olga, call)
        assert answer.json()["id"] == call["image"], answer.content
        assert answer.headers["X-Credits-Charged"] == "0"
    assert charged() == before
    assert {one["image"] for one in installation.facts["calls"]} & set(installation.facts["at_work"])


def test_a_key_that_was_sent_before_with_other_words_is_refused(installation: Installation, olga: Client) -> None:
    before = charged()
    for call in installation.facts["calls"]:
        answer = send(olga, call | {"body": {**call["body"], "prompt": "Something else"}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert charged() == before


def test_naming_the_model_that_was_the_only_one_is_the_same_request(installation: Installation, olga: Client) -> None:
    before = charged()
    for call in installation.facts["calls"]:
        answer = send(olga, call | {"body": {**call["body"], "model": "text2image_v1"}})
        assert answer.json()["id"] == call["image"], answer.content
    assert charged() == before


def test_trouble_with_a_host_keeps_nobody_from_asking(installation: Installation) -> None:
    [was] = installation.before["generator.upstreamtrouble"].values()
    assert (was["upstream"], was["kind"]) == ("api.reve.example", "out_of_funds")
    assert not UpstreamTrouble.objects.exists()
    wallet = Wallet.objects.get(user__email=OLGA)
    admitted = admission.admit(wallet=wallet, request=ImageRequest("Asked for since"), idempotency_key="fresh")
    assert (admitted.credits_charged, admitted.generation.credits) == (1, 1)
    assert admitted.generation.group
    assert admitted.credits_remaining == installation.facts["people"][OLGA]["credits"] - 1
    assert list(audit.drifts()) == []


def test_a_drawing_older_than_attempts_shows_its_receipt(installation: Installation, olga: Client) -> None:
    told = {}
    for image in Generation.objects.kept().filter(wallet__user__email=OLGA, status__in=ENDED):
        receipt = receipt_of(image)
        steps = [step.words for step in receipt.steps]
        assert ("Sent to be drawn" in steps) is (image.submitted_at is not None)
        told[image.error_code] = steps
        assert receipt.cost == (1 if image.status == "completed" else 0)
        assert [step.at for step in receipt.steps] == sorted(step.at for step in receipt.steps)
        page = olga.get(f"/gallery/{image.public_id}/").content.decode()
        assert all(words in page for words in steps)
    assert told[""][1] == "Sent to be drawn"
    assert "Image completed" in told[""]
    assert "Sent to be drawn" not in told["prompt_refused"]  # it was not taken
    assert "Sent to be drawn" not in told["cancelled"]
    assert set(told) == {"", "prompt_refused", "upstream_failed", "cancelled"}


def test_each_page_shows_what_it_showed(installation: Installation, olga: Client) -> None:
    images = Generation.objects.filter(wallet__user__email=OLGA)
    kept = list(images.kept().values_list("public_id", flat=True))
    for name in installation.facts["at_work"]:
        assert olga.get(f"/gallery/{name}/").status_code == 302  # to the studio, where it is drawn
    studio, gallery = (olga.get(page).content.decode() for page in ("/create/", "/gallery/"))
    assert all(name in studio for name in installation.facts["at_work"])
    drawn = images.completed().values_list("public_id", flat=True)
    assert [name for name in drawn if name not in gallery] == []
    secret = installation.facts["calls"][0]["secret"]
    for name in kept:
        answer = olga.get(f"/v1/reve-image/status/{name}", headers={"Authorization": f"Bearer {secret}"})
        assert (answer.status_code, answer.json()["id"]) == (200, name)
    for image in images.exclude(share_token=None):
        assert image.prompt in olga.get(f"/s/{image.share_token}/").content.decode()
    assert images.filter(is_listed=True).count() == 1


def test_a_month_counts_what_it_counted(installation: Installation) -> None:
    api_key = User.objects.get(email=OLGA).api_keys.get(name="shop")
    months = dict(api_key.months.values_list("month", "credits"))
    rows = installation.before["generator.generation"].values()
    of_it = [row for row in rows if row["api_key"] == api_key.pk and not row["error_code"]]
    assert sorted(months.values()) == sorted([11, len(of_it)])


def test_the_trash_is_purged_as_it_was_due(installation: Installation, moment: datetime) -> None:
    images = Generation.objects.filter(wallet__user__email=OLGA)
    assert images.exclude(purged_at=None).count() == 1
    assert images.filter(deleted_at__isnull=False, purged_at=None).count() == 2


def send(client: Client, call: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {call['secret']}", "Idempotency-Key": call["idempotency_key"]}
    return client.post("/v1/reve-image/generate", json.dumps(call["body"]), "application/json", headers=headers)


def charged() -> tuple[Any, ...]:
    """Whatever changes when somebody is charged, or something is asked for."""
    balances = Wallet.objects.order_by("pk").values_list("pk", "balance")
    return list(balances), CreditEntry.objects.count(), Generation.objects.count(), Group.objects.count()
