"""The upstream client: what it asks, and what it makes of every answer that an upstream can give."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

import httpx
import pytest

from generator.upstreams import errors, transport, words
from generator.upstreams.dialect import Job, Order
from generator.upstreams.reve_art import ReveArt
from generator.upstreams.transport import Access
from tests.environment import free_port
from tests.generator.conftest import CannedServer, Reply

T = TypeVar("T")

JOB = {"id": "img_1", "status": "pending"}


def run(base: str, work: Callable[[ReveArt], Awaitable[T]]) -> T:
    async def with_client() -> T:
        client = ReveArt(Access(base, "our-key"))
        try:
            return await work(client)
        finally:
            await client.aclose()

    return asyncio.run(with_client())


def submit(base: str, prompt: str = "a lighthouse", negative_prompt: str = "") -> Job:
    return run(base, lambda client: client.submit(Order(prompt, negative_prompt=negative_prompt, aspect_ratio="16:9")))


def poll(base: str, upstream_id: str = "img_1") -> Job:
    return run(base, lambda client: client.poll(upstream_id))


def answers(server: CannedServer, body: Any, status: int = 200, **headers: str) -> None:
    """Have the server answer everything with `body` as JSON, or with bytes as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    server.default = Reply(status, data, named)


BOTH = pytest.mark.parametrize("ask", [submit, poll])


# --- What it asks ----------------------------------------------------------------------------------------------


def test_a_submission_is_as_the_document_has_it(server: CannedServer) -> None:
    answers(server, JOB, 202)
    assert submit(server.url, prompt=" é 👩‍🚀 ", negative_prompt="text") == Job("img_1", "pending")
    [(method, path, headers, body)] = server.requests
    assert (method, path) == ("POST", "/v1/reve-image/generate")
    assert headers["authorization"] == "Bearer our-key"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "prompt": " é 👩‍🚀 ",
        "negative_prompt": "text",
        "aspect_ratio": "16:9",
        "async": True,
    }


def test_an_empty_negative_prompt_is_left_out(server: CannedServer) -> None:
    answers(server, JOB)
    submit(server.url)
    assert "negative_prompt" not in json.loads(server.requests[0][3])


def test_a_look_is_as_the_document_has_it(server: CannedServer) -> None:
    answers(server, JOB)
    assert poll(server.url).id == "img_1"
    [(method, path, headers, _)] = server.requests
    assert (method, path) == ("GET", "/v1/reve-image/status/img_1")
    assert headers["authorization"] == "Bearer our-key"


def test_the_upstream_may_live_below_a_path(server: CannedServer) -> None:
    answers(server, JOB)
    submit(f"{server.url}/reve")
    assert server.requests[0][1] == "/reve/v1/reve-image/generate"


@pytest.mark.parametrize(
    ("upstream_id", "path"),
    [
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("a&b", "a%26b"),
        ("100%", "100%25"),
        ("../../admin", "..%2F..%2Fadmin"),
        ("é", "%C3%A9"),
        ("a\r\nX: y", "a%0D%0AX%3A%20y"),
    ],
)
def test_an_odd_id_stays_one_part_of_the_path(server: CannedServer, upstream_id: str, path: str) -> None:
    answers(server, {"id": upstream_id})
    with contextlib.suppress(errors.Unclear):  # control characters are in no id that we take
        poll(server.url, upstream_id)
    assert server.requests[0][1] == f"/v1/reve-image/status/{path}"
    assert "x" not in server.requests[0][2]


# --- Good answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "state"),
    [
        *((word, "pending") for word in ("pending", "processing", "queued", "in_progress", "starting", "anything", "")),
        *((word, "completed") for word in ("completed", "complete", "succeeded", "success", "done", "COMPLETED")),
        *((word, "failed") for word in ("failed", "error", "cancelled", "canceled", "rejected", "expired", "Failed")),
    ],
)
@BOTH
def test_status_words_are_understood(server: CannedServer, ask: Any, word: str, state: str) -> None:
    answers(server, {"id": "img_1", "status": word})
    assert ask(server.url).state == state


