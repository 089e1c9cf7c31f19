"""Looking up a generation: how it is doing, and nobody else's."""

import re
from typing import Any

import pytest

from accounts import keys
from accounts.models import User
from billing.models import Wallet
from generator.files.images import StoredImage
from generator.jobs import lifecycle
from generator.models import Generation
from tests.api.answers import STATUS, assert_error, assert_json, links
from tests.conftest import Api
from tests.generator.test_lifecycle import drawing, submitting

IMAGE = StoredImage(extension="png", size=1234, width=1344, height=756, colour="#336699")
ASKED = {"operation": "create", "model": "text2image_v1", "credits": 1}  # what it was asked for, of whom, at what price


def look(api: Api, generation: Generation, path: str = STATUS[0]) -> Any:
    response = api.get(path + generation.public_id)
    assert response.status_code == 200
    return assert_json(response)


@pytest.mark.parametrize("path", STATUS)
@pytest.mark.parametrize("slash", ["", "/"])
def test_both_paths_answer_with_and_without_a_slash_and_no_redirect(
    api: Api, generation: Generation, path: str, slash: str
) -> None:
    response = api.get(path + generation.public_id + slash)
    assert response.status_code == 200
    assert assert_json(response)["id"] == generation.public_id


def test_whatever_is_still_going_on_is_pending_and_the_stage_tells_more(api: Api, generation: Generation) -> None:
    """Existing clients take any other word than `pending` as final."""
    pending = {"id": generation.public_id, "status": "pending", **links(generation.public_id), **ASKED}
    assert look(api, generation) == {**pending, "stage": "queued", "queue_position": 1}
    claimed = submitting(generation)
    assert look(api, generation) == {**pending, "stage": "submitting"}
    lifecycle.accepted(claimed, upstream_id="img_up", poll_after=0)
    assert look(api, generation) == {**pending, "stage": "drawing"}


@pytest.mark.services
def test_a_completed_one_has_its_url_and_all_its_metadata(api: Api, generation: Generation) -> None:
    lifecycle.complete(drawing(generation), image=IMAGE, model="reve-1")
    assert look(api, generation) == {
        "id": generation.public_id,
        "status": "completed",
        "url": f"http://testserver/images/{generation.file_token}.png",
        "metadata": {
            "prompt": "a lighthouse",
            "width": 1344,
            "height": 756,
            "model": "reve-1",
            "created_at": f"{generation.created_at:%Y-%m-%dT%H:%M:%SZ}",
        },
        **ASKED,
    }


def test_a_failed_one_says_why_and_that_the_credit_is_back(api: Api, generation: Generation) -> None:
    lifecycle.fail(generation, code="timed_out", message="No image after 600 seconds.")
    body = look(api, generation)
    assert set(body) == {"id", "status", "error", *ASKED}
    assert body["status"] == "failed"
    assert body["error"]["code"] == "timed_out"
    assert body["error"]["message"].startswith("No image after 600 seconds.")
    assert "credit was returned" in body["error"]["message"]


def test_an_upstreams_own_address_and_id_are_never_handed_out(api: Api, generation: Generation, settings: Any) -> None:
    lifecycle.complete(drawing(generation), image=IMAGE, model="reve-1")
    raw = api.get(STATUS[0] + generation.public_id).content.decode()
    assert "img_up" not in raw
    assert settings.REVE_API_URL not in raw
    assert "cdn" not in raw


def test_the_url_begins_at_the_sites_public_address(api: Api, generation: Generation, settings: Any) -> None:
    lifecycle.complete(drawing(generation), image=IMAGE, model="reve-1")
    settings.PUBLIC_URL = "https://images.example.com"
    assert look(api, generation)["url"] == f"https://images.example.com/images/{generation.file_token}.png"
    settings.IMAGE_BASE_URL = "https://cdn.example.com"
    assert look(api, generation)["url"] == f"https://cdn.example.com/images/{generation.file_token}.png"


def test_another_accounts_image_is_not_found(api: Api, generation: Generation, bob: User) -> None:
    _, bobs = keys.mint(user=bob, name="test")
    known = api.get(STATUS[0] + generation.public_id, Authorization=f"Bearer {bobs}")
    unknown = api.get(STATUS[0] + "img_" + "0" * 24, Authorization=f"Bearer {bobs}")
    assert_error(known, 404, "not_found")
    # Nothing tells whether it exists; only where each call is found is its own.
    bodies = {re.sub(rb"req_\w+", b"req_", answer.content) for answer in (known, unknown)}
    assert len(bodies) == 1


def test_another_key_of_the_same_account_finds_it(api: Api, generation: Generation, alice: User) -> None:
    _, other = keys.mint(user=alice, name="other")
    assert api.get(STATUS[0] + generation.public_id, Authorization=f"Bearer {other}").status_code == 200


def test_an_id_that_is_none_is_not_found(api: Api, generation: Generation) -> None:
    odd = ["img_", "img_1", "1", str(generation.pk), "x" * 5000, "img_%00", "img_%27--", "%F0%9F%97%BC", "img_x%0a"]
    for id in [*odd, generation.public_id.upper(), generation.public_id + "x", generation.public_id[:-1]]:
        assert_error(api.get(STATUS[0] + id), 404, "not_found")


def test_a_look_up_carries_no_credit_headers_and_costs_nothing(
    api: Api, generation: Generation, wallet: Wallet
) -> None:
    response = api.get(STATUS[0] + generation.public_id)
    assert not [name for name in response.headers if name.startswith(("X-Credits", "RateLimit"))]
    wallet.refresh_from_db()
    assert wallet.balance == 2


def test_ids_and_file_names_cannot_be_guessed_from_one_another(generation: Generation) -> None:
    assert generation.public_id.startswith("img_")
    assert len(generation.public_id) >= 4 + 22
    assert len(generation.file_token) >= 22
    assert generation.public_id[4:] not in generation.file_token
    assert generation.file_token not in generation.public_id
