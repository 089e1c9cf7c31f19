"""Which module speaks which protocol, and one dialect for each upstream that is in use.

A dialect belongs to an event loop, so each engine has its own `Dialects`. When an upstream's row changes, or the
environment that it goes by, the next job meets a new dialect; the old one ends its connections with its last job.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from django.conf import settings

from generator.models import Upstream
from generator.upstreams import secret
from generator.upstreams.dialect import Dialect
from generator.upstreams.fal_queue import FalQueue
from generator.upstreams.openai_images import OpenAIImages
from generator.upstreams.replicate_predictions import ReplicatePredictions
from generator.upstreams.reve_art import ReveArt
from generator.upstreams.transport import Access

log = logging.getLogger(__name__)

DIALECTS: dict[str, type[Dialect]] = {
    Upstream.Dialect.REVE_ART: ReveArt,
    Upstream.Dialect.OPENAI_IMAGES: OpenAIImages,
    Upstream.Dialect.FAL_QUEUE: FalQueue,
    Upstream.Dialect.REPLICATE_PREDICTIONS: ReplicatePredictions,
}


def dialect_of(upstream: Upstream) -> Dialect:
    """Return a dialect that speaks to `upstream`; whoever asks closes it.

    Raises OperatorTrouble where its key is not to be had.
    """
    access = Access(address_of(upstream), secret.reveal(upstream.secret), upstream.timeout_seconds)
    return DIALECTS[upstream.dialect](access)


def address_of(upstream: Upstream) -> str:
    """Return where an upstream is."""
    return upstream.base_url or str(settings.REVE_API_URL)


@dataclass
class _Kept:
    dialect: Dialect
    made_from: tuple[object, ...]
    jobs: int = 0
    is_old: bool = False


class Dialects:
    """One engine's dialects. `make` is how one is made."""

    def __init__(self, make: Callable[[Upstream], Dialect] = dialect_of) -> None:
        self._make = make
        self._kept: dict[int, _Kept] = {}
        self._old: list[_Kept] = []

    @contextlib.asynccontextmanager
    async def of(self, upstream: Upstream) -> AsyncIterator[Dialect]:
        """Lend the dialect of `upstream` as it is now. Raises OperatorTrouble where its key is not to be had."""
        kept = self._current(upstream)
        kept.jobs += 1
        try:
            yield kept.dialect
        finally:
            kept.jobs -= 1
            if kept.is_old and not kept.jobs:
                self._old.remove(kept)
                await kept.dialect.aclose()

    async def close_old(self) -> None:
        """Close what is of no use any more and has no job in hand."""
        for kept in [kept for kept in self._old if not kept.jobs]:
            self._old.remove(kept)
            await kept.dialect.aclose()

    async def aclose(self) -> None:
        """Close all of them."""
        every, self._kept, self._old = [*self._kept.values(), *self._old], {}, []
        for kept in every:
            kept.is_old = False
            await kept.dialect.aclose()

    def _current(self, upstream: Upstream) -> _Kept:
        made_from = _made_from(upstream)
        kept = self._kept.get(upstream.pk)
        if kept is None or kept.made_from != made_from:
            fresh = _Kept(self._make(upstream), made_from)
            if kept is not None:
                log.info("%s is reached in another way from now on", upstream.slug)
                kept.is_old = True
                self._old.append(kept)
            self._kept[upstream.pk] = kept = fresh
        return kept


def _made_from(upstream: Upstream) -> tuple[object, ...]:
    return (
        upstream.dialect,
        address_of(upstream),
        upstream.secret or settings.UPSTREAM_API_KEY,
        upstream.timeout_seconds,
    )


def takes_seed(dialect: str) -> bool:
    """Tell whether upstreams that speak this protocol can be told a seed."""
    known = DIALECTS.get(dialect)
    return known is not None and known.can.takes_seed
