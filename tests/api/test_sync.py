"""A generate request that waits: the finished image, or what became of it."""

import asyncio
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections

from billing.models import Wallet
from generator import live
from generator.jobs import lifecycle
from generator.models import Generation
from tests.api.answers import GENERATE, assert_json, links
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import working

pytestmark = pytest.mark.usefixtures("images", "sandbox")


@pytest.mark.services
@pytest.mark.parametrize("path", GENERATE)
def test_it_answers_with_the_image_as_the_document_has_it(api: Api, wallet: Wallet, path: str) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    with working():
        response = api.post({"prompt": " a lighthouse é ", "aspect_ratio": "16:9"}, path)
    body = assert_json(response)
    assert response.status_code == 200, body
    assert set(body) == {"id", "status", "url", "metadata"}
    assert set(body["metadata"]) == {"prompt", "width", "height", "created_at"}
    generation = Generation.objects.get()
    assert body["id"] == generation.public_id
    assert body["status"] == "completed"
    assert body["url"] == f"http://testserver/images/{generation.file_name}"
    assert body["metadata"]["prompt"] == " a lighthouse é "
    assert body["metadata"]["width"] / body["metadata"]["height"] == pytest.approx(16 / 9, rel=0.02)
    created = datetime.strptime(body["metadata"]["created_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert before <= created <= datetime.now(UTC)
    assert (response["X-Credits-Charged"], response["X-Credits-Remaining"]) == ("1", "2")
    assert audit(wallet) == 2


@pytest.mark.services
def test_the_time_is_told_in_utc_whatever_the_servers_zone(api: Api, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Kolkata"
    with working():
        body = assert_json(api.post({"prompt": "a lighthouse"}))
    assert body["metadata"]["created_at"] == f"{Generation.objects.get().created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.services
def test_when_the_wait_ends_first_the_work_goes_on(api: Api, wallet: Wallet, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 0.3
    began = time.monotonic()
    response = api.post({"prompt": "a lighthouse"})
    assert 0.3 <= time.monotonic() - began < 5
    body = assert_json(response)
    assert response.status_code == 202
    id = Generation.objects.get().public_id
    assert body == {"id": id, "status": "pending", "stage": "queued", **links(id)}
    assert response["X-Credits-Charged"] == "1"
    with working():
        generation = asyncio.run(live.wait_until_final(Generation.objects.get(), 20))
    assert generation.status == Generation.Status.COMPLETED
    assert audit(wallet) == 2


def test_an_async_request_does_not_wait(api: Api, settings: Any) -> None:
    settings.SYNC_WAIT_SECONDS = 60
    began = time.monotonic()
    response = api.post({"prompt": "a lighthouse", "async": True})
    assert time.monotonic() - began < 10
    assert response.status_code == 202
    body = assert_json(response)
    assert (body["id"], body["status"]) == (Generation.objects.get().public_id, "pending")


def test_a_failure_upstream_is_a_502_and_costs_nothing(api: Api, wallet: Wallet) -> None:
    with working():
        response = api.post({"prompt": "a lighthouse [sandbox:fail]"})
    body = assert_json(response)
    assert response.status_code == 502
    assert set(body) == {"id", "status", "error"}
    assert body["status"] == "failed"
    assert body["error"]["code"] == "upstream_failed"
    assert "credit was returned" in body["error"]["message"]
    assert (response["X-Credits-Charged"], response["X-Credits-Remaining"]) == ("0", "3")
    assert audit(wallet) == 3


def test_a_refused_prompt_is_a_422_that_names_it_and_costs_nothing(api: Api, wallet: Wallet) -> None:
    with working():
        response = api.post({"prompt": "a lighthouse [sandbox:refuse]"})
    body = assert_json(response)
    assert response.status_code == 422
    assert body["error"]["code"] == "prompt_refused"
    assert body["error"]["param"] == "prompt"
    assert "content policy" in body["error"]["message"]
    assert (response["X-Credits-Charged"], response["X-Credits-Remaining"]) == ("0", "3")
    assert audit(wallet) == 3


def test_a_timeout_is_a_502_too(api: Api, wallet: Wallet) -> None:
    def give_up() -> None:
        while not (found := Generation.objects.first()):
            time.sleep(0.02)
        lifecycle.fail(found, code="timed_out", message="No image after 600 seconds.")
        connections.close_all()

    thread = threading.Thread(target=give_up)
    thread.start()
    response = api.post({"prompt": "a lighthouse"})
    thread.join()
    body = assert_json(response)
    assert response.status_code == 502
    assert body["error"]["code"] == "upstream_failed"
    assert audit(wallet) == 3
