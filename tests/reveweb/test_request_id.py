"""A request's id is in all that is logged for it: wherever the work runs, and in the tasks that it tells of."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from celery import current_app, shared_task
from celery.signals import task_prerun
from django.conf import settings as configured
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import path

from kit import broker, request_id
from kit.threads import in_thread
from reveweb.observe.logs import Line
from tests.streams import pieces_of

log = logging.getLogger("reveweb.tests")


def page(request: HttpRequest) -> HttpResponse:
    log.warning("in a view")
    return HttpResponse()


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError


async def threaded(request: HttpRequest) -> HttpResponse:
    await in_thread(lambda: log.warning("in a thread of the pool"))
    log.warning("in the event loop")
    return HttpResponse()


async def streamed(request: HttpRequest) -> StreamingHttpResponse:
    async def pieces() -> AsyncIterator[bytes]:
        log.warning("in the stream")
        yield b""

    return StreamingHttpResponse(pieces())


urlpatterns = [
    path("page/", page),
    path("broken/", broken),
    path("images/threaded", threaded),
    path("images/streamed", streamed),
]
handler500 = "reveweb.pages.errors.server_error"


@shared_task(name="tests.log")
def write_line(words: str) -> None:
    log.warning(words)


@pytest.fixture(autouse=True)
def lines(settings: Any) -> Iterator[list[str]]:
    """What the site logs, as its own configuration has it."""
    settings.ROOT_URLCONF = __name__
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(self.format(record))

    handler = Handler()
    handler.addFilter(request_id.LogFilter())
    handler.setFormatter(Line())
    root = logging.getLogger()
    root.addHandler(handler)
    token = request_id.current.set("")
    yield found
    request_id.current.reset(token)
    root.removeHandler(handler)


def ids(lines: list[str]) -> list[str]:
    return [line.split()[4] for line in lines if "asyncio" not in line]


def test_the_site_logs_through_the_filter() -> None:
    assert configured.LOGGING["formatters"]["line"] == {"()": f"{Line.__module__}.Line"}
    assert configured.LOGGING["handlers"]["console"]["filters"] == ["request_id"]
    assert configured.LOGGING["filters"]["request_id"] == {"()": "kit.request_id.LogFilter"}


def test_a_page(lines: list[str], client: Client) -> None:
    first, second = (client.get("/page/")["X-Request-Id"] for _ in range(2))
    assert first != second
    assert ids(lines) == [first, second]


@pytest.mark.parametrize(("path", "count"), [("/page/", 1), ("/images/threaded", 2), ("/images/streamed", 1)])
def test_wherever_the_work_runs(path: str, count: int, lines: list[str]) -> None:
    async def ask() -> str:
        response = await AsyncClient().get(path)
        if response.streaming:
            assert [piece async for piece in pieces_of(response)] == [b""]
        return str(response["X-Request-Id"])

    id = asyncio.run(ask())
    assert ids(lines) == [id] * count


def test_what_broke_is_found_by_what_the_page_names(lines: list[str], client: Client) -> None:
    client.raise_request_exception = False
    answer = client.get("/broken/")
    assert answer.status_code == 500
    assert f"<code>{answer['X-Request-Id']}</code>" in answer.content.decode()
    assert ids([line for line in lines if "Internal Server Error" in line]) == [answer["X-Request-Id"]]


def test_requests_side_by_side_keep_apart(lines: list[str]) -> None:
    async def ask() -> set[str]:
        answers = await asyncio.gather(*(AsyncClient().get("/images/threaded") for _ in range(8)))
        return {answer["X-Request-Id"] for answer in answers}

    found = asyncio.run(ask())
    assert len(found) == 8
    assert sorted(ids(lines)) == sorted([*found, *found])


def test_a_task_logs_with_the_id_of_the_request_that_told_of_it(
    lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(current_app, "send_task", lambda *_, **options: sent.append(options))
    id = request_id.begin()
    broker.tell("tests.log", "for a request")
    assert broker.flush(10)
    request_id.current.set("")
    without: dict[str, Any] = {}
    for headers in (sent[0]["headers"], without):  # as a worker has them, where headers of a message become its request
        write_line.push_request(**headers)
        task_prerun.send(sender=write_line, task=write_line)
        write_line("done")
        write_line.pop_request()
    assert ids(lines) == [id, "-"]
