"""What the composer offers to choose from, and what that costs."""

from collections.abc import Mapping
from dataclasses import dataclass

from generator.ask import prices
from generator.models import ImageModel, Operation


@dataclass(frozen=True)
class Mode:
    """Something that a model on offer does, and the credits that one image of it costs as it is chosen."""

    value: str
    label: str
    cost: int


@dataclass(frozen=True)
class Choices:
    """What there is to choose from beside a mode, and what is chosen. A list with less than two is no choice."""

    modes: list[Mode]
    mode: str
    models: list[ImageModel]
    model: ImageModel | None
    sizes: list[str]
    size: str
    qualities: list[str]
    quality: str

    @property
    def costs(self) -> list[Mode]:
        """What there are prices to be told for: also while nothing is offered."""
        return self.modes or [Mode(self.mode, "", prices.UNPRICED)]

    @property
    def cost(self) -> int:
        """Credits of one image, as it is chosen."""
        return next((mode.cost for mode in self.modes if mode.value == self.mode), prices.UNPRICED)


def choices_for(wanted: Mapping[str, str]) -> Choices:
    """Return the choices for a form with these settings; what is not offered becomes what is used unasked."""
    offered = prices.offered()
    does = {model.pk: prices.operations_of(model) for model in offered}
    doable = [one for one in Operation if any(one in operations for operations in does.values())]
    mode = next((one for one in doable if one == wanted["mode"]), Operation.CREATE)
    models = [model for model in offered if mode in does[model.pk]]
    model = next((one for one in models if one.slug == wanted["model"]), models[0] if models else None)
    sizes, qualities = (list(model.sizes), list(model.qualities)) if model else ([], [])
    size, quality = _chosen(wanted["size"], sizes), _chosen(wanted["quality"], qualities)

    def cost(operation: Operation) -> int:
        """Return the price with the model that is chosen, or else the first one that does it."""
        fits = model if model and operation in does[model.pk] else None
        fits = fits or next((one for one in offered if operation in does[one.pk]), None)
        return prices.price_of(fits, operation, size, quality) if fits is model and fits else prices.unasked(operation)

    modes = [Mode(one.value, str(one.label), cost(one)) for one in doable]
    return Choices(modes, mode.value, list(offered), model, sizes, size, qualities, quality)


def _chosen(wanted: str, choices: list[str]) -> str:
    return wanted if wanted in choices else choices[0] if choices else ""
