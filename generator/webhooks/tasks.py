"""The courier runs in the worker that does what can wait for drawing (`work --rest`), and what is old goes by night."""

import logging
from datetime import time
from typing import Any

from celery import bootsteps, shared_task
from celery.signals import worker_init, worker_shutting_down

from generator.webhooks import courier, deliveries
from kit import nights
from kit.threads import one_at_a_time

log = logging.getLogger(__name__)

AT = time(4, 7)  # UTC


@shared_task
@one_at_a_time
def purge() -> None:
    """Send what was left held, and drop old deliveries tonight, unless another worker has."""
    deliveries.release()
    if not nights.claim("purge_webhooks", at=AT):
        return
    try:
        deliveries.purge()
    except Exception:
        nights.give_back("purge_webhooks", at=AT)
        log.exception("Old webhook deliveries could not be dropped tonight, it is tried again")


class CourierStep(bootsteps.StartStopStep):
    """Starts after the pool and the beat, as the engine does."""

    requires = ("celery.worker.components:Pool", "celery.worker.components:Beat")

    def start(self, parent: Any) -> None:
        courier.start()

    def stop(self, parent: Any) -> None:
        courier.stop()

    terminate = stop


@worker_init.connect
def add_courier(sender: Any, **_: Any) -> None:
    """Run the courier here if this worker takes messages of the queue `rest`."""
    if any(queue.routing_key == "rest" for queue in sender.app.amqp.queues.consume_from.values()):
        sender.app.steps["worker"].add(CourierStep)


@worker_shutting_down.connect
def close_courier(**_: Any) -> None:
    """Claim nothing more as soon as the process is told to end."""
    courier.close()
