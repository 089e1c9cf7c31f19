"""RabbitMQ as the broker: it is cut off under load and comes back, and nobody notices more than a slower mail."""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests import rabbit
from tests.installation import Stack, wait_until

pytestmark = [pytest.mark.stack, rabbit.needed]

CUT_SECONDS = 10.0  # longer than Celery itself would need to find a broker again that was away for a moment
AT_ONCE = 50
SILENCE_SECONDS = 5.0  # what beats was heard lately, and not since before it was cut off

HEARD = "from kit import pulse, site; print(site.name(), *(f'{k}={v}' for k, v in pulse.heard().items()))"
UNSENT = "from billing.models import OutgoingMail; print(OutgoingMail.objects.filter(sent_at=None).count())"
TELL = "from billing.outbox import mail; mail.queue_to('somebody@example.com', 'account_deleted')"


def heard(stack: Stack) -> tuple[str, dict[str, float]]:
    """Return the installation's name, and how many seconds ago each of its processes was heard."""
    name, *pairs = stack.manage("shell", "-v", "0", "-c", HEARD).split()
    return name, {kind: float(ago) for kind, _, ago in (pair.partition("=") for pair in pairs)}


def all_are_heard(stack: Stack) -> bool:
    ago = heard(stack)[1]
    return all(ago.get(kind, 99) < SILENCE_SECONDS for kind in ("scheduler", "worker", "money", "rest"))


def test_images_and_mails_go_on_after_rabbitmq_was_away(start_stack: Callable[..., Stack]) -> None:
    """Twenty-five seconds, ten of them for RabbitMQ to be away: a worker that reconnects at once proves nothing."""
    with contextlib.ExitStack() as ending:
        way = ending.enter_context(rabbit.way())
        stack = start_stack(SANDBOX_SECONDS="0.2", SANDBOX_PICTURES="plain", CELERY_BROKER_URL=way.url)
        ending.callback(stack.discard)
        ending.callback(rabbit.forget, heard(stack)[0])
        api = ending.enter_context(stack.developer("rabbit@example.com", credits=500))
        wait_until(lambda: all_are_heard(stack), 100)

        def draw(_: int = 0) -> tuple[int, float]:
            began = time.monotonic()
            answer = api.post("/v1/reve-image/generate", json={"prompt": "a rabbit"})
            return answer.status_code, time.monotonic() - began

        assert draw()[0] == 200
        way.cut()
        until = time.monotonic() + CUT_SECONDS
        stack.manage("shell", "-v", "0", "-c", TELL)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            answers = list(threads.map(draw, range(AT_ONCE)))
        assert {code for code, _ in answers} == {200}
        assert max(seconds for _, seconds in answers) < CUT_SECONDS + 10  # as on any day, on a machine that is busy
        assert httpx.get(f"{stack.url}/healthz", timeout=60).status_code == 200
        time.sleep(max(0.0, until - time.monotonic()))
        way.mend()
        wait_until(lambda: all_are_heard(stack), 100)
        wait_until(lambda: stack.manage("shell", "-v", "0", "-c", UNSENT) == "0", 100)
        assert draw()[0] == 200
        way.stall()
        assert draw()[0] == 200
        way.mend()
