"""PostgreSQL is restarted while people are at it: nobody gets a 500, and nothing is done twice."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from accounts import keys
from accounts.models import User
from billing.models import Plan, Wallet
from generator.models import Generation
from tests.kit.test_postgresql import end_connections
from tests.processes import web

POSTGRES = os.environ.get("DATABASE_URL", "").startswith("postgres")
pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(not POSTGRES, reason="about PostgreSQL"),
    pytest.mark.django_db(transaction=True),
]
AT_ONCE, RESTARTS = 6, 8
PATIENCE_SECONDS = 10.0  # until the next restart, where answers come slowly


def test_connections_that_end_in_mid_load_give_nobody_a_500(
    client: Client, alice: User, wallet: Wallet, give: Callable[[int], None], tmp_path: Path
) -> None:
    """Calls and pages from several at once; about five seconds, nearly all of it the web process's start."""
    give(10_000)
    plan = Plan.objects.create(slug="p", name="P", credits=10, price=0, interval="", max_in_flight=100_000)
    Wallet.objects.filter(pk=wallet.pk).update(rate_limit=100_000, plan=plan)
    _, secret = keys.mint(user=alice, name="test")
    client.force_login(alice)
    name = str(connection.settings_dict["NAME"])
    cookies = {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}
    connection.close()
    asked: set[str] = set()
    answers: list[int] = []
    is_over = threading.Event()

    def load(url: str) -> None:
        with httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {secret}"}, cookies=cookies, timeout=30
        ) as client:
            while not is_over.is_set():
                key = str(uuid4())
                asked.add(key)
                body = {"prompt": "x", "async": True}
                while True:
                    answer = client.post("/v1/reve-image/generate", json=body, headers={"Idempotency-Key": key})
                    answers.append(answer.status_code)
                    if answer.status_code != 503:
                        break
                    assert int(answer.headers["Retry-After"]) > 0
                    assert answer.json()["error"]["code"] == "unavailable"
                    time.sleep(0.05)
                page = client.get("/gallery/")
                answers.append(page.status_code)
                assert page.status_code != 503 or int(page.headers["Retry-After"]) > 0

    with web(tmp_path) as url, ThreadPoolExecutor(AT_ONCE) as threads:
        loads = [threads.submit(load, url) for _ in range(AT_ONCE)]
        for restart in range(1, RESTARTS + 1):
            end = time.monotonic() + PATIENCE_SECONDS
            while len(answers) < restart * 2 * AT_ONCE and time.monotonic() < end:
                time.sleep(0.01)
            end_connections(name)
        is_over.set()
        for each in loads:
            each.result()
        assert httpx.get(f"{url}/gallery/", cookies=cookies, timeout=30).status_code == 200
    seen = Counter(answers)
    assert set(seen) <= {200, 202, 503}, (seen, (tmp_path / "serve.log").read_text()[-3000:])
    assert seen[202] == len(asked) == Generation.objects.count()
