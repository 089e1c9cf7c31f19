"""The sheet that is printed on: float planes, masks laid over them, and a blue-noise grain that all inks share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from sandbox.painter.brief import Brief
from sandbox.painter.colour import Array, ramp

Point = tuple[float, float]
Polygon = Sequence[Point]
Print = tuple[Array, int, int]
"""What was printed: its mask, top and left."""
_TILE = 256


class Sheet:
    """One picture under way. `pixels` is (3, h, w) float RGB; `u` scales lengths: 1 for a one-megapixel image.

    `sun` is where the light comes from (x, y, and the disc's radius: 0 when clouds hide it).
    """

    def __init__(self, brief: Brief, size: tuple[int, int]) -> None:
        self.brief, self.palette = brief, brief.palette
        self.w, self.h = size
        self.u = (self.w * self.h) ** 0.5 / 1000
        self.rng = brief.rng(brief.scene)
        self.sun = (self.w * 0.6, 0.0, 0.0)
        self.pixels: Array = np.zeros((3, self.h, self.w), np.float32)
        self.noise: Array = np.tile(_blue_noise(), (-(-self.h // _TILE), -(-self.w // _TILE)))[: self.h, : self.w]

    def between(self, low: float = 0.0, high: float = 1.0) -> float:
        """Return a random number of this picture's own."""
        return float(self.rng.uniform(low, high))

    def pick(self, *options: float) -> float:
        """Return one of the options."""
        return float(self.rng.choice(options))

    def lit(self, x: float) -> float:
        """Return the side from which a thing at `x` is lit: -1 its left, 1 its right."""
        return 1.0 if self.sun[0] > x else -1.0

    def fill(self, *stops: Array, top: float = 0, bottom: float | None = None) -> None:
        """Paint whole rows in a gradient through `stops`, from row `top` to `bottom`."""
        y0, y1 = int(max(top, 0)), self.h if bottom is None else min(self.h, int(bottom))
        if y1 > y0:
            self.pixels[:, y0:y1] = ramp(stops, y1 - y0).T[:, :, None]

    def blend(self, mask: Array, colour: Array, top: int = 0, left: int = 0) -> None:
        """Cover the rectangle at (top, left) with `colour` where `mask` (h, w), 0 to 1, says so.

        `colour` is (3,), or (3, h, 1 or w) for a gradient. What falls off the sheet is cut off.
        """
        y0, y1, x0, x1, inside = self._cut(mask.shape, top, left)
        part = mask[inside]
        if not part.size:
            return
        for plane, paint in zip(self.pixels[:, y0:y1, x0:x1], colour, strict=True):
            ink = paint if np.ndim(paint) == 0 else paint[inside if paint.shape[1] > 1 else inside[0]]
            plane += part * (ink - plane)

    def spray(self, density: Array, colour: Array, top: int = 0, left: int = 0, mask: Array | None = None) -> None:
        """Stipple with `colour`: the share of dots that `density` (0 to 1) says, inside `mask`."""
        sprayed = np.flatnonzero(density.max(axis=1, initial=0) > 0)
        if not len(sprayed):
            return
        first, last = int(sprayed[0]), int(sprayed[-1]) + 1
        y0, y1, x0, x1, inside = self._cut((last - first, density.shape[1]), top + first, left)
        dots = (density[first:last][inside] - self.noise[y0:y1, x0:x1]) * np.float32(4)
        np.clip(dots, 0, 1, out=dots)
        if mask is not None:
            dots *= mask[first:last][inside]
        self.blend(dots, colour, y0, x0)

    def _cut(self, shape: tuple[int, ...], top: int, left: int) -> tuple[int, int, int, int, tuple[slice, slice]]:
        """Return what of a rectangle is on the sheet, as rows, columns, and slices of the rectangle."""
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = max(min(top + shape[0], self.h), y0), max(min(left + shape[1], self.w), x0)
        return y0, y1, x0, x1, (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))

    def rows(self, top: int = 0, bottom: int | None = None) -> Array:
        """Return the y of rows as a column (n, 1)."""
        return np.arange(top, self.h if bottom is None else bottom, dtype=np.float32)[:, None]

    def land(self, ridge: Array, upper: Array, lower: Array, depth: float, bottom: int | None = None) -> Print:
        """Fill everything under the line `ridge` (y per column), from `upper` to `lower` over `depth` px."""
        top = int(np.clip(np.floor(ridge.min()) - 2, 0, self.h - 1))
        # Dividing by the slope's length measures the distance across the edge: steep flanks stay smooth too.
        steep = np.sqrt(1 + np.gradient(ridge) ** 2).astype(np.float32)
        mask = (self.rows(top, bottom) - ridge[None, :].astype(np.float32)) / steep[None, :] + np.float32(0.5)
        np.clip(mask, 0, 1, out=mask)
        colours = np.repeat(lower[None], len(mask), axis=0)
        n = min(len(mask), max(int(depth), 1))
        colours[:n] = ramp((upper, lower), max(int(depth), 1))[:n]
        self.blend(mask, colours.T[:, :, None], top)
        return mask, top, 0

    def glow(self, x: float, y: float, radius: float, colour: Array, strength: float) -> None:
        """Add a round light that fades out at about `radius` px, the way a second exposure does."""
        reach = radius * 1.2
        left, right = int(max(x - reach, 0)), int(min(x + reach, self.w))
        top, bottom = int(max(y - reach, 0)), int(min(y + reach, self.h))
        if right > left and bottom > top:
            down = np.exp(-2.6 * ((np.arange(top, bottom, dtype=np.float32) - y) / radius) ** 2)
            across = np.exp(-2.6 * ((np.arange(left, right, dtype=np.float32) - x) / radius) ** 2)
            light = np.clip(
                down[:, None] * across[None, :] * np.float32(strength * 1.024) - np.float32(strength * 0.024), 0, None
            )
            self.add(light, colour, top, left)

    def add(self, light: Array, colour: Array, top: int = 0, left: int = 0) -> None:
        """Add light to a rectangle of the sheet: bright places saturate softly."""
        part = self.pixels[:, top : top + light.shape[0], left : left + light.shape[1]]
        for plane, ink in zip(part, colour, strict=True):
            plane += light * ink * (1 - plane)

    def disc(self, x: float, y: float, radius: float, colour: Array, opacity: float = 1.0) -> Print:
        """Print a disc."""
        reach = int(radius + 3)
        top, left = int(y) - reach, int(x) - reach
        ys, xs = np.ogrid[0 : 2 * reach + 1, 0 : 2 * reach + 1]
        away = np.sqrt((xs + left - x) ** 2 + (ys + top - y) ** 2)
        mask = (np.clip(radius - away + 0.5, 0, 1) * opacity).astype(np.float32)
        self.blend(mask, colour, top, left)
        return mask, top, left

    def polygons(self, shapes: Sequence[Polygon], colour: Array, opacity: float = 1.0) -> Print | None:
        """Print the union of polygons."""
        drawn = cover(shapes, (self.w, self.h))
        if drawn is not None:
            mask, top, left = drawn
            self.blend(mask * np.float32(opacity) if opacity < 1 else mask, colour, top, left)
        return drawn

    def box(self, left: float, top: float, right: float, bottom: float, colour: Array, opacity: float = 1.0) -> None:
        """Print a rectangle."""
        self.polygons([[(left, top), (right, top), (right, bottom), (left, bottom)]], colour, opacity)

    def shade(self, drawn: Print | None, colour: Array, side: float, strength: float = 0.6) -> None:
        """Spray a shadow over one side of what was printed: -1 its left, 1 its right."""
        if drawn is None:
            return
        mask, top, left = drawn
        across = np.linspace(-1, 1, mask.shape[1], dtype=np.float32)[None, :] * np.float32(side)
        down = np.linspace(-0.4, 0.4, mask.shape[0], dtype=np.float32)[:, None]
        self.spray(np.clip((across + down) * np.float32(strength), 0, 1), colour, top, left, mask)


