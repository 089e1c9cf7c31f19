"""What is OpenAI's own, and what those who copy it do otherwise."""

import base64
import io
import json
import re
from typing import Any

import pytest
from PIL import Image

from generator.models import Operation
from generator.upstreams import errors, words
from generator.upstreams.dialect import Job, Order
from generator.upstreams.openai_images import OpenAIImages
from generator.upstreams.transport import Access
from tests.generator.conftest import CannedServer, Reply
from tests.generator.dialects.conftest import left_half, sheet, speak

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
PNG = sheet((9, 9, 9)).data
GOOD = {"created": 1, "data": [{"b64_json": base64.b64encode(PNG).decode()}]}


def submit(base: str, order: Order | None = None) -> Job:
    return speak(OpenAIImages(Access(base, "our-key")), lambda dialect: dialect.submit(order or Order("a lighthouse")))


def answers(server: CannedServer, body: Any, status: int = 200) -> None:
    server.default = Reply(status, json.dumps(body).encode())


def sent(server: CannedServer) -> list[dict[str, Any]]:
    return [json.loads(body) for _, _, _, body in server.requests]


@pytest.mark.parametrize("below", ["", "/", "/v1", "/v1/", "/gateway", "/gateway/v1"])
def test_the_address_may_end_in_v1_or_not(server: CannedServer, below: str) -> None:
    answers(server, GOOD)
    submit(server.url + below)
    [(method, path, headers, _)] = server.requests
    assert (method, path) == ("POST", ("/gateway" if "gateway" in below else "") + GENERATIONS)
    assert headers["authorization"] == "Bearer our-key"


def test_an_order_is_as_the_document_has_it(server: CannedServer) -> None:
    answers(server, GOOD)
    order = Order("a cat", negative_prompt="dogs", aspect_ratio="16:9", quality="high", model="gpt-image-1")
    assert submit(server.url, order) == Job("", "completed", data=PNG)
    assert sent(server) == [
        {"model": "gpt-image-1", "prompt": "a cat\n\nAvoid: dogs", "n": 1, "size": "1536x1024", "quality": "high"}
    ]


@pytest.mark.parametrize(
    ("model", "ratio", "size", "asked"),
    [
        ("gpt-image-1", "1:1", "", "1024x1024"),
        ("gpt-image-1", "3:4", "", "1024x1536"),
        ("openai/gpt-image-1-mini", "4:3", "", "1536x1024"),
        ("chatgpt-image-latest", "9:16", "", "1024x1536"),
        ("dall-e-3", "16:9", "", "1792x1024"),
        ("dall-e-2", "16:9", "", "1024x1024"),
        ("stablediffusion", "16:9", "", "1360x768"),
        ("stablediffusion", "16:9", "2K", "2736x1536"),
        ("gpt-image-1", "16:9", "1024x1024", "1024x1024"),
        ("gpt-image-1", "16:9", "auto", "auto"),
    ],
)
def test_a_shape_becomes_a_size_of_the_models(
    server: CannedServer, model: str, ratio: str, size: str, asked: str
) -> None:
    answers(server, GOOD)
    submit(server.url, Order("a", aspect_ratio=ratio, size=size, model=model))
    assert sent(server)[0]["size"] == asked


@pytest.mark.parametrize(
    ("picture", "job"),
    [
        ({"url": "https://cdn.example/a.png"}, Job("", "completed", url="https://cdn.example/a.png")),
        ({"url": "/generated/a.png"}, Job("", "completed", url="/generated/a.png")),
        ({"url": "data:image/png;base64," + base64.b64encode(PNG).decode()}, Job("", "completed", data=PNG)),
        ({"b64_json": "data:image/png;base64," + base64.b64encode(PNG).decode()}, Job("", "completed", data=PNG)),
        ({"b64_json": base64.encodebytes(PNG).decode()}, Job("", "completed", data=PNG)),
        ({"b64_json": None, "url": None}, Job("", "completed")),
        ({}, Job("", "completed")),
    ],
)
def test_a_picture_comes_in_many_ways(server: CannedServer, picture: Any, job: Job) -> None:
    answers(server, {"data": [picture]})
    assert submit(server.url) == job


