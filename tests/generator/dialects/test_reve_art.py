"""What another reveweb takes beyond the documented API."""

import base64
import json
from typing import Any

import pytest

from generator.models import Operation
from generator.upstreams import errors
from generator.upstreams.dialect import Cost, Job, Order
from generator.upstreams.reve_art import ReveArt
from generator.upstreams.transport import Access
from tests.generator.conftest import CannedServer, Reply
from tests.generator.dialects.conftest import left_half, sheet, speak

ONE, TWO = sheet((1, 1, 1)), sheet((2, 2, 2), kind="JPEG")


def submit(base: str, order: Order) -> Job:
    return speak(ReveArt(Access(base, "our-key")), lambda dialect: dialect.submit(order))


def answers(server: CannedServer, body: Any, status: int = 202) -> None:
    server.default = Reply(status, json.dumps(body).encode())


def url(picture: Any) -> str:
    return f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}"


@pytest.mark.parametrize(
    ("order", "path", "body"),
    [
        (Order("a"), "generate", {"prompt": "a", "aspect_ratio": "1:1", "async": True}),
        (
            Order("a", model="m", size="2K", quality="high", negative_prompt="b"),
            "generate",
            {
                "prompt": "a",
                "negative_prompt": "b",
                "aspect_ratio": "1:1",
                "async": True,
                "model": "m",
                "size": "2K",
                "quality": "high",
            },
        ),
        (
            Order("a", Operation.EDIT, inputs=(ONE,), aspect_ratio="3:2", negative_prompt="b"),
            "edit",
            {"prompt": "a", "negative_prompt": "b", "image": url(ONE), "async": True},
        ),
        (
            Order("a", Operation.EDIT, inputs=(ONE,), aspect_ratio="9:16"),
            "edit",
            {"prompt": "a", "image": url(ONE), "aspect_ratio": "9:16", "async": True},
        ),
        (
            Order("a", Operation.EDIT, inputs=(ONE,), aspect_ratio="3:2", mask=left_half(), model="m"),
            "edit",
            {"prompt": "a", "image": url(ONE), "mask": url(left_half()), "async": True, "model": "m"},
        ),
        (
            Order("a", Operation.REMIX, inputs=(ONE, TWO), aspect_ratio="3:2"),
            "remix",
            {"prompt": "a", "images": [url(ONE), url(TWO)], "aspect_ratio": "3:2", "async": True},
        ),
    ],
)
def test_an_order_is_as_another_reveweb_takes_it(server: CannedServer, order: Order, path: str, body: Any) -> None:
    answers(server, {"id": "x", "status": "pending"})
    assert submit(server.url, order) == Job("x", "pending")
    assert server.requests[0][1] == f"/v1/reve-image/{path}"
    assert json.loads(server.requests[0][3]) == body


@pytest.mark.parametrize(
    ("credits", "cost"),
    [(2, Cost(2_000_000)), (0, Cost(0)), (None, None), (True, None), ("2", None), (-1, None), (1.5, None)],
)
def test_what_an_image_cost_there_is_told(server: CannedServer, credits: Any, cost: Cost | None) -> None:
    answers(server, {"id": "x", "status": "completed", "url": "/a.png", "credits": credits}, 200)
    assert speak(ReveArt(Access(server.url)), lambda dialect: dialect.poll("x")).cost == cost


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (422, "content_policy_violation", errors.PromptRefused),
        (422, "invalid_image", errors.BadInput),
        (400, "", errors.BadInput),
        (413, "too_large", errors.BadInput),
        (415, "", errors.BadInput),
        (500, "", errors.Unclear),
    ],
)
def test_with_pictures_more_than_the_prompt_may_be_at_fault(
    server: CannedServer, status: int, code: str, kind: type[errors.UpstreamError]
) -> None:
    answers(server, {"error": {"code": code, "message": "Not this picture."}}, status)
    with pytest.raises(errors.UpstreamError) as raised:
        submit(server.url, Order("a", Operation.EDIT, inputs=(ONE,)))
    assert type(raised.value) is kind
    assert raised.value.status == status


def test_a_field_that_is_named_is_not_the_prompt(server: CannedServer) -> None:
    found = []
    for error in (
        {"code": "invalid_request", "param": "model"},
        {"code": "invalid_request", "param": "size"},
        {"code": "invalid_request", "param": "mask"},
        {"code": "uploads_full"},
        {"code": "invalid_request", "param": "prompt"},
        {"code": "insufficient_credits", "param": "size"},
    ):
        answers(server, {"error": {**error, "message": "No."}}, 402 if "credits" in error["code"] else 422)
        with pytest.raises(errors.UpstreamError) as raised:
            submit(server.url, Order("a"))
        found.append(type(raised.value).__name__)
    assert found == ["OperatorTrouble", "BadInput", "BadInput", "NotAccepted", "PromptRefused", "OperatorTrouble"]


@pytest.mark.parametrize("operation", [Operation.EDIT, Operation.REMIX])
def test_the_documented_api_has_neither(server: CannedServer, operation: Operation) -> None:
    answers(server, {}, 404)
    with pytest.raises(errors.OperatorTrouble, match=f"no {operation} endpoint") as trouble:
        submit(server.url, Order("a", operation, inputs=(ONE,)))
    assert trouble.value.kind == "not_found"


def test_it_cannot_cancel() -> None:
    assert not ReveArt.can.can_cancel
