"""An upstream that errs, lies or means harm: nothing of it reaches a person, a row, a log, or another customer."""

import asyncio
import gzip
import json
import logging
import socket
import unicodedata
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from billing.models import CreditEntry
from generator.errors import BadImage
from generator.jobs import tasks
from generator.models import Generation
from generator.upstreams import errors, transport
from generator.upstreams.dialect import Job, Order
from generator.upstreams.reve_art import ReveArt
from generator.upstreams.transport import Access
from tests.billing.books import audit
from tests.conftest import Api
from tests.driver import finish, step
from tests.generator.conftest import KEY, CannedServer, says

ADDRESS = "https://api.reve-art.com"
GENERATE, STATUS = "/v1/reve-image/generate", "/v1/reve-image/status/up_1"


# --- Any answer at all -----------------------------------------------------------------------------------------


class Body(httpx.AsyncByteStream):
    """A body that was not read yet, as one from a socket is."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.data


def ask(status: int, body: bytes, headers: dict[str, str], *, submits: bool) -> Job | Exception:
    """Return what the client makes of an answer, or which error of its tree."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers=headers, stream=Body(body))

    async def one() -> Job:
        client = ReveArt(Access(ADDRESS, KEY))
        try:
            if submits:
                return await client.submit(Order("a"))
            return await client.poll("up_1")
        finally:
            await client.aclose()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "_connection", lambda: httpx.MockTransport(answer))
        try:
            return asyncio.run(one())
        except errors.UpstreamError as error:
            return error


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([KEY, f"Bearer {KEY}", ADDRESS, f"Your key {KEY} at {ADDRESS}.", "up_1", "completed", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ("id", "status", "url", "metadata", "error", "message", "detail", "code", "type")
answers = st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6) | anything
good = {"id": "up_1", "status": "completed", "url": "/a.png", "metadata": {"model": "m"}}
mutated = st.builds(lambda field, value: {**good, field: value}, st.sampled_from(FIELDS), anything)
quick = examples(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(
    data=answers | mutated,
    status=st.sampled_from([200, 202, 204, 301, 400, 401, 402, 403, 404, 409, 410, 418, 422, 429, 500, 503, 599, 999]),
    retry=st.none()
    | st.text(max_size=12)
    | st.sampled_from(["7", "nan", "-1", "1e999", "Wed, 21 Oct 2065 07:28:00 GMT"]),
    submits=st.booleans(),
)
@example(data={"error": {"message": f"Incorrect API key: {KEY}"}}, status=401, retry=None, submits=True)
@example(data={"error": {"message": f"Wait, {KEY}"}}, status=429, retry="\u0661", submits=False)
def test_any_answer_is_a_job_or_an_error_of_the_tree(data: Any, status: int, retry: str | None, submits: bool) -> None:
    headers = {} if retry is None else {"Retry-After": retry.encode("ascii", "ignore").decode()}
    found = ask(status, json.dumps(data).encode(), headers, submits=submits)
    if isinstance(found, Job):
        assert submits or found.id == "up_1"
        assert 1 <= len(found.id) <= 255
        assert len(found.url) <= transport.URL_MAX_LENGTH
        shown = found.model + found.message
    else:
        shown = f"{found} {found!r}"
        assert found.__cause__ is None
        assert found.__context__ is None or "rv-live" not in repr(found.__context__)
        if isinstance(found, errors.Busy):
            assert 1 <= found.retry_after <= 120
    assert "rv-live" not in shown
    assert "reve-art.com" not in shown
    texts = [found.id, found.url, shown] if isinstance(found, Job) else [shown]
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for text in texts for character in text)


@quick
@given(
    body=st.binary(max_size=200), submits=st.booleans(), encoding=st.sampled_from(["", "gzip", "deflate", "br", "x"])
)
@example(body=b"9" * 5000, submits=False, encoding="")
@example(body=b'{"id": ' + b"9" * 5000 + b"}", submits=True, encoding="")
@example(body=b'{"a":' * 20_000, submits=True, encoding="")
@example(body=gzip.compress(b'{"id": "up_1"}')[:-9], submits=False, encoding="gzip")
def test_any_bytes_are_a_job_or_an_error_of_the_tree(body: bytes, submits: bool, encoding: str) -> None:
    assert isinstance(
        ask(200, body, {"Content-Encoding": encoding} if encoding else {}, submits=submits),
        Job | errors.UpstreamError,
    )


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip", "GZIP", "x"])
def test_an_answer_that_is_packed_unasked_is_none(encoding: str) -> None:
    found = ask(200, gzip.compress(b'{"id": "up_1"}'), {"Content-Encoding": encoding}, submits=False)
    assert isinstance(found, errors.Unclear)


@pytest.mark.parametrize("encoding", ["identity", "", "Identity"])
def test_an_answer_that_says_it_is_not_packed_is_read(encoding: str) -> None:
    assert ask(200, b'{"id": "up_1"}', {"Content-Encoding": encoding}, submits=False) == Job("up_1", "pending")


@quick
@given(
    url=st.text(max_size=60)
    | st.builds("{}://{}{}".format, st.sampled_from(["http", "https", "file", "HTTP"]), st.text(max_size=20), st.text())
)
@example(url="http://[::1%25lo]:80/")
@example(url="//10.0.0.1/x")
@example(url="\\\\10.0.0.1\\x")
@example(url=f"http://user:{KEY}@10.0.0.1/{KEY}")
def test_any_address_is_an_image_or_none(url: str) -> None:
    def nowhere(*_: Any, **__: Any) -> Any:
        raise socket.gaierror("no such name")

    async def fetch() -> bytes:
        client = ReveArt(Access("http://127.0.0.1:9", KEY))
        try:
            return await client.download(url)
        finally:
            await client.aclose()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", nowhere)
        with pytest.raises(BadImage) as error:
            asyncio.run(fetch())
    assert KEY not in str(error.value)


# --- Through a worker, up to what people see -------------------------------------------------------------------


def everything_shown(api: Api, generation: Generation, caplog: pytest.LogCaptureFixture) -> str:
    """Return all that people and operators can read of a generation."""
    api.client.force_login(generation.wallet.user)
    pages = ["/dashboard/", "/dashboard/billing/", f"/images/{generation.public_id}/", "/gallery/"]
    shown = [api.client.get(page).content.decode() for page in pages]
    shown.append(api.get(f"/v1/reve-image/status/{generation.public_id}").content.decode())
    shown += CreditEntry.objects.values_list("cause", flat=True)
    shown += [generation.error_message, generation.model, caplog.text]
    return "\n".join(shown)


LEAK = f"Job failed on {{}}: Incorrect API key Bearer {KEY}\u202e. See {{}}/keys?key={KEY} or \u200b{KEY}."


@pytest.mark.parametrize("where", ["failed", "refused", "unclear", "busy", "look"])
def test_our_key_in_a_failure_is_shown_to_nobody(
    api: Api, generation: Generation, upstream: CannedServer, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    caplog.set_level(logging.DEBUG)
    error = {"error": {"code": "odd", "message": LEAK.format(upstream.url, upstream.url)}}
    says(upstream, STATUS, {"id": "up_1", "status": "failed", **error})
    if where == "look":
        says(upstream, STATUS, error, 500)
    elif where != "failed":
        says(upstream, GENERATE, error, {"refused": 422, "unclear": 500, "busy": 429}[where])
    for _ in range(3):
        generation = step(generation)
    shown = everything_shown(api, generation, caplog)
    assert "rv-live" not in shown
    assert "Zk39dkQp" not in shown
    assert f":{upstream.port}" not in "\n".join(line for line in shown.splitlines() if "httpx" not in line)


def test_what_is_for_people_does_reach_them(
    api: Api, generation: Generation, upstream: CannedServer, caplog: pytest.LogCaptureFixture
) -> None:
    message = f"The fox ran off. Your key {KEY} is fine."
    says(upstream, STATUS, {"id": "up_1", "status": "failed", "error": {"message": message}})
    generation = finish(generation)
    assert generation.error_message == "The fox ran off."
    assert "The fox ran off. Your credit was returned." in everything_shown(api, generation, caplog)


def test_another_customers_picture_is_neither_delivered_nor_charged(
    generation: Generation, upstream: CannedServer
) -> None:
    says(upstream, STATUS, {"id": "up_2", "status": "completed", "url": f"{upstream.url}/theirs.png"})
    for _ in range(4):
        generation = step(generation)
    assert generation.status == Generation.Status.DRAWING
    assert "/theirs.png" not in [path for _, path, _, _ in upstream.requests]
    Generation.objects.update(deadline_at=generation.created_at)
    tasks.sweep()
    assert Generation.objects.get().status == Generation.Status.FAILED
    assert audit(generation.wallet) == 3