@pytest.mark.parametrize("answer", [{}, {"status": None}, {"status": 7}, {"id": None}])
def test_a_status_that_is_no_word_means_that_it_goes_on(server: CannedServer, answer: Any) -> None:
    answers(server, answer)
    assert poll(server.url).state == "pending"


def test_a_completed_job_tells_its_url_and_model(server: CannedServer) -> None:
    answers(
        server,
        {"id": "img_1", "status": "completed", "url": "https://cdn/x.png", "metadata": {"model": "text2image_v1"}},
    )
    assert poll(server.url) == Job("img_1", "completed", url="https://cdn/x.png", model="text2image_v1")


@pytest.mark.parametrize("metadata", [None, [], "x", {}, {"model": None}, {"model": {}}])
def test_odd_metadata_is_no_obstacle(server: CannedServer, metadata: Any) -> None:
    answers(server, {"id": "img_1", "status": "completed", "url": "u", "metadata": metadata})
    assert poll(server.url) == Job("img_1", "completed", url="u")


@pytest.mark.parametrize("url", [None, ""])
def test_a_url_that_is_none_is_empty(server: CannedServer, url: Any) -> None:
    answers(server, {"id": "img_1", "status": "completed", "url": url})
    assert poll(server.url).url == ""


@pytest.mark.parametrize(
    "url",
    [{}, {"href": "/a.png"}, [], ["/a.png"], 0, 7, 7.5, True, False, "/a\x00.png", "/a\n.png", "/\u202ea", "x" * 4097],
)
@BOTH
def test_a_url_that_is_no_url_is_never_bent_into_one(server: CannedServer, ask: Any, url: Any) -> None:
    answers(server, {"id": "img_1", "status": "completed", "url": url})
    with pytest.raises(errors.Unclear, match="usable url"):
        ask(server.url)


def test_an_answer_about_another_job_is_none(server: CannedServer) -> None:
    """It would deliver, and charge for, another customer's picture."""
    answers(server, {"id": "img_2", "status": "completed", "url": "/somebody/elses.png"})
    with pytest.raises(errors.Unclear, match="another job"):
        poll(server.url, "img_1")


@pytest.mark.parametrize("id", [1, 0, True, ["img_1"], {"id": "img_1"}, "", "IMG_1", " img_1", "img_1\x00", "img_1\n"])
def test_an_answer_whose_id_is_not_quite_the_jobs_is_none(server: CannedServer, id: Any) -> None:
    answers(server, {"id": id, "status": "completed", "url": "/a.png"})
    with pytest.raises(errors.Unclear):
        poll(server.url, "img_1")


def test_an_answer_that_names_no_job_is_about_the_one_that_was_asked_for(server: CannedServer) -> None:
    answers(server, {"status": "completed", "url": "/a.png"})
    assert poll(server.url, "img_1") == Job("img_1", "completed", url="/a.png")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ({"error": {"code": "odd", "message": "Not this one."}}, "Not this one."),
        ({"error": "Not this one."}, "Not this one."),
        ({"message": "Not this one."}, "Not this one."),
        ({"detail": "Not this one."}, "Not this one."),
        ({"error": {"error": {"message": "Not this one."}}}, "Not this one."),
        ({"error": {"detail": " Not this one. \n"}}, "Not this one."),
        ({"error": {"message": "", "detail": "Not this one."}}, "Not this one."),
        ({"detail": [{"loc": ["prompt"], "msg": "Not this one."}]}, "Not this one."),
        ({"error": [None, {"message": "Not this one."}, {"message": "Nor this."}]}, "Not this one."),
        ({"error": {"code": "nsfw", "message": "Flagged: 0.97"}}, words.Kind.CONTENT),
        ({"error": {"code": "odd"}}, ""),
        ({"error": 7}, ""),
        ({"error": None}, ""),
        ({}, ""),
    ],
)
def test_the_words_of_a_failure_are_found_in_every_shape(server: CannedServer, error: Any, message: str) -> None:
    answers(server, {"id": "img_1", "status": "failed", **error})
    assert poll(server.url).message == message


