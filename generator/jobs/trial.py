"""The operator's test of one upstream: a cheap real call, and what came back, in words that may be shown.

It is no job: it has no row, costs nobody credits, and changes nothing of what routing thinks of the upstream. Nothing
of the database is held while it waits, and it ends within `SECONDS`.
"""

import asyncio
import base64
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from generator.errors import BadImage
from generator.files import images
from generator.models import Operation, Route, Upstream
from generator.upstreams import costs
from generator.upstreams.dialect import Balance, Dialect, Job, Order
from generator.upstreams.errors import UpstreamError
from generator.upstreams.registry import dialect_of
from kit.threads import let_go

SECONDS = 50.0  # for all of it; what draws longer is drawn there, and paid, without us looking
LOOK_EVERY = 1.0
PROMPT = "A small blue circle on white"


What = Literal["balance", "image"]


@dataclass(frozen=True)
class Preview:
    """A small picture: a data URL, and pixels."""

    src: str
    width: int
    height: int


@dataclass(frozen=True)
class Outcome:
    """How a test ended. `status` is the HTTP status of an error's answer."""

    good: bool
    words: str
    seconds: float
    status: int | None = None
    job: str = ""
    cost: str = ""
    picture: Preview | None = None


def cheapest(upstream: Upstream) -> Route | None:
    """Return the route by which a test draws: of those from words alone the one that costs least, unknown ones last."""
    routes = Route.objects.filter(upstream=upstream, operation=Operation.CREATE, is_active=True).select_related("model")
    return min(routes, key=lambda route: (route.cost_micros is None, route.cost_micros or 0, route.pk), default=None)


def cost_of(route: Route | None) -> str:
    """Say what a test by this route costs us."""
    if route is None:
        return "what a job costs there, which no route says"
    if route.cost_micros is None:
        return f"what a job of {route.their_name or route.model} costs there, which is not noted"
    return costs.worded(route.cost_micros, route.cost_currency)


def run(upstream: Upstream, what: What) -> Outcome:
    """Make the test and wait for how it ends; an error there is an outcome. Raises RuntimeError in a transaction."""
    route = cheapest(upstream)
    order = Order(
        prompt=PROMPT,
        aspect_ratio="1:1" if route is None or "1:1" in route.model.aspect_ratios else route.model.aspect_ratios[0],
        size=route.model.sizes[0] if route and route.model.sizes else "",
        quality=route.model.qualities[0] if route and route.model.qualities else "",
        model=route.their_name if route else "",
    )
    let_go()
    return asyncio.run(_tried(upstream, what, order))


async def _tried(upstream: Upstream, what: What, order: Order) -> Outcome:
    began = time.monotonic()

    def outcome(good: bool, words: str, **more: object) -> Outcome:
        return Outcome(good, words, round(time.monotonic() - began, 1), **more)  # type: ignore[arg-type]  # its fields

    seen = ""
    try:
        dialect = dialect_of(upstream)
    except UpstreamError as error:  # its key is not to be had
        return outcome(False, error.words)
    try:
        async with asyncio.timeout(SECONDS):
            if what == "balance":
                return outcome(True, _left(await dialect.balance()))
            job = await dialect.submit(order)
            seen = job.id
            while job.state == "pending":
                await asyncio.sleep(LOOK_EVERY)
                job = await dialect.poll(seen)
            told = {"job": seen, "cost": costs.worded(job.cost.micros, job.cost.currency) if job.cost else ""}
            if job.state == "failed":
                return outcome(False, job.message or "It could not draw, and gave no reason that can be shown.", **told)
            return outcome(True, "It drew this picture.", picture=await _shown(dialect, job), **told)
    except TimeoutError:
        told_ = "It took the job, and has not drawn it yet." if seen else "It did not answer."
        return outcome(False, f"{told_} The test waits {SECONDS:.0f} seconds.", job=seen)
    except UpstreamError as error:
        return outcome(False, error.words or "It gave no reason that can be shown.", status=error.status, job=seen)
    except BadImage:
        return outcome(False, "It drew, but what it gave is no picture that can be fetched and kept.", job=seen)
    finally:
        await dialect.aclose()


async def _shown(dialect: Dialect, job: Job) -> Preview:
    """Fetch the picture as a job's is, and return it small. Raises BadImage, UpstreamError."""
    data = job.data or (await dialect.download(job.url) if job.url else b"")
    if not data:
        raise BadImage("no picture")
    return await asyncio.to_thread(_small, data)


def _small(data: bytes) -> Preview:
    image = images.verify(data)
    side, small = min(images.thumbnails(data).items())
    scale = min(1.0, side / max(image.width, image.height))
    src = f"data:image/webp;base64,{base64.b64encode(small).decode()}"
    return Preview(src, max(1, round(image.width * scale)), max(1, round(image.height * scale)))


def _left(balance: Balance | None) -> str:
    if balance is None:
        return "It does not tell its balance."
    micros = int((Decimal(str(balance.amount)) * 1_000_000).to_integral_value())
    return f"It answers, and takes our key. Left there: {costs.worded(micros, balance.currency)}."
