"""Upstreams of any protocol that err, lie or mean harm: nothing of it goes further than its dialect."""

import base64
import gzip
import json
import time
import unicodedata
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from generator.errors import BadImage
from generator.models import Operation
from generator.upstreams import errors, transport
from generator.upstreams.dialect import Dialect, Job, Order
from generator.upstreams.transport import Access
from tests.generator.conftest import KEY, CannedServer, Reply
from tests.generator.dialects.conftest import PEERS, Peer, order_for, sheet, speak

ADDRESS = "https://api.upstream.example"
ASYNCHRONOUS = [peer for peer in PEERS if not peer.dialect.can.is_synchronous]
# A job's id, as each of them keeps it, and what would be a good answer to a look at it.
JOBS = {"reve_art": "up_1", "fal_queue": "fal-ai/flux/requests/up_1", "replicate_predictions": "up_1"}
FIELDS = (
    *("id", "request_id", "status", "url", "status_url", "response_url", "output", "images", "image", "data"),
    *("b64_json", "error", "error_type", "message", "detail", "code", "type", "model", "metadata", "metrics"),
    *("has_nsfw_concepts", "latest_version", "openapi_schema", "started_at", "urls", "usage", "credits"),
)
GOOD: dict[str, Any] = {
    "id": "up_1",
    "request_id": "up_1",
    "status": "completed",
    "url": "/a.png",
    "data": [{"url": "/a.png"}],
    "images": [{"url": "/a.png"}],
    "output": ["/a.png"],
    "status_url": f"{ADDRESS}/fal-ai/flux/requests/up_1/status",
    "response_url": f"{ADDRESS}/fal-ai/flux/requests/up_1",
    "metadata": {"model": "m"},
    "model": "m",
}


class Body(httpx.AsyncByteStream):
    """A body that was not read yet, as one from a socket is."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.data


def asked(
    peer: Peer,
    status: int,
    body: bytes | Callable[[httpx.Request], bytes],
    headers: dict[str, str] | None = None,
    *,
    call: str = "submit",
    seen: list[httpx.Request] | None = None,
) -> Any:
    """Return what a dialect makes of an answer, or which error of the tree."""

    async def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        if trace := request.extensions.get("trace"):
            await trace("http11.send_request_headers.started", {})
        return httpx.Response(status, headers=headers, stream=Body(body(request) if callable(body) else body))

    async def one(dialect: Dialect) -> Any:
        if call == "submit":
            return await dialect.submit(order_for(peer, "a"))
        if call == "edit":
            return await dialect.submit(order_for(peer, "a", operation=Operation.EDIT, inputs=(sheet((1, 2, 3)),)))
        return await getattr(dialect, call)(JOBS.get(peer.name, "up_1"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "_connection", lambda: httpx.MockTransport(answer))
        try:
            return speak(peer.dialect(Access(ADDRESS, KEY)), one)
        except errors.UpstreamError as error:
            return error


PLAIN = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.UpstreamError)}
CALLS = st.sampled_from(["submit", "edit", "poll", "cancel"])
peers = st.sampled_from(PEERS)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([KEY, f"Your key {KEY} at {ADDRESS}.", "up_1", "COMPLETED", "succeeded", "failed", "data:,x"])
    | st.sampled_from(["\x00", "data:image/png;base64,AAAA", "data:image/png;base64,?", f"{ADDRESS}/x", "//10.0.0.1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=6,
)
answers = st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6) | anything
mutated = st.builds(
    lambda status, field, value: {**GOOD, "status": status, field: value},
    st.sampled_from(["completed", "COMPLETED", "succeeded", "failed", "IN_QUEUE"]),
    st.sampled_from(FIELDS),
    anything,
)
quick = examples(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(
    peer=peers,
    data=answers | mutated,
    status=st.sampled_from([200, 202, 204, 301, 400, 401, 402, 403, 404, 409, 413, 422, 429, 499, 500, 503, 999]),
    call=CALLS,
)
def test_any_answer_is_a_job_or_an_error_of_the_tree(peer: Peer, data: Any, status: int, call: str) -> None:
    found = asked(peer, status, json.dumps(data).encode(), call=call)
    if isinstance(found, bool):
        return
    if isinstance(found, Job):
        assert len(found.id) <= transport.ID_MAX_LENGTH
        assert len(found.url) <= transport.URL_MAX_LENGTH
        if call == "poll":
            assert found.id == JOBS[peer.name]
        texts = [found.id, found.url, found.model, found.message]
        shown = found.model + found.message
    else:
        assert type(found) in PLAIN  # routing reads the tree, not what a dialect makes of it for itself
        assert found.__cause__ is None
        assert found.__context__ is None or "rv-live" not in repr(found.__context__)
        texts = [f"{found} {found!r}"]
        shown = texts[0]
    assert "rv-live" not in shown
    assert "upstream.example" not in shown
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for text in texts for character in text)


@quick
@given(peer=peers, body=st.binary(max_size=200), call=CALLS, encoding=st.sampled_from(["", "gzip", "br", "x"]))
def test_any_bytes_are_a_job_or_an_error_of_the_tree(peer: Peer, body: bytes, call: str, encoding: str) -> None:
    found = asked(peer, 200, body, {"Content-Encoding": encoding} if encoding else {}, call=call)
    assert isinstance(found, Job | errors.UpstreamError | bool)


def test_a_bomb_is_not_unpacked(peer: Peer) -> None:
    found = asked(peer, 200, gzip.compress(json.dumps(GOOD).encode()), {"Content-Encoding": "gzip"})
    assert type(found) is errors.Unclear


@pytest.mark.parametrize("peer", ASYNCHRONOUS, indirect=True)
@pytest.mark.parametrize("call", ["poll", "cancel"])
def test_another_jobs_answer_is_none(peer: Peer, call: str) -> None:
    """It would deliver, and charge for, another customer's picture."""
    if call == "cancel" and not peer.dialect.can.can_cancel:
        pytest.skip("there is no cancelling a job there")
    theirs = {**GOOD, "id": "up_2", "request_id": "up_2", "status": "COMPLETED"}
    found = asked(peer, 200, json.dumps(theirs).encode(), call=call)
    assert type(found) is errors.Unclear