def test_a_relative_address_is_fetched_from_there(server: CannedServer) -> None:
    answers(server, {"data": [{"url": "/generated/a.png"}]})
    server.replies["/generated/a.png"] = Reply(200, PNG, {"Content-Type": "image/png"})

    async def fetched(dialect: Any) -> bytes:
        data: bytes = await dialect.download((await dialect.submit(Order("a"))).url)
        return data

    assert speak(OpenAIImages(Access(f"{server.url}/v1", "k")), fetched) == PNG


def test_what_a_model_refuses_to_be_told_is_told_once(server: CannedServer) -> None:
    """An alias hides which model it is: what is refused for one field alone goes again without it."""
    answers(server, {"error": {"message": "Unknown parameter: 'response_format'.", "param": "response_format"}}, 400)

    async def twice(dialect: Any) -> None:
        with pytest.raises(errors.BadInput):
            await dialect.submit(Order("a", model="picture"))
        answers(server, GOOD)
        await dialect.submit(Order("a", model="picture"))
        await dialect.submit(Order("a", model="another"))

    speak(OpenAIImages(Access(server.url, "k")), twice)
    formats = ["response_format" in body for body in sent(server)]
    assert formats == [True, False, False, True]


def test_a_size_that_is_refused_becomes_one_that_openai_draws(server: CannedServer) -> None:
    answers(server, {"error": {"message": "Invalid value: '1360x768'.", "param": "size"}}, 400)
    with pytest.raises(errors.BadInput) as bad:
        submit(server.url, Order("a", aspect_ratio="16:9", model="picture"))
    assert bad.value.status == 400
    assert [body["size"] for body in sent(server)] == ["1360x768", "1536x1024"]


def test_a_size_that_was_chosen_is_not_replaced(server: CannedServer) -> None:
    answers(server, {"error": {"message": "Invalid size.", "param": "size"}}, 400)
    with pytest.raises(errors.BadInput):
        submit(server.url, Order("a", size="4K", model="picture"))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "content_policy_violation", "message": "No."}, "PromptRefused"),
        (400, {"code": "moderation_blocked", "type": "image_generation_user_error", "message": "No."}, "PromptRefused"),
        (400, {"code": None, "message": "Your request was rejected by the safety system."}, "PromptRefused"),
        (400, {"code": "invalid_value", "param": "n", "message": "n must be 1."}, "BadInput"),
        (413, {"message": "Too large."}, "BadInput"),
        (400, {"code": "billing_hard_limit_reached", "message": "Limit."}, "out_of_funds"),
        (429, {"code": "insufficient_quota", "type": "insufficient_quota", "message": "Quota."}, "out_of_funds"),
        (400, {"code": "400", "type": "budget_exceeded", "message": "Budget has been exceeded!"}, "out_of_funds"),
        (429, {"code": "429", "type": "budget_exceeded", "message": "Budget has been exceeded!"}, "out_of_funds"),
        (400, {"code": "400", "type": "no_db_connection", "message": "No connected db."}, "key_refused"),
        (401, {"code": "invalid_api_key", "message": "Incorrect API key provided."}, "key_refused"),
        (403, {"code": "model_not_found", "message": "No access to model."}, "not_found"),
        (404, {"code": "model_not_found", "message": "No such model."}, "not_found"),
        (
            400,
            {"code": "400", "message": "400: {'error': '/image/generations: Invalid model name passed in model=x'}"},
            "not_found",
        ),
        (400, {"message": "A sign that reads: Invalid model name passed in model=x"}, "BadInput"),
        (429, {"code": "rate_limit_exceeded", "message": "Slow down."}, "Busy"),
        (503, {"message": "Overloaded."}, "Busy"),
        (500, {"type": "server_error", "message": "Oops."}, "Unclear"),
        (502, {"message": "Oops."}, "Unclear"),
        (409, {"message": "Oops."}, "Unclear"),
    ],
)
def test_openais_errors_mean_what_they_mean(server: CannedServer, status: int, error: Any, kind: str) -> None:
    answers(server, {"error": error}, status)
    with pytest.raises(errors.UpstreamError) as raised:
        submit(server.url, Order("a", model="gpt-image-1"))
    found = raised.value
    assert kind == (str(found.kind) if isinstance(found, errors.OperatorTrouble) else type(found).__name__)
    assert found.status == status


