"""The sheet that is printed on: float planes, masks laid over them, and a blue-noise grain that all inks share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from sandbox.painter.colour import Array, ramp
from sandbox.painter.noise import enlarge

Point = tuple[float, float]
Polygon = Sequence[Point]
_TILE = 256


class Canvas:
    """`pixels` is (3, height, width) float RGB. `unit` scales lengths: about 1 for a one-megapixel image."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.unit = (width * height) ** 0.5 / 1000
        self.pixels: Array = np.zeros((3, height, width), np.float32)
        across, down = -(-width // _TILE), -(-height // _TILE)
        self.noise: Array = np.tile(_blue_noise(), (down, across))[:height, :width]

    def fill_rows(self, colours: Array, top: int = 0) -> None:
        """Paint whole rows from `top`, one colour (n, 3) each."""
        bottom = min(self.height, top + len(colours))
        self.pixels[:, top:bottom] = colours[: bottom - top].T[:, :, None]

    def blend(self, mask: Array, colour: Array, top: int = 0, left: int = 0) -> None:
        """Cover the rectangle at (top, left) with `colour` where `mask` (h, w), 0 to 1, says so.

        `colour` is (3,), or (3, h, 1 or w) for a gradient. What falls off the sheet is cut off.
        """
        cut = self._cut(mask.shape, top, left)
        if cut is None:
            return
        (y0, y1, x0, x1), inside = cut
        part = mask[inside]
        for channel in range(3):
            paint = colour[channel]
            if np.ndim(paint):
                paint = paint[inside if paint.shape[1] > 1 else inside[0]]
            plane = self.pixels[channel, y0:y1, x0:x1]
            plane += part * (paint - plane)

    def add(self, light: Array, colour: Array, top: int = 0, left: int = 0) -> None:
        """Add light the way a second exposure does: bright places saturate softly."""
        cut = self._cut(light.shape, top, left)
        if cut is None:
            return
        (y0, y1, x0, x1), inside = cut
        part = light[inside]
        for channel in range(3):
            plane = self.pixels[channel, y0:y1, x0:x1]
            plane += part * colour[channel] * (1 - plane)

    def spray(self, density: Array, colour: Array, top: int = 0, left: int = 0, mask: Array | None = None) -> None:
        """Stipple with `colour`: the share of dots that `density` (0 to 1) says, inside `mask`."""
        cut = self._cut(density.shape, top, left)
        if cut is None:
            return
        (y0, y1, x0, x1), inside = cut
        dots = (density[inside] - self.noise[y0:y1, x0:x1]) * np.float32(4)
        np.clip(dots, 0, 1, out=dots)
        if mask is not None:
            dots *= mask[inside]
        self.blend(dots, colour, y0, x0)

    def _cut(
        self, shape: tuple[int, ...], top: int, left: int
    ) -> tuple[tuple[int, int, int, int], tuple[slice, slice]] | None:
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + shape[0], self.height), min(left + shape[1], self.width)
        if y1 <= y0 or x1 <= x0:
            return None
        return (y0, y1, x0, x1), (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))

    def rows(self, top: int = 0, bottom: int | None = None) -> Array:
        """Return the y of rows as a column (n, 1)."""
        return np.arange(top, self.height if bottom is None else bottom, dtype=np.float32)[:, None]

    def under(self, ridge: Array, top: int, bottom: int | None = None) -> Array:
        """Return the anti-aliased mask of what lies under the line `ridge` (y per column), from row `top` down."""
        # Dividing by the slope's length measures the distance across the edge: steep flanks stay smooth too.
        steep = np.sqrt(1 + np.gradient(ridge) ** 2).astype(np.float32)
        mask = (self.rows(top, bottom) - ridge[None, :].astype(np.float32)) / steep[None, :]
        mask += np.float32(0.5)
        result: Array = np.clip(mask, 0, 1, out=mask)
        return result

    def land(self, ridge: Array, upper: Array, lower: Array, depth: float, bottom: int | None = None) -> tuple[Array, int]:
        """Fill everything under `ridge`, from `upper` to `lower` over `depth` px; return the mask and its top."""
        top = int(np.clip(np.floor(ridge.min()) - 2, 0, self.height - 1))
        mask = self.under(ridge, top, bottom)
        places = np.clip(np.arange(len(mask), dtype=np.float32) / max(depth, 1), 0, 1)
        self.blend(mask, ramp((upper, lower), places).T[:, :, None], top)
        return mask, top

    def glow(self, x: float, y: float, radius: float, colour: Array, strength: float, power: float = 2.0) -> None:
        """Add a round light that fades out at about `radius` px."""
        step = 8
        ys = np.arange(0, self.height + step, step, dtype=np.float32)[:, None]
        xs = np.arange(0, self.width + step, step, dtype=np.float32)[None, :]
        away = ((xs - x) ** 2 + (ys - y) ** 2) / np.float32(radius * radius)
        light = (strength / (1 + away * 3) ** power).astype(np.float32)
        self.add(enlarge(light, self.height, self.width, smooth=False), colour)

    def disc(self, x: float, y: float, radius: float, colour: Array, opacity: float = 1.0) -> tuple[Array, int, int]:
        """Paint an anti-aliased disc; return its mask, top and left."""
        reach = int(radius + 3)
        top, left = int(y) - reach, int(x) - reach
        ys = np.arange(top, top + 2 * reach + 1, dtype=np.float32)[:, None] - np.float32(y)
        xs = np.arange(left, left + 2 * reach + 1, dtype=np.float32)[None, :] - np.float32(x)
        mask = np.clip(np.float32(radius) - np.sqrt(xs * xs + ys * ys) + np.float32(0.5), 0, 1) * np.float32(opacity)
        self.blend(mask, colour, top, left)
        return mask, top, left

    def polygons(self, shapes: Sequence[Polygon], colour: Array, opacity: float = 1.0) -> tuple[Array, int, int] | None:
        """Paint the union of polygons, anti-aliased; return its mask, top and left."""
        drawn = cover(shapes, (self.width, self.height))
        if drawn is not None:
            mask, top, left = drawn
            self.blend(mask * np.float32(opacity) if opacity < 1 else mask, colour, top, left)
        return drawn

    def shade(self, drawn: tuple[Array, int, int] | None, colour: Array, side: float, strength: float = 0.6) -> None:
        """Spray a shadow over one side of a shape that was drawn: -1 its left, 1 its right."""
        if drawn is None:
            return
        mask, top, left = drawn
        across = np.linspace(-1, 1, mask.shape[1], dtype=np.float32)[None, :] * np.float32(side)
        down = np.linspace(-0.4, 0.4, mask.shape[0], dtype=np.float32)[:, None]
        self.spray(np.clip((across + down) * np.float32(strength), 0, 1), colour, top, left, mask)