def test_a_giant_answer_is_not_read_to_its_end(peer: Peer, server: CannedServer) -> None:
    padded = json.dumps({**GOOD, "padding": "x" * 3_000_000}).encode()
    server.default = Reply(200, padded, chunked=True)
    with override_settings(IMAGE_MAX_BYTES=1024 * 1024), pytest.raises(errors.Unclear, match="bytes"):
        speak(peer.at(server.url), lambda dialect: dialect.submit(order_for(peer, "a")))


def test_a_picture_in_an_answer_may_be_as_large_as_any_other_and_no_larger() -> None:
    peer = next(peer for peer in PEERS if peer.dialect.can.is_synchronous)
    with override_settings(IMAGE_MAX_BYTES=300_000):
        for size, found in ((300_000, 300_000), (300_001, 0), (350_000, 0)):
            body = json.dumps({"data": [{"b64_json": base64.b64encode(bytes(size)).decode()}]}).encode()
            assert len(asked(peer, 200, body).data) == found
        huge = json.dumps({"data": [{"url": "data:image/png;base64," + "A" * 1_000_000}]}).encode()
        assert type(asked(peer, 200, huge)) is errors.Unclear


@pytest.mark.parametrize(
    "url", ["data:text/html;base64,AAAA", "data:image/png,AAAA", "data:image/png;base64,A", "data:"]
)
def test_a_data_url_without_a_picture_is_an_empty_one(url: str) -> None:
    peer = next(peer for peer in PEERS if peer.dialect.can.is_synchronous)
    assert asked(peer, 200, json.dumps({"data": [{"url": url}]}).encode()) == Job("", "completed")


