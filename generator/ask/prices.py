"""What can be asked for and what it costs, in credits: models on offer and their prices, a second old at most.

What somebody pays is read here once, at admission, and kept with each generation: no later price changes it.
"""

import json
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

from django.utils import timezone

from generator.ask import pausing, rules
from generator.errors import ModelNotAllowed, NotOffered, UpstreamPaused
from generator.models import ASPECT_RATIOS, DEFAULT_MODEL, ImageModel, Operation, Pause, Price, Route
from generator.upstreams.registry import takes_seed
from kit.text import counted
from kit.threads import in_thread

CACHE_SECONDS = 1.0
UNPRICED = 1  # credits: what an image costs that no row tells a price for

_DOES = {
    Operation.CREATE: "draw from words alone",
    Operation.EDIT: "edit pictures",
    Operation.REMIX: "draw from reference pictures",
}


class Wanted(Protocol):
    """What a price depends on, and whether it may be asked for.

    No model: the first on offer that does it; size and quality "": the model's first.
    """

    @property
    def prompt(self) -> str: ...
    @property
    def negative_prompt(self) -> str: ...
    @property
    def operation(self) -> Operation: ...
    @property
    def model(self) -> ImageModel | None: ...
    @property
    def aspect_ratio(self) -> str: ...
    @property
    def size(self) -> str: ...
    @property
    def quality(self) -> str: ...
    @property
    def seed(self) -> int | None: ...


@dataclass(frozen=True)
class Quote:
    """What one image of a request is made with, in full, and its price in credits."""

    model: ImageModel
    size: str
    quality: str
    credits: int


@dataclass(frozen=True)
class Catalogue:
    """The models that people may choose, what each has a route for, the prices and the pauses, as of one moment."""

    at: float
    active: tuple[ImageModel, ...]
    routes: frozenset[tuple[int, str]]
    seedless: frozenset[tuple[int, str]]  # of those, what some upstream cannot be told a seed for
    prices: dict[tuple[int, str, str, str], int]
    pauses: tuple[Pause, ...] = ()
    prompt_rules: rules.Rules = rules.NONE

    @cached_property
    def offered(self) -> tuple[ImageModel, ...]:
        """Those that have a route, in their order."""
        return tuple(model for model in self.active if self.operations_of(model))

    @cached_property
    def spread(self) -> tuple[int, int]:
        """The lowest and the highest price of an image, of all that is offered."""
        prices = [
            self.price_of(model, operation, size, quality)
            for model in self.offered
            for operation in self.operations_of(model)
            for size in model.sizes or [""]
            for quality in model.qualities or [""]
        ]
        return (min(prices), max(prices)) if prices else (UNPRICED, UNPRICED)

    def operations_of(self, model: ImageModel) -> tuple[Operation, ...]:
        """What a model is offered for, as far as there is a route."""
        return tuple(one for one in Operation if one in model.operations and (model.pk, one.value) in self.routes)

    def takes_seed(self, model: ImageModel, operation: Operation) -> bool:
        """Whether the same seed draws the same image again, whichever upstream draws it."""
        return model.has_seed and (model.pk, operation.value) not in self.seedless

    def price_of(self, model: ImageModel, operation: Operation, size: str, quality: str) -> int:
        """The newest price for exactly this, or else for what it is one of."""
        size, quality = size or _first(model.sizes), quality or _first(model.qualities)
        for one in ((size, quality), (size, ""), ("", quality), ("", "")):
            if (credits := self.prices.get((model.pk, operation.value, *one))) is not None:
                return credits
        return UNPRICED


def offered() -> tuple[ImageModel, ...]:
    """Return the models that people may choose, in their order: the first is what is used unasked."""
    return current().offered


def operations_of(model: ImageModel) -> tuple[Operation, ...]:
    """Return what `model` is offered for."""
    return current().operations_of(model)


def doable() -> frozenset[str]:
    """Return what some model on offer does."""
    catalogue = current()
    return frozenset(one.value for model in catalogue.offered for one in catalogue.operations_of(model))


def model_called(slug: str) -> ImageModel | None:
    """Return the active model that the API calls `slug`, also one that no route leads to just now."""
    return next((model for model in current().active if model.slug == slug), None)