def cover(shapes: Sequence[Polygon], size: tuple[int, int]) -> tuple[Array, int, int] | None:
    """Return the anti-aliased mask of the polygons' union, with its top and left; None when nothing is on the sheet."""
    points = [p for shape in shapes for p in shape]
    if not points:
        return None
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    left, top = max(int(min(xs)) - 2, 0), max(int(min(ys)) - 2, 0)
    right, bottom = min(int(max(xs)) + 3, size[0]), min(int(max(ys)) + 3, size[1])
    if right <= left or bottom <= top:
        return None
    scale = 3 if (right - left) * (bottom - top) < 400_000 else 2
    sheet = Image.new("L", ((right - left) * scale, (bottom - top) * scale))
    draw = ImageDraw.Draw(sheet)
    for shape in shapes:
        if len(shape) > 2:
            draw.polygon([((x - left) * scale, (y - top) * scale) for x, y in shape], fill=255)
    return np.asarray(sheet.reduce(scale), np.float32) / np.float32(255), top, left


@lru_cache(maxsize=1)
def _blue_noise() -> Array:
    """Return a tile of evenly spread noise, 0 to 1: dots of any density lie apart, as a printer's screen lays them."""
    rng = np.random.Generator(np.random.PCG64(7))
    tile = rng.random((_TILE, _TILE), dtype=np.float32)
    for _ in range(6):
        blurred = tile
        for axis in (0, 1, 0, 1, 0, 1):
            blurred = (np.roll(blurred, 1, axis) + blurred + np.roll(blurred, -1, axis)) / np.float32(3)
        ranks = np.argsort(np.argsort((tile - blurred).ravel(), kind="stable"), kind="stable")
        tile = (ranks.astype(np.float32) / np.float32(ranks.size)).reshape(tile.shape)
    return tile
