"""The operator's test of an upstream: a real call over a real socket, and its answer in words that may be shown."""

import json
from typing import Any

import pytest

from generator.jobs import trial
from generator.models import ImageModel, Operation, Route, Upstream
from generator.upstreams import secret
from tests.generator.conftest import CannedServer, Reply, says
from tests.generator.upstream import png

KEY = "rv-live-Zk39dkQp20sdkLLpq8"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LOOK_EVERY", 0.01)


@pytest.fixture
def upstream(server: CannedServer, transactional_db: None) -> Upstream:
    found = Upstream.objects.create(
        slug="studio", name="Studio", dialect="reve_art", base_url=server.url, secret=secret.seal(KEY)
    )
    model = ImageModel.objects.get()
    Route.objects.create(
        model=model, operation=Operation.CREATE, upstream=found, cost_micros=40_000, cost_currency="USD"
    )
    return found


def test_it_draws_and_the_picture_is_shown_small(server: CannedServer, upstream: Upstream) -> None:
    says(server, "/v1/reve-image/generate", {"id": "up_1", "status": "pending"}, 202)
    url = f"{server.url}/picture.png"
    says(server, "/v1/reve-image/status/up_1", {"id": "up_1", "status": "completed", "url": url})
    server.replies["/picture.png"] = Reply(200, png(), {"Content-Type": "image/png"})

    outcome = trial.run(upstream, "image")

    assert (outcome.good, outcome.words, outcome.job) == (True, "It drew this picture.", "up_1")
    assert outcome.picture
    assert outcome.picture.src.startswith("data:image/webp;base64,")
    assert 0 < outcome.picture.width == outcome.picture.height
    method, path, headers, body = server.requests[0]
    assert (method, path) == ("POST", "/v1/reve-image/generate")
    assert headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(body)["prompt"] == trial.PROMPT


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, {"message": "Your key is not known."}, "Your key is not known."),
        (402, {"message": "insufficient credits"}, "The image service is not available right now."),
        (500, {"message": f"Traceback: {KEY}"}, "Internal Server Error"),
    ],
)
def test_what_it_refuses_is_told_in_words_that_may_be_shown(
    server: CannedServer, upstream: Upstream, status: int, body: dict[str, str], words: str
) -> None:
    says(server, "/v1/reve-image/generate", body, status)

    outcome = trial.run(upstream, "image")

    assert (outcome.good, outcome.status) == (False, status)
    assert words in outcome.words
    assert KEY not in repr(outcome)


def test_a_job_that_fails_says_why(server: CannedServer, upstream: Upstream) -> None:
    says(server, "/v1/reve-image/generate", {"id": "up_1", "status": "failed", "message": "No blue today."})
    outcome = trial.run(upstream, "image")
    assert (outcome.good, outcome.words, outcome.picture) == (False, "No blue today.", None)


def test_what_is_no_picture_is_not_shown(server: CannedServer, upstream: Upstream) -> None:
    url = f"{server.url}/picture.png"
    says(server, "/v1/reve-image/generate", {"id": "up_1", "status": "completed", "url": url})
    server.replies["/picture.png"] = Reply(200, b"<html>", {"Content-Type": "image/png"})
    outcome = trial.run(upstream, "image")
    assert (outcome.good, outcome.picture) == (False, None)


def test_it_ends_in_time_whatever_the_upstream_does(
    server: CannedServer, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.1)
    server.replies["/v1/reve-image/generate"] = Reply(silent=True)
    assert trial.run(upstream, "image").words.startswith("It did not answer.")

    says(server, "/v1/reve-image/generate", {"id": "up_1", "status": "pending"}, 202)
    says(server, "/v1/reve-image/status/up_1", {"id": "up_1", "status": "pending"})
    monkeypatch.setattr(trial, "SECONDS", 0.6)  # enough for it to be taken on a machine that is busy
    outcome = trial.run(upstream, "image")
    assert (outcome.job, outcome.good) == ("up_1", False)
    assert outcome.words.startswith("It took the job")


def test_a_key_that_is_not_to_be_had_is_said_and_nothing_is_sent(
    server: CannedServer, upstream: Upstream, settings: Any
) -> None:
    settings.SECRET_KEY = "another" * 8
    settings.SECRET_KEY_FALLBACKS = []
    outcome = trial.run(upstream, "image")
    assert not outcome.good
    assert "SECRET_KEY" in outcome.words
    assert server.requests == []


def test_it_takes_the_route_that_costs_least(upstream: Upstream) -> None:
    other = ImageModel.objects.create(slug="sketch", name="Sketch", order=3)
    Route.objects.create(model=other, upstream=upstream, their_name="tiny", cost_micros=10_000, cost_currency="USD")
    unknown = ImageModel.objects.create(slug="unknown", name="Unknown", order=4)
    Route.objects.create(model=unknown, upstream=upstream, their_name="mystery")
    route = trial.cheapest(upstream)
    assert route is not None
    assert (route.their_name, trial.cost_of(route)) == ("tiny", "$0.01 USD")


def test_no_transaction_is_open_while_it_waits(upstream: Upstream) -> None:
    from django.db import transaction

    with transaction.atomic(), pytest.raises(RuntimeError):
        trial.run(upstream, "image")