def test_an_error_in_a_good_answer_is_one(server: CannedServer) -> None:
    answers(server, {"error": {"code": "content_policy_violation", "message": "No."}})
    with pytest.raises(errors.PromptRefused, match=re.escape(words.Kind.CONTENT)):
        submit(server.url)
    answers(server, {"error": {"message": "The fox ran off."}})
    with pytest.raises(errors.Unclear, match="The fox ran off"):
        submit(server.url)


def parts(server: CannedServer) -> dict[str, list[bytes]]:
    """Return the fields of the form that was sent last."""
    _, _, headers, body = server.requests[-1]
    boundary = headers["content-type"].partition("boundary=")[2].encode()
    found: dict[str, list[bytes]] = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        assert name
        found.setdefault(name[1].decode(), []).append(content.removesuffix(b"\r\n"))
    return found


def test_a_mask_is_transparent_where_ours_is_white(server: CannedServer) -> None:
    answers(server, GOOD)
    picture = sheet((200, 0, 0))
    order = Order(
        "a hat", Operation.EDIT, aspect_ratio="3:2", model="gpt-image-1", inputs=(picture,), mask=left_half((48, 32))
    )
    submit(server.url, order)
    assert server.requests[0][1] == EDITS
    form = parts(server)
    assert form["image[]"] == [picture.data]
    assert (form["prompt"], form["n"], form["size"]) == ([b"a hat"], [b"1"], [b"1536x1024"])
    mask = Image.open(io.BytesIO(form["mask"][0]))
    assert (mask.format, mask.mode, mask.size) == ("PNG", "RGBA", (96, 64))
    alpha = mask.getchannel("A")
    assert (alpha.getpixel((5, 5)), alpha.getpixel((90, 5))) == (0, 255)


def test_what_is_transparent_in_our_mask_was_not_painted(server: CannedServer) -> None:
    answers(server, GOOD)
    out = io.BytesIO()
    painted = Image.new("RGBA", (96, 64), (255, 255, 255, 0))
    painted.paste((255, 255, 255, 255), (0, 0, 10, 64))
    painted.save(out, "PNG")
    mask = sheet((0, 0, 0)).__class__(out.getvalue(), "image/png")
    submit(
        server.url,
        Order("a hat", Operation.EDIT, aspect_ratio="3:2", model="gpt-image-1", inputs=(sheet((1, 1, 1)),), mask=mask),
    )
    alpha = Image.open(io.BytesIO(parts(server)["mask"][0])).getchannel("A")
    assert (alpha.getpixel((5, 5)), alpha.getpixel((90, 5))) == (0, 255)


def test_a_remix_sends_all_its_pictures_in_order(server: CannedServer) -> None:
    answers(server, GOOD)
    inputs = tuple(sheet((shade, 0, 0)) for shade in (10, 20, 30))
    submit(server.url, Order("both", Operation.REMIX, model="gpt-image-1", inputs=inputs, aspect_ratio="2:3"))
    form = parts(server)
    assert form["image[]"] == [each.data for each in inputs]
    assert form["size"] == [b"1024x1536"]


def test_dall_e_takes_one_picture_under_another_name(server: CannedServer) -> None:
    answers(server, GOOD)
    submit(server.url, Order("a hat", Operation.EDIT, aspect_ratio="3:2", model="dall-e-2", inputs=(sheet((1, 1, 1)),)))
    assert set(parts(server)) == {"image", "prompt", "n", "model", "size", "response_format"}


def test_it_waits_as_long_as_drawing_takes() -> None:
    assert OpenAIImages(Access("http://127.0.0.1:9")).http.submit_seconds == 180
    assert OpenAIImages(Access("http://127.0.0.1:9", seconds=7)).http.submit_seconds == 7


def test_a_server_of_ones_own_may_want_no_key(server: CannedServer) -> None:
    answers(server, GOOD)
    speak(OpenAIImages(Access(server.url)), lambda dialect: dialect.submit(Order("a")))
    assert "authorization" not in server.requests[0][2]


def test_there_are_no_jobs_to_look_at(server: CannedServer) -> None:
    with pytest.raises(errors.Gone):
        speak(OpenAIImages(Access(server.url)), lambda dialect: dialect.poll("x"))
    assert not server.requests
