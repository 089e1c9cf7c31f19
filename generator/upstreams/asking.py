"""How an order is put into words and numbers that most upstreams share, and what most mean by their errors."""

import math
from typing import Any

from generator.models import ASPECT_RATIOS, Operation
from generator.upstreams import pictures, words
from generator.upstreams.dialect import Order
from generator.upstreams.errors import BadInput, Kind, OperatorTrouble, PromptRefused, UpstreamError
from generator.upstreams.transport import Transport

SIDE = 1024  # of the square that all shapes have about as many pixels as
STEP = 16  # that sides are multiples of: what draws works in blocks
_CLASSES = {"1k": 1, "2k": 2, "4k": 4}


def whole_prompt(order: Order) -> str:
    """Return the prompt with what is not wanted in it, for protocols that have no other place for that."""
    unwanted = order.negative_prompt.strip()
    return f"{order.prompt}\n\nAvoid: {unwanted}" if unwanted else order.prompt


def pixels(aspect_ratio: str, size: str = "") -> tuple[int, int]:
    """Return width and height of a shape in a size class (`1K`, the usual one, to `4K`): `16:9` is 1360 × 768."""
    across, down = (int(part) for part in aspect_ratio.split(":"))
    side = SIDE * _CLASSES.get(size.lower(), 1)
    width, height = side * (across / down) ** 0.5, side * (down / across) ** 0.5
    return round(width / STEP) * STEP, round(height / STEP) * STEP


def nearest(shape: tuple[int, int], offered: list[tuple[int, int]]) -> tuple[int, int]:
    """Return which of the offered widths and heights comes closest to a shape."""
    wanted = shape[0] / shape[1]
    return min(offered, key=lambda each: max(wanted / (each[0] / each[1]), (each[0] / each[1]) / wanted))


def meaning(http: Transport, status: int, data: Any) -> UpstreamError | None:
    """Return what protocols mean by an error that tell a refused prompt from a bad value; None for what all mean."""
    code, said = words.code_of(data), words.of_error(data)
    if status not in (400, 413, 415, 422) or words.kind_of(code) is words.Kind.FUNDS:
        return None
    if words.Kind.CONTENT in (words.kind_of(code), words.kind_of(said)):
        return PromptRefused(words.Kind.CONTENT.value)
    return BadInput(http.said(data))


def keeps_shape(order: Order) -> bool:
    """Tell an edit whose result is to be shaped as its picture: the shape asked for is the one nearest to that.

    Reads the picture's head: call it on a thread.
    """
    if order.operation is not Operation.EDIT or not order.inputs:
        return False
    width, height = pictures.shape_of(order.inputs[0])
    return order.aspect_ratio == min(ASPECT_RATIOS, key=lambda ratio: abs(math.log(_quotient(ratio) * height / width)))


def _quotient(aspect_ratio: str) -> float:
    across, down = (int(part) for part in aspect_ratio.split(":"))
    return across / down


def bad_input(error: UpstreamError) -> BadInput:
    """Return an error that lays what went wrong to what was asked for; it stands for `error`."""
    bad = BadInput(error.words)
    bad.status = error.status
    return bad


def not_there(error: UpstreamError, what: str) -> OperatorTrouble:
    """Return an error that tells the operator what an upstream does not have; it stands for `error`."""
    trouble = OperatorTrouble(f"it has no {what}: {error}", Kind.NOT_FOUND)
    trouble.status = error.status
    return trouble
