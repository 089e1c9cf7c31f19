"""Real concurrency against real servers: the last credit is spent once."""

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import psycopg
import pytest

from tests.installation import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.services]


@contextlib.contextmanager
def busy_stack(start_stack: Callable[..., Stack], **environment: str) -> Iterator[Stack]:
    """An installation of one's own: on SQLite, and in the second pass on PostgreSQL and Redis."""
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield start_stack(**environment)
        return
    name = f"reveweb_stack_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        database = url.rpartition("/")[0] + f"/{name}"
        stack = start_stack(DATABASE_URL=database, REDIS_URL=os.environ["REDIS_URL"], **environment)
        yield stack
        stack.stop()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def busy(request: pytest.FixtureRequest, start_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """The shared installation on SQLite; in the second pass one on PostgreSQL and Redis."""
    if not os.environ.get("DATABASE_URL", "").startswith("postgres"):
        yield request.getfixturevalue("stack")
        return
    with busy_stack(start_stack, SANDBOX_SECONDS="0") as stack:
        yield stack


def is_completed(api: httpx.Client, path: str) -> bool:
    return bool(api.get(path).json()["status"] == "completed")


def test_fifty_parallel_requests_with_three_credits_make_three_images(busy: Stack) -> None:
    email = "race@example.com"
    with busy.developer(email) as api, ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(
                lambda number: api.post("/v1/reve-image/generate", json={"prompt": f"race {number}", "async": True}),
                range(50),
            )
        )
        assert Counter(answer.status_code for answer in answers) == {202: 3, 402: 47}
        for answer in answers:
            if answer.status_code == 202:
                path = f"/v1/reve-image/status/{answer.json()['id']}"
                wait_until(partial(is_completed, api, path))
    assert busy.balance(email) == 0


def test_one_idempotency_key_sent_twenty_times_at_once_is_one_image(busy: Stack) -> None:
    email = "resend@example.com"
    with busy.developer(email) as api, ThreadPoolExecutor(20) as pool:
        body, headers = {"prompt": "once", "async": True}, {"Idempotency-Key": "once"}
        answers = list(pool.map(lambda _: api.post("/v1/reve-image/generate", json=body, headers=headers), range(20)))
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 19
    assert busy.balance(email) == 2
