"""Few connections and many who want one: everything gets done, and nobody is told that the database is locked."""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.installation import Stack, wait_until
from tests.stack.test_customer_life import Life
from tests.stack.test_first_image import form_token, sign_up

pytestmark = pytest.mark.stack

POSTGRES = os.environ.get("DATABASE_URL", "").startswith("postgres")
CLIENTS, PRESSERS = 32, 4


@pytest.mark.skipif(POSTGRES, reason="about SQLite")
def test_thirty_two_clients_find_no_locked_database_while_the_worker_writes(stack: Stack) -> None:
    """Calls that wait, calls that do not, looks at them, and presses in the studio, all at once."""

    async def call(api: httpx.AsyncClient, number: int) -> list[int]:
        codes = []
        for round in range(2):
            body = {"prompt": f"{number}, {round}", "async": number % 4 != 0}
            answer = await api.post("/v1/reve-image/generate", json=body)
            codes.append(answer.status_code)
            if answer.status_code == 202:
                codes.append((await api.get(f"/v1/reve-image/status/{answer.json()['id']}")).status_code)
        return codes

    async def press(browser: httpx.AsyncClient, token: str) -> list[int]:
        codes = []
        for _ in range(2):
            form = {"nonce": str(uuid4()), "prompt": "pressed", "aspect_ratio": "3:2", "csrfmiddlewaretoken": token}
            codes.append((await browser.post("/create/generate/", data=form)).status_code)
            codes.append((await browser.get("/gallery/")).status_code)
        return codes

    async def everybody(secret: str, cookies: httpx.Cookies, token: str) -> list[list[int]]:
        limits = httpx.Limits(max_connections=CLIENTS + PRESSERS)
        headers = {"Authorization": secret}
        async with (
            httpx.AsyncClient(base_url=stack.url, headers=headers, limits=limits, timeout=120) as api,
            httpx.AsyncClient(base_url=stack.url, cookies=cookies, timeout=120) as browser,
        ):
            calls = [call(api, number) for number in range(CLIENTS)]
            return await asyncio.gather(*calls, *(press(browser, token) for _ in range(PRESSERS)))

    with (
        stack.developer("thirty-two@example.com", credits=2 * CLIENTS) as api,
        contextlib.closing(sign_up(stack, "presses@example.com")) as browser,
    ):
        token = form_token(browser.get("/create/").text)
        answers = asyncio.run(everybody(api.headers["Authorization"], browser.cookies, token))
        codes = Counter(code for codes in answers for code in codes)
        assert set(codes) <= {200, 202, 302, 402, 429}, codes  # who presses has three credits
        assert codes[200] + codes[202] >= 2 * CLIENTS
        assert "locked" not in stack.logs()
        wait_until(lambda: stack.upstream()["jobs"] and stack.balance("thirty-two@example.com") == 3, 90)


@pytest.fixture
def narrow(start_stack: Callable[..., Stack]) -> Iterator[Stack]:
    """An installation on PostgreSQL and Redis with as few connections as there may be."""
    url = os.environ["DATABASE_URL"]
    name = f"reveweb_narrow_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        stack = start_stack(
            SANDBOX_SECONDS="0.2",
            SANDBOX_PICTURES="plain",
            DATABASE_URL=url.rpartition("/")[0] + f"/{name}",
            REDIS_URL=os.environ["REDIS_URL"],
            DATABASE_POOL_SIZE="2",
        )
        yield stack
        stack.stop()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


TELL = """
from accounts.models import User
from billing.outbox import mail
from billing.stripe import inbox
for number in range(40):
    mail.queue_to(f"{number}@example.com", "account_deleted")
    charge = {"id": "%s", "object": "charge"}
    inbox.store({"id": f"evt_made_{number}", "object": "event", "type": "charge.refunded", "data": {"object": charge}})
"""
LEFT = """
from billing.models import OutgoingMail, StripeEvent
from generator.models import Generation
print(
    OutgoingMail.objects.filter(sent_at=None).count(),
    StripeEvent.objects.filter(handled_at=None).count(),
    Generation.objects.exclude(status="completed").count(),
)
"""


@pytest.mark.services
@pytest.mark.skipif(not POSTGRES, reason="about PostgreSQL's pool")
def test_two_connections_are_enough_for_a_burst_of_all_kinds_of_work(narrow: Stack) -> None:
    with contextlib.closing(sign_up(narrow, "narrow@example.com")) as browser:
        life = Life(narrow, browser)
        life.buy("pack", "pack-50")
        charge = life.listed("charges")[0]["id"]
    with narrow.developer("burst@example.com", credits=200) as api:

        async def burst() -> list[int]:
            headers = {"Authorization": api.headers["Authorization"]}
            async with httpx.AsyncClient(base_url=narrow.url, headers=headers, timeout=120) as client:
                body = {"prompt": "a burst", "async": True}
                asked = (client.post("/v1/reve-image/generate", json=body) for _ in range(200))
                return [answer.status_code for answer in await asyncio.gather(*asked)]

        assert set(asyncio.run(burst())) == {202}
        narrow.manage("shell", "-c", TELL % charge)
        wait_until(lambda: narrow.manage("shell", "-c", LEFT).splitlines()[-1] == "0 0 0", 200)
    assert "no drift" in narrow.manage("audit_ledger")
