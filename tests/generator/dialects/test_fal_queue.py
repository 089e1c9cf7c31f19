"""What is fal's own."""

import json
from typing import Any

import pytest

from generator.models import Operation
from generator.upstreams import errors, words
from generator.upstreams.dialect import Job, Order
from generator.upstreams.fal_queue import FalQueue
from generator.upstreams.transport import Access
from tests.generator.conftest import CannedServer, Reply
from tests.generator.dialects.conftest import left_half, sheet, speak

JOB = "fal-ai/flux/requests/r-1"


def submit(base: str, order: Order) -> Job:
    return speak(FalQueue(Access(base, "id:secret")), lambda dialect: dialect.submit(order))


def poll(base: str) -> Job:
    return speak(FalQueue(Access(base, "id:secret")), lambda dialect: dialect.poll(JOB))


def says(server: CannedServer, path: str, body: Any, status: int = 200) -> None:
    server.replies[path] = Reply(status, json.dumps(body).encode())


def test_an_order_is_as_the_document_has_it(server: CannedServer) -> None:
    says(server, "/fal-ai/flux/dev", {"request_id": "r-1", "status": "IN_QUEUE"})
    order = Order(
        "a cat", negative_prompt="dogs", aspect_ratio="16:9", size="1K", quality="high", model="fal-ai/flux/dev"
    )
    assert submit(server.url, order) == Job(JOB, "pending")
    [(method, _, headers, body)] = server.requests
    assert (method, headers["authorization"]) == ("POST", "Key id:secret")
    assert json.loads(body) == {
        "prompt": "a cat",
        "negative_prompt": "dogs",
        "num_images": 1,
        "aspect_ratio": "16:9",
        "image_size": {"width": 1360, "height": 768},
        "resolution": "1K",
        "quality": "high",
    }


def test_an_edit_names_its_picture_in_both_ways(server: CannedServer) -> None:
    says(server, "/fal-ai/nano-banana/edit", {"request_id": "r-1"})
    order = Order(
        "a hat",
        Operation.EDIT,
        aspect_ratio="3:2",
        model="fal-ai/nano-banana/edit",
        inputs=(sheet((1, 1, 1)),),
        mask=left_half(),
    )
    assert submit(server.url, order).id == "fal-ai/nano-banana/requests/r-1"
    body = json.loads(server.requests[0][3])
    assert set(body) == {"prompt", "num_images", "image_url", "image_urls", "mask_url"}
    assert body["image_urls"] == [body["image_url"]]
    assert body["mask_url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("model", "status_path", "job"),
    [
        ("fal-ai/flux/dev", "", "fal-ai/flux/requests/r-1"),
        ("fal-ai/flux-pro/v1.1-ultra/redux", "", "fal-ai/flux-pro/requests/r-1"),
        ("comfy/someone/flow", "", "comfy/someone/flow/requests/r-1"),
        ("someone/app", "/someone/renamed/requests/r-1/status", "someone/renamed/requests/r-1"),
        ("a/b/c", "/x/a/b/requests/r-1/status", "x/a/b/requests/r-1"),
    ],
)
def test_a_job_is_below_its_models_app(server: CannedServer, model: str, status_path: str, job: str) -> None:
    given = {"status_url": server.url + status_path} if status_path else {}
    says(server, f"/{model}", {"request_id": "r-1", **given})
    assert submit(server.url, Order("a", model=model)).id == job


def test_the_upstream_may_live_below_a_path(server: CannedServer) -> None:
    at = f"{server.url}/proxy/fal-ai/flux/requests/r-1"
    says(server, "/proxy/fal-ai/flux/dev", {"request_id": "r-1", "status_url": f"{at}/status"})
    says(server, "/proxy/fal-ai/flux/requests/r-1/status", {"status": "COMPLETED", "response_url": f"{at}/response"})
    says(server, "/proxy/fal-ai/flux/requests/r-1/response", {"images": [{"url": "https://cdn.example/a.png"}]})
    assert submit(f"{server.url}/proxy", Order("a", model="fal-ai/flux/dev")).id == JOB
    assert poll(f"{server.url}/proxy").url == "https://cdn.example/a.png"


