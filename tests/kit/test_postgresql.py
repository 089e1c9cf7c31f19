"""A database that was restarted: no idle connection of its earlier life fails anybody."""

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, close_old_connections, connection
from django.test import Client

from accounts import keys
from accounts.models import User
from generator.models import Generation
from kit import postgres
from kit.postgresql import outage
from reveweb.pages import errors
from tests.installation import wait_until

POSTGRES = os.environ.get("DATABASE_URL", "").startswith("postgres")
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not POSTGRES, reason="about PostgreSQL"),
    pytest.mark.django_db(transaction=True),
]
THREADS = 4


def end_connections(name: str) -> int:
    """End every connection to the database `name`, as a server that restarts does; return how many there were."""
    import psycopg  # only where PostgreSQL is

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        ended = server.execute(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        ).fetchall()
        pids = [pid for pid, _ in ended]
        left = "SELECT FROM pg_stat_activity WHERE datname = %s AND pid = ANY(%s)"
        wait_until(lambda: not server.execute(left, [name, pids]).fetchall(), 60)
    time.sleep(0.1)  # what they said goodbye with is on its way
    return len(pids)


def look(all_here: threading.Barrier) -> int:
    """Use a connection from the pool and give it back, as a task or a request does, beside others."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            all_here.wait(60)
        return 1
    finally:
        close_old_connections()


def fill_the_pool(threads: ThreadPoolExecutor) -> None:
    all_here = threading.Barrier(THREADS)
    assert sum(threads.map(look, [all_here] * THREADS)) == THREADS


def test_idle_connections_of_the_pool_that_the_server_ended_fail_nobody() -> None:
    name = str(connection.settings_dict["NAME"])
    connection.close()
    with ThreadPoolExecutor(THREADS) as threads:
        fill_the_pool(threads)
        assert end_connections(name) >= THREADS
        fill_the_pool(threads)


def test_a_page_and_the_api_answer_as_before_once_the_server_is_back(
    client: Client, alice: User, generation: Generation
) -> None:
    _, secret = keys.mint(user=alice, name="test")
    name = str(connection.settings_dict["NAME"])
    status = f"/v1/reve-image/status/{generation.public_id}"
    for _ in range(2):
        assert client.get("/pricing/").status_code == 200
        assert client.get(status, headers={"Authorization": f"Bearer {secret}"}).status_code == 200
        connection.close()
        end_connections(name)


def test_the_connections_of_an_event_loop_fail_nobody_either() -> None:
    name = str(connection.settings_dict["NAME"])

    async def ask() -> list[Any]:
        first = await asyncio.gather(*(postgres.row("SELECT 1", {}) for _ in range(2)))
        await asyncio.to_thread(end_connections, name)
        return first + await asyncio.gather(*(postgres.row("SELECT 1", {}) for _ in range(2)))

    assert asyncio.run(ask()) == [(1,)] * 4


def _ended_in_the_middle() -> BaseException:
    name = str(connection.settings_dict["NAME"])
    with connection.cursor() as cursor:
        end_connections(name)
        with pytest.raises(OperationalError) as caught:
            cursor.execute("SELECT 1")
    connection.close()
    return caught.value


def test_who_was_in_the_middle_of_something_is_asked_to_come_back(client: Client, monkeypatch: Any) -> None:
    """503 with Retry-After, as JSON from the API and as a page elsewhere."""
    error = _ended_in_the_middle()

    def fails(*_: Any, **__: Any) -> None:
        raise error

    client.raise_request_exception = False
    monkeypatch.setattr("accounts.keys.verify", fails)
    answer = client.get("/v1/reve-image/status/img_x", headers={"Authorization": "Bearer rv_x"})
    assert (answer.status_code, answer["Retry-After"]) == (503, str(outage.RETRY_SECONDS))
    assert answer.json()["error"]["code"] == "unavailable"
    try:
        raise error
    except OperationalError:
        page = errors.server_error(client.get("/pricing/").wsgi_request)
    assert (page.status_code, page["Retry-After"]) == (503, str(outage.RETRY_SECONDS))


def test_what_is_wrong_with_a_statement_is_no_outage() -> None:
    with pytest.raises(Exception, match="nothing_like_it") as caught, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM nothing_like_it")
    assert not outage.is_outage(caught.value)
    with connection.cursor() as cursor, pytest.raises(OperationalError) as slow:
        cursor.execute("SET statement_timeout = 10; SELECT pg_sleep(1)")
    assert not outage.is_outage(slow.value)
    connection.close()
