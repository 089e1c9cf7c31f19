"""What an API call costs, as ratios of one run: `.venv/bin/python -m benchmarks.api` (about half a minute).

Starts an installation of its own and asks it over loopback: the health check is the unit, a status look-up and an
admission are given as multiples of its time. Ratios compare between machines and days; absolute figures do not.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.installation import Stack

CLIENTS = 16
CALLS = 400
ROUNDS = 3


def seconds_per_call(call: Callable[[], httpx.Response]) -> float:
    """Return the mean seconds of one call while `CLIENTS` call at once."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        began = time.perf_counter()
        codes = {answer.status_code for answer in pool.map(lambda _: call(), range(CALLS))}
        elapsed = time.perf_counter() - began
    if not codes <= {200, 202}:
        sys.exit(f"unexpected answers: {codes}")
    return elapsed / CALLS


def memory(stack: Stack) -> float:
    """Return the MiB that the installation's processes hold, shared pages counted once."""
    total = 0
    for pid in [stack.process.pid, *stack.pids("")]:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        # The sandbox never finishes, so that drawing takes no part in what is measured.
        stack = Stack(Path(folder), SANDBOX_SECONDS="0", SANDBOX_FAIL="never", STATUS_RATE_LIMIT_PER_MINUTE="1000000")
        started = stack.start()
        try:
            time.sleep(3)
            idle = memory(stack)
            credits = CALLS * ROUNDS + 10
            with stack.developer("bench@example.com", credits=credits, rate_limit=100_000) as api:
                body = {"prompt": "a bench", "async": True}
                first = api.post("/v1/reve-image/generate", json=body).json()["id"]
                calls: dict[str, Callable[[], httpx.Response]] = {
                    "health check": lambda: api.get("/healthz"),
                    "status look-up": lambda: api.get(f"/v1/reve-image/status/{first}"),
                    "admission": lambda: api.post("/v1/reve-image/generate", json=body),
                }
                rounds = [{name: seconds_per_call(call) for name, call in calls.items()} for _ in range(ROUNDS)]
        finally:
            stack.stop()
    print(f"ready after {started:.1f} s (first start, with an empty database); idle {idle:.0f} MiB")
    unit = "health check"
    for name in calls:
        ratio = statistics.median(each[name] / each[unit] for each in rounds)
        rate = statistics.median(1 / each[name] for each in rounds)
        print(f"{name:<16} {ratio:6.1f} x a {unit} ({rate:6.0f} a second here)")


if __name__ == "__main__":
    main()