def test_what_a_database_cannot_keep_is_left_out(server: CannedServer) -> None:
    body = (
        rb'{"id": "img_1", "status": "failed", "metadata": {"model": "m\u0000\ud800"},'
        rb' "error": {"message": "no\u0000 \udfff way"}}'
    )
    answers(server, body)
    assert poll(server.url) == Job("img_1", "failed", message="no way")


def test_a_long_message_is_cut(server: CannedServer) -> None:
    answers(server, {"id": "img_1", "status": "failed", "error": {"message": "A fox ran off. " * 10_000}})
    message = poll(server.url).message
    assert message.endswith("A fox ran off.")
    assert 200 < len(message) <= words.MOST


# --- Bad answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.PromptRefused),
        (422, errors.PromptRefused),
        (401, errors.OperatorTrouble),
        (402, errors.OperatorTrouble),
        (403, errors.OperatorTrouble),
        (429, errors.Busy),
        (500, errors.Unclear),
        (502, errors.Unclear),
        (503, errors.Busy),
        (504, errors.Unclear),
        (301, errors.Unclear),
        (409, errors.Unclear),
        (418, errors.Unclear),
    ],
)
@BOTH
def test_every_status_means_something(server: CannedServer, ask: Any, status: int, error: type[Exception]) -> None:
    answers(server, {"error": {"message": "Why."}}, status)
    with pytest.raises(errors.UpstreamError, match="Why") as raised:
        ask(server.url)
    assert type(raised.value) is error
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "", "key_refused"),
        (403, "forbidden", "key_refused"),
        (402, "", "out_of_funds"),
        (400, "insufficient_credits", "out_of_funds"),
        (422, "insufficient_funds", "out_of_funds"),
        (429, "insufficient_quota", "out_of_funds"),
        (403, "billing_hard_limit_reached", "out_of_funds"),
    ],
)
@BOTH
def test_our_own_trouble_has_a_kind(server: CannedServer, ask: Any, status: int, code: str, kind: str) -> None:
    answers(server, {"error": {"code": code, "message": "Why."}}, status)
    with pytest.raises(errors.OperatorTrouble) as error:
        ask(server.url)
    assert error.value.kind == kind


@pytest.mark.parametrize("said", ["A man with insufficient credits", "no funds left", "billing"])
def test_a_refused_prompt_that_speaks_of_money_stops_nobody_else(server: CannedServer, said: str) -> None:
    """An upstream may quote the prompt: whoever wrote it could keep everybody from drawing."""
    answers(server, {"error": {"code": "invalid", "message": f"Invalid prompt: {said}"}}, 422)
    with pytest.raises(errors.PromptRefused):
        submit(server.url)


def test_a_403_about_the_prompt_is_the_prompts(server: CannedServer) -> None:
    answers(server, {"error": {"code": "content_policy_violation", "message": "No."}}, 403)
    with pytest.raises(errors.PromptRefused, match="content policy"):
        submit(server.url)


def test_an_unknown_job_is_gone(server: CannedServer) -> None:
    for status in (404, 410):
        answers(server, {}, status)
        with pytest.raises(errors.Gone):
            poll(server.url)


def test_an_upstream_without_the_endpoint_is_the_operators_trouble(server: CannedServer) -> None:
    answers(server, b"<h1>Not found</h1>", 404)
    with pytest.raises(errors.OperatorTrouble, match="no generate endpoint"):
        submit(server.url)