async def slug_soon(pk: int | None) -> str:
    """Return the slug of a generation's model, on an event loop; that of the first model of all for one without."""
    if pk is None:
        return DEFAULT_MODEL
    catalogue = _fresh()
    if catalogue is None:
        catalogue = await in_thread(current)
    known = next((model.slug for model in catalogue.active if model.pk == pk), "")
    return known or await in_thread(lambda: ImageModel.objects.values_list("slug", flat=True).get(pk=pk))


async def named_soon(slug: str) -> ImageModel | None:
    """Return the active model of that name, on an event loop; None for no name. Raises NotOffered."""
    if not slug:
        return None
    model = await in_thread(partial(model_called, slug))
    if model is None:
        raise NotOffered("model", "there is none of that name; GET /v1/models lists them")
    return model


def ratios_of(model: ImageModel | None, operation: Operation, only: Sequence[str] = ()) -> list[str]:
    """Return the shapes that a model draws, or the first one on offer for that, of those in `only` if any are."""
    if model is None:
        model = _first_able(current(), operation, only)
    return list(model.aspect_ratios) if model and model.aspect_ratios else list(ASPECT_RATIOS)


def price_of(model: ImageModel, operation: Operation, size: str = "", quality: str = "") -> int:
    """Return the credits that one image costs now. Size and quality "": those that are used unasked."""
    return current().price_of(model, operation, size, quality)


def quote(wanted: Wanted, only: Sequence[str] = ()) -> Quote:
    """Return what an image is made with, and what it costs now; `only` names the models that may be used, if not all.

    Raises NotOffered, ModelNotAllowed, PromptNotAllowed, IntakePaused, and UpstreamPaused where nothing is offered.
    """
    return _quoted(current(), wanted, only)


async def quote_soon(wanted: Wanted, only: Sequence[str] = ()) -> Quote:
    """Do as `quote`, on an event loop."""
    catalogue = _at_hand()
    if catalogue is None:
        catalogue = await in_thread(current)
    return _quoted(catalogue, wanted, only)


def unasked(
    operation: Operation = Operation.CREATE, size: str = "", quality: str = "", only: Sequence[str] = ()
) -> int:
    """Return what an image costs with the model that is used unasked, the first of those in `only` if any are."""
    model = _first_able(current(), operation, only)
    return price_of(model, operation, size, quality) if model else UNPRICED


def an_image_costs() -> str:
    """Return the price of an image in words, of all that is offered: "1 credit", or "from 1 credit"."""
    least, most = current().spread
    return ("" if least == most else "from ") + counted(least, "credit")


def lowest() -> int:
    """Return the credits that the cheapest image on offer costs."""
    return current().spread[0]


def is_the_same() -> bool:
    """Whether all images on offer cost the same."""
    least, most = current().spread
    return least == most


def is_one() -> bool:
    """Whether a credit is an image: everything on offer costs 1."""
    return current().spread == (1, 1)


def prices_json(models: Iterable[ImageModel] | None = None) -> str:
    """Return the prices as a page's script reads them: {model: {operation: {"size|quality": credits}}}.

    Every choice that a model offers has an entry; "" stands for what is used unasked.
    """
    catalogue = current()
    return json.dumps(
        {
            model.slug: {
                operation.value: {
                    f"{size}|{quality}": catalogue.price_of(model, operation, size, quality)
                    for size in ["", *model.sizes]
                    for quality in ["", *model.qualities]
                }
                for operation in catalogue.operations_of(model)
            }
            for model in (catalogue.offered if models is None else models)
        }
    )


@dataclass(frozen=True)
class Listed:
    """A price as it stands in a list: of a model, for what it is asked to do, in which size and quality."""

    model: ImageModel
    operation: Operation
    size: str
    quality: str
    credits: int


def listed() -> list[Listed]:
    """Return the price of every choice that is on offer."""
    catalogue = current()
    return [
        Listed(model, operation, size, quality, catalogue.price_of(model, operation, size, quality))
        for model in catalogue.offered
        for operation in catalogue.operations_of(model)
        for size in model.sizes or [""]
        for quality in model.qualities or [""]
    ]


_seen: Catalogue | None = None
_reading = threading.Lock()


