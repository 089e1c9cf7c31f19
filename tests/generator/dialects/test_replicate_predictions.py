"""What is Replicate's own."""

import base64
import json
from typing import Any

import pytest

from generator.models import Operation
from generator.upstreams import errors, replicate_predictions, words
from generator.upstreams.dialect import Job, Order, Picture
from generator.upstreams.replicate_predictions import ReplicatePredictions
from generator.upstreams.transport import Access
from tests.generator.conftest import CannedServer, Reply
from tests.generator.dialects.conftest import left_half, sheet, speak

MODEL = "black-forest-labs/flux-schnell"
SCHEMA, PREDICTIONS = f"/v1/models/{MODEL}", f"/v1/models/{MODEL}/predictions"
TEXT, MANY = {"type": "string"}, {"type": "array", "items": {"type": "string", "format": "uri"}}
ONE, TWO = sheet((1, 1, 1)), sheet((2, 2, 2))


def submit(base: str, order: Order) -> Job:
    return speak(ReplicatePredictions(Access(base, "r8_key")), lambda dialect: dialect.submit(order))


def poll(base: str) -> Job:
    return speak(ReplicatePredictions(Access(base, "r8_key")), lambda dialect: dialect.poll("p1"))


def says(server: CannedServer, path: str, body: Any, status: int = 200) -> None:
    server.replies[path] = Reply(status, json.dumps(body).encode())


def takes(server: CannedServer, fields: dict[str, Any], **schemas: Any) -> None:
    """Have the model take these fields, and whatever it is asked for."""
    described = {"Input": {"properties": {"prompt": TEXT, **fields}}, **schemas}
    says(server, SCHEMA, {"latest_version": {"openapi_schema": {"components": {"schemas": described}}}})
    says(server, PREDICTIONS, {"id": "p1", "status": "starting", "model": MODEL}, 201)


def asked(server: CannedServer) -> dict[str, Any]:
    """Return the input that was sent last."""
    given: dict[str, Any] = json.loads(server.requests[-1][3])["input"]
    return given


@pytest.mark.parametrize("below", ["", "/", "/v1"])
def test_an_order_is_as_the_document_has_it(server: CannedServer, below: str) -> None:
    takes(server, {"aspect_ratio": TEXT, "num_outputs": {"type": "integer"}})
    assert submit(server.url + below, Order("a cat", model=MODEL)) == Job("p1", "pending", model=MODEL)
    method, path, headers, _ = server.requests[-1]
    assert (method, path, headers["authorization"]) == ("POST", PREDICTIONS, "Bearer r8_key")
    assert asked(server) == {"prompt": "a cat", "aspect_ratio": "1:1", "num_outputs": 1}


def test_a_version_is_asked_for_by_its_id(server: CannedServer) -> None:
    version = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
    schema = {"components": {"schemas": {"Input": {"properties": {"prompt": TEXT, "width": {}, "height": {}}}}}}
    says(server, f"/v1/models/someone/sdxl/versions/{version}", {"id": version, "openapi_schema": schema})
    says(server, "/v1/predictions", {"id": "p1", "status": "starting"}, 201)
    submit(server.url, Order("a cat", aspect_ratio="3:2", model=f"someone/sdxl:{version}"))
    assert json.loads(server.requests[-1][3]) == {
        "version": version,
        "input": {"prompt": "a cat", "width": 1248, "height": 832},
    }
    submit(server.url, Order("a cat", model=version))
    assert json.loads(server.requests[-1][3])["version"] == version


@pytest.mark.parametrize(
    ("fields", "order", "input"),
    [
        ({}, Order("a"), {"prompt": "a"}),
        ({}, Order("a", negative_prompt="b"), {"prompt": "a\n\nAvoid: b"}),
        ({"negative_prompt": TEXT}, Order("a", negative_prompt="b"), {"prompt": "a", "negative_prompt": "b"}),
        ({"aspect_ratio": TEXT}, Order("a", aspect_ratio="2:3"), {"prompt": "a", "aspect_ratio": "2:3"}),
        ({"width": {}, "height": {}}, Order("a", aspect_ratio="16:9"), {"prompt": "a", "width": 1360, "height": 768}),
        ({"size": {"enum": ["1024x1024"]}}, Order("a"), {"prompt": "a", "size": "1024x1024"}),
        ({"size": {"enum": ["512x512"]}}, Order("a"), {"prompt": "a"}),
        (
            {"resolution": TEXT, "quality": TEXT},
            Order("a", size="2K", quality="low"),
            {"prompt": "a", "resolution": "2K", "quality": "low"},
        ),
        ({"size": TEXT}, Order("a", size="2K"), {"prompt": "a", "size": "2K"}),
    ],
)
def test_a_model_is_sent_the_fields_it_knows(
    server: CannedServer, fields: Any, order: Order, input: dict[str, Any]
) -> None:
    takes(server, fields)
    submit(server.url, Order(**{**vars(order), "model": MODEL}))
    assert asked(server) == input


