"""Thousands of messages to receivers of which half fail, while the process that sends them is killed now and then.

`python -m tests.webhooks.storm send` is that process: a courier with short steps, on the database that the environment
names.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import django

if __name__ == "__main__":
    django.setup()

from generator.models import Generation, WebhookDelivery
from generator.webhooks import deliveries
from generator.webhooks.courier import Courier
from generator.webhooks.retries import Retries
from tests.webhooks.receivers import Call, Receivers

# How each tenth of the messages fares. Half of them fail at first, or for good.
KINDS = ("ok", "ok", "ok", "ok", "slow", "first3", "flaky", "redirect", "busy", "gone")
TAKEN_IN_THE_END = {"ok", "slow", "first3", "flaky", "busy"}
FAILURES = {"first3": 3, "flaky": 3, "busy": 1}  # before each is taken
STEPS = (timedelta(milliseconds=200),) * 6
SECONDS = float(os.environ.get("STORM_SECONDS", "2"))  # that a receiver has


@dataclass
class Count:
    """What the receivers' record says against the rows."""

    delivered: int = 0
    failed: int = 0
    calls: int = 0
    lost: list[str] = field(default_factory=list)  # neither taken nor given up after all its tries
    unfounded: list[str] = field(default_factory=list)  # a row says delivered, and no receiver took it
    after_success: list[str] = field(default_factory=list)  # sent again though the row knew that it was taken
    repeated: int = 0  # taken, and sent again because the process was killed before it could write that down
    unheard: int = 0  # taken, and sent again because the answer came too late for the sender
    kinds: Counter[str] = field(default_factory=Counter)


def count(receivers: Receivers, killed_at: list[float]) -> Count:
    """Hold every row against every call. `killed_at` are the moments when a process was killed."""
    by_id: dict[str, list[Call]] = {}
    for call in receivers.calls:
        by_id.setdefault(call.id, []).append(call)
    result = Count(calls=len(receivers.calls))
    for row in WebhookDelivery.objects.all():
        calls = by_id.get(row.public_id, [])
        kind = row.url.split("/")[3]
        result.kinds[f"{kind}: {row.state}"] += 1
        taken = [call for call in calls if 200 <= call.answered < 300]
        if row.state == WebhookDelivery.State.DELIVERED:
            result.delivered += 1
            if not taken:
                result.unfounded.append(row.public_id)
        elif row.state == WebhookDelivery.State.FAILED:
            result.failed += 1
            if kind in TAKEN_IN_THE_END or not calls:
                result.lost.append(f"{kind} {row.attempts} {row.failures} {row.last_error}")
        else:
            result.lost.append(row.public_id)
        if not taken:
            continue
        late = row.failures - FAILURES.get(kind, 0)  # tries whose answer the sender did not hear in time
        for call in calls:
            if row.ended_at and call.at > row.ended_at.timestamp():
                result.after_success.append(row.public_id)
            elif call.at > taken[0].at:
                # The process was killed since it sent the first, which the receiver may have read after the kill; or it
                # did not hear the answer in time. Else it would have written down that it was taken.
                sent_at = int(taken[0].headers["webhook-timestamp"])
                if any(sent_at <= moment <= call.at for moment in killed_at):
                    result.repeated += 1
                elif late > 0:
                    late -= 1
                    result.unheard += 1
                else:
                    result.after_success.append(row.public_id)
    return result


def put_down(receivers: Receivers, generations: list[Generation]) -> None:
    """Have each of these told at an address of its kind, as `announcements` puts it down."""
    rows = []
    for number, generation in enumerate(generations):
        kind = KINDS[number % len(KINDS)]
        # Each kind has a host of its own, as different receivers have.
        host = f"127.0.0.{2 + number % len(KINDS)}"
        rows.append(
            WebhookDelivery(
                wallet_id=generation.wallet_id,
                generation=generation,
                event="image.completed",
                url=receivers.url(f"/{kind}/", host=host),
                host=host,
                lane=f"{generation.wallet_id}:{host}",
            )
        )
    WebhookDelivery.objects.bulk_create(rows, batch_size=500)


def send() -> None:
    """Send until told to stop."""
    deliveries.LEASE = timedelta(seconds=SECONDS + 4)

    async def run() -> None:
        courier = Courier(Retries(steps=STEPS, patience=timedelta(minutes=30)), seconds=SECONDS)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, courier.close)
        await courier.run()

    asyncio.run(run())


if __name__ == "__main__" and sys.argv[1:] == ["send"]:
    send()
