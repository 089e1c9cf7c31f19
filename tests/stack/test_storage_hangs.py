"""A web process whose object storage hangs: who asks for pictures is told to come again, and nobody else notices."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.bucket import Trouble, running
from tests.installation import Stack
from tests.stack.test_web import Web

pytestmark = pytest.mark.stack

PICTURE = "/images/0123456789abcdefABCDEF0123456789.png"
NEIGHBOUR_SECONDS = 5.0  # that an answer may take on a busy machine; the storage is silent for longer


def test_fifty_reads_that_hang_hold_up_no_neighbour(stack: Stack) -> None:
    alice = stack.developer("hanging@example.com")
    with running() as bucket:
        bucket.trouble = Trouble.HANGS
        web = Web(stack, **bucket.environment(), S3_READ_SECONDS="6", STORAGE_SECONDS="8")
        web.start()
        try:
            with ThreadPoolExecutor(50) as readers:
                reads = [readers.submit(httpx.get, web.url + PICTURE, timeout=60) for _ in range(50)]
                while not bucket.hanging:
                    time.sleep(0.01)
                for path, status in {"/healthz": 200, "/v1/reve-image/status/img_x": 404, "/pricing/": 200}.items():
                    began = time.monotonic()
                    answer = httpx.get(web.url + path, headers=dict(alice.headers), timeout=30)
                    assert (answer.status_code, time.monotonic() - began < NEIGHBOUR_SECONDS) == (status, True)
                assert bucket.hanging  # they did so while it hung
                answers = [read.result() for read in reads]
            assert {answer.status_code for answer in answers} == {503}
            assert all(answer.headers["Retry-After"] for answer in answers)
        finally:
            web.stop()