EDIT, REMIX = Operation.EDIT, Operation.REMIX


@pytest.mark.parametrize(
    ("fields", "operation", "inputs", "places"),
    [
        ({"image": TEXT}, EDIT, (ONE,), {"image": 0}),
        ({"input_image": TEXT, "image": TEXT}, EDIT, (ONE,), {"input_image": 0}),
        ({"image_input": MANY}, EDIT, (ONE,), {"image_input": [0]}),
        ({"input_images": MANY}, REMIX, (ONE, TWO), {"input_images": [0, 1]}),
        ({"input_image_1": TEXT, "input_image_2": TEXT}, REMIX, (ONE, TWO), {"input_image_1": 0, "input_image_2": 1}),
        ({"image": TEXT}, REMIX, (ONE,), {"image": 0}),
    ],
)
def test_pictures_go_where_the_model_takes_them(
    server: CannedServer, fields: Any, operation: Operation, inputs: Any, places: dict[str, Any]
) -> None:
    takes(server, fields)
    submit(server.url, Order("a", operation, aspect_ratio="3:2", model=MODEL, inputs=inputs))
    given = asked(server)
    assert set(given) == {"prompt", *places}
    urls = ["data:image/png;base64," + base64.b64encode(each.data).decode() for each in (ONE, TWO)]
    for name, at in places.items():
        assert given[name] == (urls[at] if isinstance(at, int) else [urls[each] for each in at])


@pytest.mark.parametrize(
    ("fields", "order"),
    [
        ({}, Order("a", EDIT, aspect_ratio="3:2", inputs=(ONE,))),
        ({"image": TEXT}, Order("a", REMIX, inputs=(ONE, TWO))),
        ({"image": TEXT}, Order("a", EDIT, aspect_ratio="3:2", inputs=(ONE,), mask=left_half())),
        ({"aspect_ratio": {"enum": ["1:1"]}}, Order("a", aspect_ratio="16:9")),
        ({"aspect_ratio": {"allOf": [{"$ref": "#/components/schemas/ratio"}]}}, Order("a", aspect_ratio="16:9")),
    ],
)
def test_what_a_model_has_no_place_for_is_not_sent(server: CannedServer, fields: Any, order: Order) -> None:
    takes(server, fields, ratio={"enum": ["1:1"]})
    with pytest.raises(errors.BadInput):
        submit(server.url, Order(**{**vars(order), "model": MODEL}))
    assert [path for _, path, _, _ in server.requests] == [SCHEMA]


def test_an_edit_matches_its_picture_where_the_model_can(server: CannedServer) -> None:
    takes(server, {"input_image": TEXT, "mask": TEXT, "aspect_ratio": {"enum": ["1:1", "match_input_image"]}})
    submit(server.url, Order("a", EDIT, aspect_ratio="3:2", model=MODEL, inputs=(ONE,), mask=left_half()))
    assert set(asked(server)) == {"prompt", "input_image", "mask", "aspect_ratio"}
    assert asked(server)["aspect_ratio"] == "match_input_image"