def test_an_answer_that_drips_is_given_up(peer: Peer, server: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.default = Reply(200, json.dumps(GOOD).encode() + b" " * 2500, drip=0.1)
    began = time.monotonic()
    monkeypatch.setattr(transport, "POLL_TIMEOUT_SECONDS", 0.5)
    with pytest.raises(errors.Unclear):
        speak(peer.at(server.url, seconds=0.5), lambda dialect: dialect.submit(order_for(peer, "a")))
    assert time.monotonic() - began < 60  # all of it takes 250 seconds


def test_an_answer_that_breaks_off_is_unclear(peer: Peer, server: CannedServer) -> None:
    body = json.dumps(GOOD).encode()
    server.default = Reply(200, body[:40], {"Content-Length": str(len(body)), "Connection": "close"})
    server.replies["/v1/models/sandbox/artist"] = Reply(200, b"{}")

    async def one(dialect: Dialect) -> Job:
        return await dialect.submit(order_for(peer, "a"))

    with pytest.raises(errors.Unclear):
        speak(peer.at(server.url, seconds=3.0), one)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_does_not_carry_the_key_on(peer: Peer, status: int) -> None:
    seen: list[httpx.Request] = []
    found = asked(peer, status, b"{}", {"Location": "https://elsewhere.example/take"}, seen=seen)
    assert type(found) is errors.Unclear
    assert {request.url.host for request in seen} == {"api.upstream.example"}


def test_a_picture_is_fetched_without_the_key(peer: Peer, server: CannedServer) -> None:
    server.default = Reply(200, sheet((1, 2, 3)).data, {"Content-Type": "image/png"})
    assert speak(peer.at(server.url), lambda dialect: dialect.download(f"{server.url}/a.png"))
    [(_, _, headers, _)] = server.requests
    assert "authorization" not in headers


def test_a_picture_in_a_private_network_is_not_fetched(peer: Peer) -> None:
    with pytest.raises(BadImage):
        speak(peer.at(ADDRESS), lambda dialect: dialect.download("http://127.0.0.1:1/a.png"))


def test_our_key_in_an_errors_words_is_kept_back(peer: Peer) -> None:
    said = f"The fox ran off. Incorrect API key {KEY}."
    for status in (400, 401, 403, 404, 422, 429, 500, 503):
        for shape in ({"error": {"message": said}}, {"detail": said}, {"detail": [{"msg": said, "type": "x"}]}):
            found = asked(peer, status, json.dumps(shape).encode())
            assert isinstance(found, errors.UpstreamError)
            assert KEY not in f"{found!r} {found}"


@pytest.mark.parametrize(
    "where",
    [
        "http://169.254.169.254/latest/requests/up_1/status",
        "https://elsewhere.example/fal-ai/flux/requests/up_1/status",
        "https://user@api.upstream.example/fal-ai/flux/requests/up_1/status",
        f"{ADDRESS}/fal-ai/other/requests/up_2/status",
        f"{ADDRESS}/admin",
        f"{ADDRESS}/../fal-ai/flux/requests/up_1/status",
    ],
)
def test_addresses_in_answers_lead_nowhere_but_to_the_job(where: str) -> None:
    """fal names where to look; what it names is used for the job it is about, and at fal."""
    peer = next(peer for peer in PEERS if peer.name == "fal_queue")
    seen: list[httpx.Request] = []
    told = {**GOOD, "status": "COMPLETED", "status_url": where, "response_url": where}
    assert asked(peer, 200, json.dumps(told).encode(), seen=seen).id == "fal-ai/flux/requests/up_1"
    asked(peer, 200, json.dumps(told).encode(), call="poll", seen=seen)
    paths = [f"{request.url.host}{request.url.path}" for request in seen]
    job = "api.upstream.example/fal-ai/flux/requests/up_1"
    assert paths == ["api.upstream.example/fal-ai/flux/dev", f"{job}/status", job]


@pytest.mark.parametrize("model", ["", "x", "../../etc", "a/../b", "/a/b", "a/b?c", "a//b", "a b/c", "a/b\n", "é/ü"])
@pytest.mark.parametrize("peer", ASYNCHRONOUS[1:], indirect=True)
def test_a_models_name_is_no_way_to_another_endpoint(peer: Peer, model: str) -> None:
    seen: list[httpx.Request] = []

    async def one(dialect: Dialect) -> Job:
        return await dialect.submit(Order("a", model=model))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "_connection", lambda: httpx.MockTransport(lambda request: httpx.Response(200)))
        with pytest.raises(errors.OperatorTrouble) as trouble:
            speak(peer.dialect(Access(ADDRESS, KEY)), one)
    assert trouble.value.kind == "not_found"
    assert not seen