@BOTH
def test_a_503_that_names_a_time_asks_us_to_wait(server: CannedServer, ask: Any) -> None:
    answers(server, {}, 503, Retry_After="7")
    with pytest.raises(errors.Busy) as error:
        ask(server.url)
    assert error.value.retry_after == 7


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("0.5", 1),
        ("0", 1),
        ("-5", 1),
        ("120", 120),
        ("86400", 120),
        ("inf", 120),
        ("nan", 5),
        ("soon", 5),
        ("", 5),
        (None, 5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
        ("Wed, 21 Oct 2065 07:28:00 GMT", 120),
        ("Wed, 21 Oct 2015 07:28:00", 5),
        ("Wed, 99 Foo 2015 07:28:00 GMT", 5),
    ],
)
def test_retry_after_is_a_number_a_date_or_nonsense(server: CannedServer, header: str | None, seconds: float) -> None:
    answers(server, {}, 429, **({} if header is None else {"Retry_After": header}))
    with pytest.raises(errors.Busy) as error:
        poll(server.url)
    assert error.value.retry_after == seconds


def test_retry_after_as_a_date_counts_from_now(server: CannedServer) -> None:
    answers(server, {}, 429, Retry_After=format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    with pytest.raises(errors.Busy) as error:
        poll(server.url)
    assert 27 < error.value.retry_after <= 30


@pytest.mark.parametrize(
    "body",
    [b"", b"OK", b'{"id": "img_', b"<html>", b"\xff\xfe", b"[]", b'"img_1"', b"null", b"7", b"[" * 100_000],
)
@BOTH
def test_an_answer_that_is_no_json_object_is_unclear(server: CannedServer, ask: Any, body: bytes) -> None:
    answers(server, body)
    with pytest.raises(errors.Unclear):
        ask(server.url)


@pytest.mark.parametrize("body", [b"", b"<h1>Bad gateway</h1>", b"\xff", b"[" * 100_000])
@BOTH
def test_an_error_that_is_no_json_is_told_by_its_status(server: CannedServer, ask: Any, body: bytes) -> None:
    answers(server, body, 502)
    with pytest.raises(errors.Unclear, match="502: Bad Gateway"):
        ask(server.url)


@pytest.mark.parametrize("id", [None, "", [], {"id": 1}, 12345, 1.5, True, "x" * 256, "\x00", "a\nb", "a\u202e"])
def test_a_submission_without_a_usable_id_is_unclear(server: CannedServer, id: Any) -> None:
    answers(server, {"id": id, "status": "pending"})
    with pytest.raises(errors.Unclear):
        submit(server.url)


def test_an_id_may_be_as_long_as_the_database_keeps(server: CannedServer) -> None:
    answers(server, {"id": "x" * 255, "status": "pending"})
    assert submit(server.url).id == "x" * 255


@pytest.mark.parametrize("chunked", [False, True])
@BOTH
def test_an_endless_answer_is_not_read_to_its_end(server: CannedServer, ask: Any, chunked: bool) -> None:
    body = json.dumps({**JOB, "padding": "x" * transport.MAX_ANSWER_BYTES}).encode()
    server.default = Reply(200, body, chunked=chunked)
    with pytest.raises(errors.Unclear, match="bytes"):
        ask(server.url)


# --- No answer -------------------------------------------------------------------------------------------------


def test_without_a_connection_nothing_was_accepted() -> None:
    with pytest.raises(errors.NotAccepted) as error:
        submit(f"http://127.0.0.1:{free_port()}")
    assert not isinstance(error.value, errors.Busy)


def test_what_a_process_that_ends_has_not_begun_to_send_is_not_sent(server: CannedServer) -> None:
    def ends() -> None:
        raise errors.NotBegun

    async def begin(reve: ReveArt) -> None:
        transport.before_sending.set(ends)
        with pytest.raises(errors.NotBegun):
            await reve.submit(Order(prompt="a lighthouse"))
        transport.before_sending.set(lambda: None)
        await reve.submit(Order(prompt="a lighthouse"))

    answers(server, JOB)
    run(server.url, begin)
    assert len(server.requests) == 1


def test_without_a_connection_a_look_tells_nothing() -> None:
    with pytest.raises(errors.Unclear):
        poll(f"http://127.0.0.1:{free_port()}")


def test_a_name_that_does_not_resolve_is_no_connection() -> None:
    with pytest.raises(errors.NotAccepted):
        submit("http://upstream.invalid")


def test_a_submission_that_gets_no_answer_may_have_been_accepted(server: CannedServer, settings: Any) -> None:
    settings.UPSTREAM_TIMEOUT_SECONDS = 1.0  # enough for it to be sent from a machine that is busy
    server.default = Reply(silent=True)
    with pytest.raises(errors.Unclear):
        submit(server.url)
    assert len(server.requests) == 1


def test_a_connection_that_breaks_off_may_have_carried_the_submission(server: CannedServer) -> None:
    server.default = Reply(200, b"{", {"Content-Length": "100", "Connection": "close"})
    with pytest.raises(errors.Unclear):
        submit(server.url)


def test_a_look_that_gets_no_answer_tells_nothing(server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "POLL_TIMEOUT_SECONDS", 0.2)
    server.default = Reply(silent=True)
    with pytest.raises(errors.Unclear):
        poll(server.url)


@BOTH
def test_an_answer_that_drips_has_no_more_time_than_another(
    server: CannedServer, ask: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time for a limit that begins anew with each."""
    settings.UPSTREAM_TIMEOUT_SECONDS = 1.0
    monkeypatch.setattr(transport, "POLL_TIMEOUT_SECONDS", 1.0)
    server.default = Reply(200, json.dumps(JOB).encode() + b" " * 2500, drip=0.1)
    before = time.monotonic()
    with pytest.raises(errors.Unclear):
        ask(server.url)
    assert time.monotonic() - before < 60  # all of it takes 250 seconds


def test_a_submission_that_found_no_place_was_not_accepted(
    server: CannedServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it sent into the last moment of its time, when the place of the one before it becomes free."""
    monkeypatch.setattr(transport, "SUBMIT_CONNECTIONS", 1)
    settings.UPSTREAM_TIMEOUT_SECONDS = 2.0
    server.default = Reply(silent=True)

    async def two(client: ReveArt) -> list[BaseException | Job]:
        asked = (client.submit(Order("a")) for _ in range(2))
        return await asyncio.gather(*asked, return_exceptions=True)

    first, second = run(server.url, two)
    assert type(first) is errors.Unclear
    assert type(second) is errors.NotAccepted
    assert len(server.requests) == 1


def test_submissions_that_hang_keep_nobody_from_looking(
    server: CannedServer, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(transport, "SUBMIT_CONNECTIONS", 2)
    settings.UPSTREAM_TIMEOUT_SECONDS = 250.0
    server.replies["/v1/reve-image/generate"] = Reply(silent=True)
    server.replies["/v1/reve-image/status/img_1"] = Reply(200, json.dumps(JOB).encode())

    async def look_beside(client: ReveArt) -> Job:
        hanging = [asyncio.create_task(client.submit(Order("a"))) for _ in range(5)]
        try:
            return await asyncio.wait_for(client.poll("img_1"), 60)
        finally:
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    assert run(server.url, look_beside).id == "img_1"


def test_connections_are_used_again(server: CannedServer) -> None:
    answers(server, JOB)

    async def three(client: ReveArt) -> None:
        for _ in range(3):
            await client.poll("img_1")

    run(server.url, three)
    assert len(server.requests) == 3
    assert len(server.callers) == 1


def test_the_environments_proxy_is_not_used(server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    answers(server, JOB)
    assert submit(server.url).id == "img_1"


def test_every_error_belongs_to_the_tree() -> None:
    """`worker` catches by the root; the sending may be repeated only where nothing was accepted."""
    found = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    own = [error for error in found if error.__module__ == errors.__name__]
    assert {error for error in own if not issubclass(error, errors.UpstreamError)} == {errors.NotBegun}
    assert {error for error in own if issubclass(error, errors.NotAccepted)} == {errors.NotAccepted, errors.Busy}
    assert issubclass(httpx.ConnectTimeout, httpx.HTTPError)
