"""When a webhook of Stripe's was last believed, and when one was last refused for its signature.

With another endpoint's secret every event is refused and nothing else happens: no payment is booked, and the only trace
is in the log. These two moments let the doctor tell (`kit.pulse`). They are noted aside, for whoever sends webhooks.
"""

import logging
import re

import redis

from kit import pulse
from kit.aside import Aside

log = logging.getLogger(__name__)

ACCEPTED, REFUSED = "stripe-accepted", "stripe-refused"
_STRIPES = re.compile(r"t=[0-9]{1,18},.*\bv1=[0-9a-f]{64}")


def accepted() -> None:
    """Note that a webhook was believed."""
    _aside.put(ACCEPTED)


def refused(signature: str) -> None:
    """Note that a webhook was refused whose `Stripe-Signature` looks like Stripe's; what scanners send does not."""
    if _STRIPES.match(signature[:1000]):
        _aside.put(REFUSED)


def flush(seconds: float = 1.0) -> bool:
    """Return once all is noted, or False after `seconds`."""
    return _aside.flush(seconds)


def _send(batch: list[str]) -> None:
    for name in dict.fromkeys(batch):
        try:
            pulse.beat(name)
        except redis.RedisError as error:
            log.debug("%s was not noted: %s", name, error)


_aside: Aside[str] = Aside("stripe-heard", _send, most=100)