@pytest.mark.parametrize(
    ("result", "job"),
    [
        ({"images": [{"url": "https://c.example/a.png"}]}, Job(JOB, "completed", url="https://c.example/a.png")),
        ({"image": {"url": "https://c.example/a.png"}}, Job(JOB, "completed", url="https://c.example/a.png")),
        ({"images": ["https://c.example/a.png"]}, Job(JOB, "completed", url="https://c.example/a.png")),
        ({"images": [{"url": "data:image/png;base64,AAAA"}]}, Job(JOB, "completed", data=b"\0\0\0")),
        ({"images": []}, Job(JOB, "completed")),
        (
            {"images": [{"url": "https://c.example/black.png"}], "has_nsfw_concepts": [True]},
            Job(JOB, "failed", message=words.Kind.CONTENT, is_refused=True),
        ),
    ],
)
def test_a_result_is_read(server: CannedServer, result: Any, job: Job) -> None:
    says(server, f"/{JOB}/status", {"status": "COMPLETED", "request_id": "r-1"})
    says(server, f"/{JOB}", result)
    assert poll(server.url) == job


@pytest.mark.parametrize(
    ("status", "result", "job"),
    [
        (
            422,
            {"detail": [{"loc": ["body", "prompt"], "type": "content_policy_violation", "msg": "Flagged."}]},
            Job(JOB, "failed", message=words.Kind.CONTENT, is_refused=True),
        ),
        (
            422,
            {"detail": [{"loc": ["body", "image_url"], "type": "image_too_large", "msg": "The image is too large."}]},
            Job(JOB, "failed", message="The image is too large."),
        ),
        (
            500,
            {"detail": "The fox ran off.", "error_type": "runner_server_error"},
            Job(JOB, "failed", message="The fox ran off."),
        ),
        (504, {"detail": "", "error_type": "request_timeout"}, Job(JOB, "failed")),
    ],
)
def test_a_result_that_is_an_error_ends_the_job(server: CannedServer, status: int, result: Any, job: Job) -> None:
    says(server, f"/{JOB}/status", {"status": "COMPLETED"})
    says(server, f"/{JOB}", result, status)
    assert poll(server.url) == job


def test_a_gateways_error_ends_nothing(server: CannedServer) -> None:
    says(server, f"/{JOB}/status", {"status": "COMPLETED"})
    server.replies[f"/{JOB}"] = Reply(502, b"<h1>Bad gateway</h1>")
    with pytest.raises(errors.Unclear):
        poll(server.url)


def test_a_status_that_tells_an_error_ends_the_job(server: CannedServer) -> None:
    says(server, f"/{JOB}/status", {"status": "COMPLETED", "error": "The fox ran off.", "error_type": "internal_error"})
    assert poll(server.url) == Job(JOB, "failed", message="The fox ran off.")
    assert len(server.requests) == 1


def test_empty_pockets_are_told_by_words_of_their_own(server: CannedServer) -> None:
    said = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
    says(server, "/fal-ai/flux/dev", {"detail": said}, 403)
    with pytest.raises(errors.OperatorTrouble) as trouble:
        submit(server.url, Order("a", model="fal-ai/flux/dev"))
    assert trouble.value.kind == "out_of_funds"


@pytest.mark.parametrize(
    ("status", "answer", "after", "is_certain"),
    [
        (200, {"status": "OK"}, {}, True),
        (202, {"status": "CANCELLATION_REQUESTED"}, {"status": "COMPLETED", "error_type": "client_cancelled"}, True),
        (202, {"status": "CANCELLATION_REQUESTED"}, {"status": "IN_PROGRESS"}, False),
        (
            202,
            {"status": "CANCELLATION_REQUESTED"},
            {"status": "COMPLETED", "error_type": "client_cancelled", "metrics": {"inference_time": 2.5}},
            False,
        ),
        (202, {"status": "CANCELLATION_REQUESTED"}, {"status": "COMPLETED"}, False),
        (400, {"status": "ALREADY_COMPLETED"}, {}, False),
    ],
)
def test_only_what_never_began_is_certainly_cancelled(
    server: CannedServer, status: int, answer: Any, after: Any, is_certain: bool
) -> None:
    server.replies[f"/{JOB}/cancel"] = Reply(status, json.dumps(answer).encode())
    says(server, f"/{JOB}/status", after)
    assert speak(FalQueue(Access(server.url, "k")), lambda dialect: dialect.cancel(JOB)) is is_certain
    assert server.requests[0][0] == "PUT"


@pytest.mark.parametrize("job_id", ["r-1", "", "../../x/requests/1", "a/b/requests/", "a/requests/1"])
def test_an_id_that_is_none_of_fals_is_asked_of_nobody(server: CannedServer, job_id: str) -> None:
    with pytest.raises(errors.Gone):
        speak(FalQueue(Access(server.url, "k")), lambda dialect: dialect.poll(job_id))
    assert not server.requests
