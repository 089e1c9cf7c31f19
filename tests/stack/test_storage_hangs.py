"""Object storage that hangs or refuses: nobody waits for it, and what is drawn meanwhile outlives a killed worker."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.bucket import Trouble, running
from tests.installation import Stack, wait_until
from tests.stack.test_web import Web

pytestmark = pytest.mark.stack

PICTURE = "/images/0123456789abcdefABCDEF0123456789.png"


def test_fifty_reads_that_hang_hold_up_no_neighbour(stack: Stack) -> None:
    alice = stack.developer("hanging@example.com")
    with running() as bucket:
        bucket.trouble = Trouble.HANGS
        web = Web(stack, **bucket.environment(), S3_READ_SECONDS="40", STORAGE_SECONDS="8")
        web.start()
        try:
            assert (
                httpx.get(web.url + "/pricing/", timeout=60).status_code == 200
            )  # the first page of a process is slow
            with ThreadPoolExecutor(50) as readers:
                reads = [readers.submit(httpx.get, web.url + PICTURE, timeout=120) for _ in range(50)]
                while not bucket.hanging:
                    time.sleep(0.01)
                for path, status in {"/healthz": 200, "/v1/reve-image/status/img_x": 404, "/pricing/": 200}.items():
                    assert httpx.get(web.url + path, headers=dict(alice.headers), timeout=60).status_code == status
                    assert bucket.hanging  # while these wait
                answers = [read.result() for read in reads]
            assert {answer.status_code for answer in answers} == {503}
            assert all(answer.headers["Retry-After"] for answer in answers)
        finally:
            bucket.trouble = None
            web.stop()


def test_what_storage_refuses_outlives_a_killed_worker_and_is_charged_once(start_stack: Callable[..., Stack]) -> None:
    with running() as bucket:
        bucket.trouble = Trouble.NO_BUCKET
        site = start_stack(
            **bucket.environment(), SANDBOX_SECONDS="0.1", SANDBOX_PICTURES="plain", SYNC_WAIT_SECONDS="2"
        )
        with site.developer("waits@example.com") as alice:
            answer = alice.post("/v1/reve-image/generate", json={"prompt": "a lighthouse"})
            assert answer.status_code == 202
            kept = wait_until(lambda: [*(site.folder / "unstored").glob("*")])
            site.kill("manage.py work")
            bucket.trouble = None
            status = f"/v1/reve-image/status/{answer.json()['id']}"
            wait_until(lambda: alice.get(status).json()["status"] == "completed", 90)
            url = alice.get(status).json()["url"]
            assert alice.get(url).content == bucket.objects[f"images/{kept[0].name[:2]}/{url.rpartition('/')[2]}"]
        assert len(site.jobs()) == 1
        assert site.balance("waits@example.com") == 2
        assert site.manage("audit_ledger")
        wait_until(lambda: not [*(site.folder / "unstored").glob("*")], 90)
        site.discard()