def cover(shapes: Sequence[Polygon], size: tuple[int, int]) -> Print | None:
    """Return the anti-aliased mask of the polygons' union, with its top and left; None when nothing is on the sheet."""
    shapes = [shape for shape in shapes if len(shape) > 2]
    if not shapes:
        return None
    xs, ys = zip(*(point for shape in shapes for point in shape), strict=True)
    left, top = max(int(min(xs)) - 2, 0), max(int(min(ys)) - 2, 0)
    right, bottom = min(int(max(xs)) + 3, size[0]), min(int(max(ys)) + 3, size[1])
    if right <= left or bottom <= top:
        return None
    scale = 3 if (right - left) * (bottom - top) < 40_000 else 2
    paper = Image.new("L", ((right - left) * scale, (bottom - top) * scale))
    draw = ImageDraw.Draw(paper)
    for shape in shapes:
        draw.polygon([((x - left) * scale, (y - top) * scale) for x, y in shape], fill=255)
    return np.asarray(paper.reduce(scale), np.float32) / np.float32(255), top, left


@lru_cache(maxsize=1)
def _blue_noise() -> Array:
    """Return a tile of evenly spread noise, 0 to 1: dots of any density lie apart, as a printer's screen lays them."""
    tile = np.random.Generator(np.random.PCG64(7)).random((_TILE, _TILE), dtype=np.float32)
    for _ in range(6):
        blurred = tile
        for axis in (0, 1, 0, 1, 0, 1):
            blurred = (np.roll(blurred, 1, axis) + blurred + np.roll(blurred, -1, axis)) / np.float32(3)
        ranks = np.argsort(np.argsort((tile - blurred).ravel(), kind="stable"), kind="stable")
        tile = (ranks.astype(np.float32) / np.float32(ranks.size)).reshape(tile.shape)
    return tile
