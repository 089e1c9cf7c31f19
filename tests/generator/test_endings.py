"""Each end of an image is one line in the log: cause, durations and every id, and no word of the prompt."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from accounts import keys
from accounts.models import User
from billing.models import Wallet
from generator.ask import admission
from generator.jobs import lifecycle, sweep
from generator.jobs.attempts import Ended, State
from generator.models import Attempt, Generation, ImageModel, Route, Upstream
from kit import request_id
from tests.generator.painters import Painter, drawing
from tests.generator.test_failover import all_ended, wait_until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("images")]

PROMPT = "a marigold that nobody else asks for"


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    caplog.set_level(logging.DEBUG, logger="generator")
    return lambda: [record for record in caplog.records if record.name == "generator.jobs.endings"]


@pytest.fixture
def painter(settings: Any) -> Iterator[Painter]:
    settings.UPSTREAM_TYPICAL_SECONDS = 0.05
    painter = Painter("reve")
    Upstream.objects.update(base_url=painter.url, priority=1)
    yield painter
    painter.off()


def ask(wallet: Wallet, **more: Any) -> Generation:
    return admission.admit(wallet=wallet, request=admission.ImageRequest(prompt=PROMPT), **more).generation


def fields(record: logging.LogRecord) -> dict[str, Any]:
    return dict(record.__dict__["fields"])


def test_a_drawn_image_is_one_line_with_all_its_ids_and_times(
    client: Client, alice: User, wallet: Wallet, painter: Painter, told: Any
) -> None:
    api_key, secret = keys.create(user=alice, name="a program", claim="endings")
    asked = client.post(
        "/v1/reve-image/generate",
        {"prompt": PROMPT, "async": True},
        content_type="application/json",
        headers={"Authorization": f"Bearer {secret}"},
    )
    with drawing():
        wait_until(all_ended)
    [line] = told()
    made = Generation.objects.get()
    said = fields(line)
    assert (line.levelname, line.__dict__["generation_id"]) == ("INFO", made.public_id)
    assert line.__dict__["request_id"] == said["request_id"] == made.request_id == asked["X-Request-Id"]
    assert {name: said[name] for name in ("status", "model", "operation", "upstream", "attempts", "story", "job")} == {
        "status": "completed",
        "model": ImageModel.objects.get().slug,
        "operation": "create",
        "upstream": "reve",
        "attempts": 1,
        "story": "reve:drawn",
        "job": made.attempts.get().upstream_job,
    }
    assert (said["wallet"], said["key"], said["credits"]) == (wallet.pk, api_key.prefix, 1)
    steps = [said[name] for name in ("queued", "taking", "drawing", "keeping")]
    assert all(step >= 0 for step in steps)
    assert sum(steps) == pytest.approx(said["total"], abs=0.05)


def test_a_way_by_several_upstreams_is_told_in_its_order(wallet: Wallet, painter: Painter, told: Any) -> None:
    second = Painter("second")
    row = Upstream.objects.create(
        slug="second", name="Second", dialect="reve_art", base_url=second.url, priority=2, secret=""
    )
    Route.objects.create(model=ImageModel.objects.get(), upstream=row)
    painter.refuses = 429, {"retry_after": "7"}
    ask(wallet)
    with drawing():
        wait_until(all_ended)
    second.off()
    [line] = told()
    assert fields(line)["story"] == "reve:not_taken/Busy/429,second:drawn"
    assert fields(line)["attempts"] == 2


def test_a_failure_is_a_warning_with_its_cause(wallet: Wallet, painter: Painter, told: Any) -> None:
    painter.fails_jobs = "out of paint"
    ask(wallet)
    with drawing():
        wait_until(all_ended)
    [line] = told()
    assert (line.levelname, fields(line)["code"]) == ("WARNING", "upstream_failed")
    assert fields(line)["story"] == "reve:failed/JobFailed/200"


def test_a_deadline_says_so(wallet: Wallet, told: Any) -> None:
    made = ask(wallet)
    Generation.objects.filter(pk=made.pk).update(deadline_at=made.created_at)
    sweep.fail_stuck()
    [line] = told()
    assert (line.levelname, fields(line)["code"], fields(line)["attempts"]) == ("WARNING", "timed_out", 0)


def test_what_its_owner_wished_is_no_warning(wallet: Wallet, told: Any) -> None:
    assert lifecycle.cancel(ask(wallet))
    [line] = told()
    assert (line.levelname, fields(line)["code"]) == ("INFO", "cancelled")


def test_what_is_undone_is_not_told(wallet: Wallet, told: Any) -> None:
    made = ask(wallet)
    with transaction.atomic():
        lifecycle.cancel(made)
        transaction.set_rollback(True)
    assert told() == []


def test_no_prompt_is_in_the_log_from_info_on(
    wallet: Wallet, painter: Painter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ask(wallet)
    with drawing():
        wait_until(all_ended)
    assert "ended:" in caplog.text
    assert "marigold" not in caplog.text


def test_what_a_worker_logs_names_the_image_and_the_request(wallet: Wallet, painter: Painter) -> None:
    seen: list[tuple[str, str]] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            request_id.LogFilter().filter(record)
            seen.append((record.__dict__["request_id"], record.__dict__["generation_id"]))

    painter.refuses = 503, {}
    request_id.current.set("req_of_the_test")
    made = ask(wallet)
    request_id.current.set("")
    ear, logger = Ear(), logging.getLogger("generator.jobs.worker")
    logger.addHandler(ear)
    try:
        with drawing():
            wait_until(lambda: bool(seen))
    finally:
        logger.removeHandler(ear)
    assert ("req_of_the_test", made.public_id) in seen
    lifecycle.fail(
        Generation.objects.get(), code="x", message="x", only_if=lifecycle.WHOEVER_HAS_IT, ended=Ended(State.FAILED)
    )
    assert Attempt.objects.exists()
