"""What can stand on the table of a still life."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array
from sandbox.painter.noise import Rng
from sandbox.painter.table import food, objects

Thing = Callable[[Canvas, Brief, Rng, float, float, float, float, Array], None]
"""Paints itself at (x, foot), scaled by `base` px, lit from `side` (-1 left), with a shadow of the given colour."""

THINGS: dict[str, Thing] = {
    "vase": objects.vase,
    "fruit": food.fruit,
    "cup": food.cup,
    "bottle": objects.bottle,
    "candle": objects.candle,
    "books": objects.books,
    "cake": food.cake,
}
