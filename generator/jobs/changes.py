"""What the engine has written of generations, many at a time: the words between `worker` and `lifecycle`."""

from dataclasses import dataclass

from generator.files.images import StoredImage
from generator.jobs.attempts import Ended
from generator.models import Generation
from generator.upstreams.dialect import Cost


@dataclass(frozen=True)
class Acceptance:
    """The upstream took `generation` and calls it `upstream_id`, "" where it gives no names.

    Look in `look_after` seconds. None: it is drawn already, and the worker that sent it goes on with it.
    """

    generation: Generation
    upstream_id: str
    look_after: float | None


@dataclass(frozen=True)
class Completion:
    """`generation` is drawn: `image` is what is stored, `model` what drew it, `cost` what that cost the operator."""

    generation: Generation
    image: StoredImage
    model: str
    cost: Cost | None = None


@dataclass(frozen=True)
class Useless:
    """An answer of the upstream's that was of no use, for staff: its HTTP status if it had one, and what may be told.

    `words` went through `upstreams.words`.
    """

    status: int | None
    words: str


@dataclass(frozen=True)
class Pause:
    """`generation` rests for `after` seconds, after an answer that was `useless`; `is_failed` counts it as one.

    `ended` is how its attempt ended, where it did.
    """

    generation: Generation
    after: float
    is_failed: bool = False
    useless: Useless | None = None
    ended: Ended | None = None


@dataclass(frozen=True)
class Move:
    """An upstream does not draw `generation`: another one may, not one of `tried`. Without any it rests, as in a Pause.

    `ended` is how its attempt ended.
    """

    generation: Generation
    ended: Ended
    tried: frozenset[int]
    after: float
    useless: Useless | None = None


@dataclass(frozen=True)
class Unstored:
    """`generation` was drawn by `model`, and storage does not take it; try again in `after` seconds."""

    generation: Generation
    model: str
    after: float
