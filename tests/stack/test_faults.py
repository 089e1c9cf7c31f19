"""Killed workers, lost brokers, an upstream that is away: nothing is lost, charged twice or left stuck."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest

from tests.installation import Stack, wait_until

pytestmark = pytest.mark.stack

DRAWING = "a field of drawing"
SENDING = "a parcel on its way [sandbox:timeout-submit]"
SAVING = "a slow river [sandbox:stalled-image]"
QUEUED = "a patient queue"


@pytest.fixture(scope="module")
def frail(start_stack: Callable[..., Stack]) -> Stack:
    return start_stack(
        SANDBOX_SECONDS="1.5", SANDBOX_PICTURES="plain", UPSTREAM_TIMEOUT_SECONDS="60", CLAIM_SECONDS="6"
    )


def begin(api: httpx.Client, prompt: str) -> str:
    answer = api.post("/v1/reve-image/generate", json={"prompt": prompt, "async": True})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def look(api: httpx.Client, id: str) -> dict[str, Any]:
    body: dict[str, Any] = api.get(f"/v1/reve-image/status/{id}").json()
    return body


def finished(api: httpx.Client, id: str) -> dict[str, Any] | None:
    body = look(api, id)
    return body if body["status"] != "pending" else None


def test_a_worker_killed_in_any_phase_leaves_one_image_for_one_credit_or_neither(frail: Stack) -> None:
    email = "killed@example.com"
    with frail.developer(email, credits=7) as api:
        fetched = frail.upstream()["image_calls"]
        saving = begin(api, SAVING)
        sending = begin(api, SENDING)
        wait_until(lambda: look(api, sending)["stage"] == "submitting")
        wait_until(lambda: frail.upstream()["image_calls"] > fetched)
        drawing = begin(api, DRAWING)
        wait_until(lambda: look(api, drawing)["stage"] == "drawing")
        frail.kill("manage.py work")
        queued = begin(api, QUEUED)

        ends = {one: wait_until(partial(finished, api, one), 200) for one in (saving, sending, drawing, queued)}
    assert {one: end["status"] for one, end in ends.items()} == {
        saving: "completed",
        sending: "failed",  # it may have reached the upstream, so it is not sent again
        drawing: "completed",
        queued: "completed",
    }
    assert frail.balance(email) == 10 - 3
    sent = Counter(job["prompt"] for job in frail.upstream()["jobs"])
    assert {sent[prompt] for prompt in (SAVING, SENDING, DRAWING, QUEUED)} == {1}


def test_a_restarted_broker_and_upstream_lose_nothing(frail: Stack) -> None:
    email = "outage@example.com"
    with frail.developer(email, credits=2) as api:
        ids = [begin(api, f"an outage {number}") for number in range(4)]
        # All of them sent: one that is on its way when the upstream dies fails and returns its credit, rightly.
        wait_until(lambda: all(look(api, one).get("stage") not in ("queued", "submitting") for one in ids))
        frail.kill("valkey-server")
        frail.kill("sandbox")
        ends = [wait_until(partial(finished, api, one), 200) for one in ids]
    assert [end["status"] for end in ends] == ["completed"] * 4
    assert frail.balance(email) == 1
