"""The one small interface behind which each upstream protocol is a module.

A dialect knows no row and no setting. It speaks HTTP only through its `transport.Transport`, maps all that an upstream
says onto `Job` and the tree in `errors`, and raises nothing else. One call is one image, also where a protocol could
give several: each settles, and goes elsewhere, alone.
"""

import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from generator.models import Operation
from generator.models import Picture as Picture  # dialects know it from here
from generator.upstreams.errors import Gone
from generator.upstreams.transport import Access, Transport

NO_JOB = "00000000-0000-0000-0000-000000000000"  # an id that no job has


@dataclass(frozen=True)
class Order:
    """What one image is asked for with, in our words; a dialect translates them.

    `size` and `quality` are "" where the model offers no choice, `model` is the upstream's own name for it, "" for its
    usual one. `inputs` are one picture for an edit, one to six for a remix; `mask` is white where an edit may change
    something. The same `seed` is to give the same picture. `key` is the same however often this order is sent, for
    protocols whose upstream honours that.
    """

    prompt: str
    operation: Operation = Operation.CREATE
    negative_prompt: str = ""
    aspect_ratio: str = "1:1"
    size: str = ""
    quality: str = ""
    model: str = ""
    inputs: tuple[Picture, ...] = ()
    mask: Picture | None = None
    seed: int | None = None
    key: str = ""


@dataclass(frozen=True)
class Cost:
    """What a job costs the operator: millionths of a unit of `currency` (ISO 4217; "": of the upstream's credits)."""

    micros: int
    currency: str = ""


@dataclass(frozen=True)
class Job:
    """What an upstream says of a job.

    `id` is "" where the protocol knows none: then it is completed at once. A completed one has a `url`, or its
    picture's `data`; an upstream that forgot both has neither. `message` says for people why one failed, "" where it
    gave no reason that is for them; `is_refused` tells that it was for the prompt's sake.
    """

    id: str
    state: Literal["pending", "completed", "failed"]
    url: str = ""
    model: str = ""
    message: str = ""
    data: bytes = field(default=b"", repr=False)
    is_refused: bool = False
    cost: Cost | None = None


@dataclass(frozen=True)
class Balance:
    """What is left of the operator's funds at an upstream, in units of `currency`; of its own credits: ""."""

    amount: float
    currency: str = ""


@dataclass(frozen=True)
class Capabilities:
    """What a protocol can do, whatever an upstream that speaks it makes of it."""

    operations: frozenset[Operation]
    is_synchronous: bool = False  # the answer to a submission is the picture
    takes_mask: bool = False
    takes_seed: bool = False
    can_cancel: bool = False
    tells_balance: bool = False
    honours_keys: bool = False  # an order that is sent twice under one key is taken once


class Dialect(ABC):
    """One upstream protocol, spoken to one upstream. Belongs to the event loop it is first used on."""

    can: ClassVar[Capabilities]

    def __init__(self, access: Access) -> None:
        self.http = Transport(access)

    @abstractmethod
    async def submit(self, order: Order) -> Job:
        """Ask for an image. Raises every UpstreamError; what is Gone is an address or model that is not there."""

    @abstractmethod
    async def poll(self, job_id: str) -> Job:
        """Ask how a job is doing. Raises every UpstreamError."""

    async def cancel(self, job_id: str) -> bool:
        """Ask to drop a job; whether it certainly will draw nothing and cost nothing. Raises every UpstreamError."""
        return False

    async def balance(self) -> Balance | None:
        """Ask what is left of the operator's funds; None where that is not told. Raises every UpstreamError."""
        return None

    async def greet(self) -> None:
        """Ask something that costs nothing: whether our key is taken. Raises every UpstreamError but Gone."""
        with contextlib.suppress(Gone):
            await self.poll(NO_JOB)

    async def download(self, url: str) -> bytes:
        """Fetch a picture of at most `IMAGE_MAX_BYTES`. Raises BadImage, ImageUnreachable."""
        return await self.http.download(url)

    async def aclose(self) -> None:
        """Close all connections."""
        await self.http.aclose()