def current() -> Catalogue:
    """Return what is offered, as it was a second ago at most, and as long as it takes to be read again."""
    global _seen
    if known := _at_hand():
        return known
    with _reading:
        _seen = known = _fresh() or _read()
        return known


def forget() -> None:
    """Have the next question ask the database."""
    global _seen
    _seen = None


def _at_hand() -> Catalogue | None:
    """Return what was seen if it is fresh, or somebody else is just reading anew: of all that come then, one does."""
    return _fresh() or (_seen if _reading.locked() else None)


def _fresh() -> Catalogue | None:
    return _seen if _seen is not None and time.monotonic() - _seen.at <= CACHE_SECONDS else None


def _read() -> Catalogue:
    at = time.monotonic()  # before the reading: what changes during it is seen a second later
    begun = Price.objects.filter(since__lte=timezone.now()).order_by("since", "pk")
    rows = begun.values_list("model", "operation", "size", "quality", "credits")
    routes = list(Route.objects.filter(is_active=True).values_list("model", "operation", "upstream__dialect"))
    return Catalogue(
        at=at,
        active=tuple(ImageModel.objects.filter(is_active=True)),
        routes=frozenset((model, operation) for model, operation, _ in routes),
        seedless=frozenset((model, operation) for model, operation, dialect in routes if not takes_seed(dialect)),
        # The later one of two for the same takes the other's place.
        prices={(model, operation, size, quality): credits for model, operation, size, quality, credits in rows},
        pauses=pausing.all_set(),
        prompt_rules=rules.read(_seen.prompt_rules if _seen else rules.NONE),
    )


def _quoted(catalogue: Catalogue, wanted: Wanted, only: Sequence[str]) -> Quote:
    model = _model_for(catalogue, wanted, only)
    size, quality = wanted.size or _first(model.sizes), wanted.quality or _first(model.qualities)
    for param, value, choices in (
        ("aspect_ratio", wanted.aspect_ratio, model.aspect_ratios),
        ("size", size, model.sizes or [""]),
        ("quality", quality, model.qualities or [""]),
    ):
        if value not in choices:
            raise NotOffered(param, _choose(model, choices))
    if wanted.seed is not None and not catalogue.takes_seed(model, wanted.operation):
        raise NotOffered("seed", f"{model.slug} takes none; leave it out")
    pausing.check(catalogue.pauses, model)
    rules.check(catalogue.prompt_rules, wanted.prompt, wanted.negative_prompt, model)
    return Quote(model, size, quality, catalogue.price_of(model, wanted.operation, size, quality))


def _model_for(catalogue: Catalogue, wanted: Wanted, only: Sequence[str]) -> ImageModel:
    does = _DOES[wanted.operation]
    if only and wanted.model is not None and wanted.model.slug not in only:
        raise ModelNotAllowed("model", f"this API key may not use {wanted.model.slug}, only {', '.join(only)}")
    if wanted.model is None:
        if not catalogue.offered:
            raise UpstreamPaused
        if _first_able(catalogue, wanted.operation) is None:
            raise NotOffered("model", f"there is none that can {does}")
        model = _first_able(catalogue, wanted.operation, only)
        if model is None:
            raise ModelNotAllowed("model", f"this API key may use {', '.join(only)} only, which cannot {does}")
        return model
    model = next((one for one in catalogue.active if one.pk == wanted.model.pk), None)
    if model is None:
        raise NotOffered("model", f"{wanted.model.slug} is not offered any more")
    if wanted.operation not in catalogue.operations_of(model):
        raise NotOffered("model", f"{model.slug} does not {does}")
    return model


def _first_able(catalogue: Catalogue, operation: Operation, only: Sequence[str] = ()) -> ImageModel | None:
    """Return the model that does something where none is named."""
    allowed = (one for one in catalogue.offered if not only or one.slug in only)
    return next((one for one in allowed if operation in catalogue.operations_of(one)), None)


def _choose(model: ImageModel, choices: list[str]) -> str:
    if choices == [""]:
        return f"{model.slug} has no choice of it; leave it out"
    return f"{model.slug} takes {', '.join(choices)}"


def _first(choices: list[str]) -> str:
    return choices[0] if choices else ""