def test_what_a_model_takes_is_asked_once_an_hour(server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    takes(server, {"aspect_ratio": TEXT})

    async def twice(dialect: Any) -> None:
        for _ in range(2):
            await dialect.submit(Order("a", model=MODEL))

    speak(ReplicatePredictions(Access(server.url, "k")), twice)
    assert [path for _, path, _, _ in server.requests] == [SCHEMA, PREDICTIONS, PREDICTIONS]
    monkeypatch.setattr(replicate_predictions, "SCHEMA_SECONDS", -1.0)
    speak(ReplicatePredictions(Access(server.url, "k")), twice)
    assert [path for _, path, _, _ in server.requests][3:] == [SCHEMA, PREDICTIONS] * 2


@pytest.mark.parametrize("reply", [Reply(500), Reply(200, b"[]"), Reply(200, b'{"latest_version": null}'), Reply(502)])
def test_without_a_schema_the_usual_fields_are_sent(server: CannedServer, reply: Reply) -> None:
    takes(server, {})
    server.replies[SCHEMA] = reply
    submit(server.url, Order("a", negative_prompt="b", aspect_ratio="3:2", model=MODEL))
    assert asked(server) == {"prompt": "a\n\nAvoid: b", "aspect_ratio": "3:2"}


@pytest.mark.parametrize(
    ("status", "error"), [(401, errors.OperatorTrouble), (404, errors.OperatorTrouble), (429, errors.Busy)]
)
def test_a_refusal_to_tell_is_a_refusal(server: CannedServer, status: int, error: type[Exception]) -> None:
    takes(server, {})
    says(server, SCHEMA, {"detail": "No."}, status)
    with pytest.raises(error):
        submit(server.url, Order("a", model=MODEL))
    assert len(server.requests) == 1


def large() -> Picture:
    """Return a picture that has more bytes than a data URL may."""
    return Picture(sheet((1, 1, 1), kind="WEBP").data + bytes(replicate_predictions.INLINE_BYTES), "image/webp")


def test_a_large_picture_is_stored_there_first(server: CannedServer) -> None:
    takes(server, {"image": TEXT})
    says(server, "/v1/files", {"id": "f", "urls": {"get": "https://api.replicate.com/v1/files/f"}}, 201)
    submit(server.url, Order("a", EDIT, aspect_ratio="3:2", model=MODEL, inputs=(large(),)))
    assert asked(server)["image"] == "https://api.replicate.com/v1/files/f"
    assert b'name="content"; filename="picture.webp"' in server.requests[1][3]


@pytest.mark.parametrize("reply", [Reply(500), Reply(404), Reply(201, b"{}"), Reply(201, b'{"urls": {"get": 7}}')])
def test_a_picture_that_could_not_be_stored_leaves_no_job(server: CannedServer, reply: Reply) -> None:
    takes(server, {"image": TEXT})
    server.replies["/v1/files"] = reply
    with pytest.raises(errors.NotAccepted) as error:
        submit(server.url, Order("a", EDIT, aspect_ratio="3:2", model=MODEL, inputs=(large(),)))
    assert type(error.value) is errors.NotAccepted
    assert PREDICTIONS not in [path for _, path, _, _ in server.requests]


@pytest.mark.parametrize(
    ("told", "job"),
    [
        ({"status": "starting"}, Job("p1", "pending")),
        ({"status": "processing"}, Job("p1", "pending")),
        ({"status": "something new"}, Job("p1", "pending")),
        (
            {"status": "succeeded", "output": "https://r.example/a.png"},
            Job("p1", "completed", url="https://r.example/a.png"),
        ),
        (
            {"status": "succeeded", "output": ["https://r.example/a.png"]},
            Job("p1", "completed", url="https://r.example/a.png"),
        ),
        ({"status": "succeeded", "output": ["data:image/png;base64,AAAA"]}, Job("p1", "completed", data=b"\0\0\0")),
        ({"status": "succeeded", "output": None}, Job("p1", "completed")),
        ({"status": "succeeded", "output": []}, Job("p1", "completed")),
        ({"status": "canceled", "error": None}, Job("p1", "failed")),
        ({"status": "aborted", "error": None}, Job("p1", "failed")),
        ({"status": "failed", "error": "The fox ran off."}, Job("p1", "failed", message="The fox ran off.")),
        (
            {"status": "failed", "error": "The input or output was flagged as sensitive. (E005)"},
            Job("p1", "failed", message=words.Kind.CONTENT, is_refused=True),
        ),
        (
            {"status": "failed", "error": "NSFW content detected. Try running it again."},
            Job("p1", "failed", message=words.Kind.CONTENT, is_refused=True),
        ),
    ],
)
def test_a_prediction_is_read(server: CannedServer, told: Any, job: Job) -> None:
    says(server, "/v1/predictions/p1", {"id": "p1", **told})
    assert poll(server.url) == job


def test_an_answer_may_repeat_what_was_sent(server: CannedServer) -> None:
    says(server, "/v1/predictions/p1", {"id": "p1", "status": "processing", "input": {"image": "x" * 3_000_000}})
    assert poll(server.url).state == "pending"


@pytest.mark.parametrize(
    ("told", "is_certain"),
    [
        ({"status": "canceled", "started_at": None}, True),
        ({"status": "aborted", "started_at": None}, True),
        ({"status": "canceled", "started_at": "2026-01-01T00:00:00Z"}, False),
        ({"status": "canceled"}, False),
        ({"status": "processing", "started_at": None}, False),
        ({"status": "succeeded", "started_at": None}, False),
    ],
)
def test_only_what_never_began_is_certainly_cancelled(server: CannedServer, told: Any, is_certain: bool) -> None:
    says(server, "/v1/predictions/p1/cancel", {"id": "p1", **told})
    assert speak(ReplicatePredictions(Access(server.url, "k")), lambda dialect: dialect.cancel("p1")) is is_certain
    assert server.requests[0][0] == "POST"
