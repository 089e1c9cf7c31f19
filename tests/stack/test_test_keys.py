"""Test keys beside live ones on a whole installation: fifty calls of each at once, and a worker that dies meanwhile."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import httpx
import psycopg
import pytest
from PIL import Image

from tests.installation import Stack, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.services]

EMAIL = "fifty@example.com"


@pytest.fixture(scope="module")
def site(start_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """An installation whose worker may die: on SQLite, and in the second pass on PostgreSQL and Redis."""
    mine = {"SANDBOX_SECONDS": "0.5", "SANDBOX_PICTURES": "plain", "CLAIM_SECONDS": "3"}
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgres"):
        yield start_stack(**mine)
        return
    name = f"reveweb_tests_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        database = url.rpartition("/")[0] + f"/{name}"
        stack = start_stack(DATABASE_URL=database, REDIS_URL=os.environ["REDIS_URL"], **mine)
        yield stack
        stack.stop()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_fifty_of_each_at_once_while_a_worker_dies(site: Stack) -> None:
    with site.developer(EMAIL, credits=100) as live, ThreadPoolExecutor(100) as pool:
        key = site.manage("create_api_key", EMAIL, "--test", "--rate-limit", "1000")
        with httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {key}"}, timeout=120) as test:
            began = site.balance(EMAIL)

            def call(number: int) -> tuple[httpx.Client, str]:
                client, kind = (live, "live") if number % 2 else (test, "test")
                body = {"prompt": f"{kind} {number}", "async": number % 4 > 1}
                answer = client.post(
                    "/v1/reve-image/generate", json=body, headers={"Idempotency-Key": str(number // 2)}
                )
                assert answer.status_code in (200, 202, 502), answer.text
                return client, answer.json()["id"]

            calls = [pool.submit(call, number) for number in range(100)]
            time.sleep(0.4)
            site.kill("manage.py work")
            asked = [one.result() for one in calls]

            def ends() -> list[dict[str, Any]] | None:
                looks = [client.get(f"/v1/reve-image/status/{id}").json() for client, id in asked]
                return None if any(look["status"] == "pending" for look in looks) else looks

            looks = wait_until(ends, 180)
            tested = [look for look in looks if look.get("test")]
            assert Counter(look["status"] for look in tested) == {"completed": 50}
            assert {look["credits"] for look in tested} == {0}
            paid = [look for look in looks if "test" not in look]
            made = Counter(look["status"] for look in paid)["completed"]
            assert len(paid) == 50
            assert site.balance(EMAIL) == began - made
            assert "no drift" in site.manage("audit_ledger")
            assert not [job for job in site.jobs() if job["prompt"].startswith("test")]
            picture = Image.open(BytesIO(httpx.get(tested[0]["url"], timeout=60).content))
            assert picture.size == (tested[0]["metadata"]["width"], tested[0]["metadata"]["height"])


def test_a_thousand_samples_are_in_nobodys_way(site: Stack) -> None:
    """Of ten accounts, for one may have a hundred on their way."""
    make = """
from django.utils import timezone
from datetime import timedelta
from accounts.models import User
from billing import ledger
from generator.models import Generation
for number in range(10):
    user = User.objects.create_user(f"tester{number}@example.com")
    wallet = ledger.wallet_of(user.pk)
    Generation.objects.bulk_create(
        Generation(wallet=wallet, prompt=f"sample {n}", aspect_ratio="1:1", is_test=True, credits=0,
                   deadline_at=timezone.now() + timedelta(minutes=10)) for n in range(100))
"""
    left = """
from django.db.models import Q
from generator.models import Generation
paid = Generation.objects.get(prompt="paid")
later = Q(finished_at=None) | Q(finished_at__gt=paid.finished_at)
print(Generation.objects.filter(later, is_test=True).count())
"""
    with site.developer("payer@example.com") as live:
        began = time.monotonic()
        assert live.post("/v1/reve-image/generate", json={"prompt": "alone"}).status_code == 200
        alone = time.monotonic() - began
        site.manage("shell", "-v", "0", "-c", make)
        began = time.monotonic()
        assert live.post("/v1/reve-image/generate", json={"prompt": "paid"}).status_code == 200
        took = time.monotonic() - began
    assert int(site.manage("shell", "-v", "0", "-c", left)) > 300
    assert took < 5 * alone + 5, f"{took:.2f} s, {alone:.2f} s alone"
