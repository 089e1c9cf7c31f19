"""The sheet the painter works on: three float planes, and the few ways to put colour on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from sandbox.painter.colour import Array
from sandbox.painter.noise import enlarge, smoothstep

Point = tuple[float, float]


class Canvas:
    """`pixels` is (3, height, width) float RGB. `unit` scales lengths: about 1 for a one-megapixel image."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.unit = (width * height) ** 0.5 / 1000
        self.pixels: Array = np.zeros((3, height, width), np.float32)

    def columns(self) -> Array:
        """Return the x of every column."""
        return np.arange(self.width, dtype=np.float32)

    def rows(self, top: int = 0, bottom: int | None = None) -> Array:
        """Return the y of rows as a column (n, 1)."""
        return np.arange(top, self.height if bottom is None else bottom, dtype=np.float32)[:, None]

    def fill_rows(self, colours: Array, top: int = 0) -> None:
        """Paint whole rows from `top`, one colour (n, 3) each."""
        bottom = min(self.height, top + len(colours))
        self.pixels[:, top:bottom] = colours[: bottom - top].T[:, :, None]

    def blend(self, mask: Array, colour: Array, top: int = 0, left: int = 0) -> None:
        """Cover the rectangle at (top, left) with `colour` where `mask` (h, w), 0 to 1, says so.

        `colour` is (3,), or (3, h or 1, w or 1) for a gradient. What falls off the sheet is cut off.
        """
        cut = self._cut(mask.shape, top, left)
        if cut is None:
            return
        (y0, y1, x0, x1), inside = cut
        part = mask[inside]
        for channel in range(3):
            paint = _within(colour[channel], mask.shape, inside)
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

    def _cut(
        self, shape: tuple[int, ...], top: int, left: int
    ) -> tuple[tuple[int, int, int, int], tuple[slice, slice]] | None:
        y0, x0 = max(top, 0), max(left, 0)
        y1, x1 = min(top + shape[0], self.height), min(left + shape[1], self.width)
        if y1 <= y0 or x1 <= x0:
            return None
        return (y0, y1, x0, x1), (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))

    def below(self, ridge: Array, upper: Array, lower: Array, depth: float, softness: float = 1.0) -> None:
        """Fill everything under the line `ridge` (y per column), from colour `upper` to `lower` over `depth` px."""
        top = int(np.clip(np.floor(ridge.min()) - 2, 0, self.height))
        if top >= self.height:
            return
        y = self.rows(top)
        mask = self.under(ridge, top, softness)
        t = np.clip((y[:, 0] - top) / max(depth, 1), 0, 1)
        colours = upper[:, None] + (lower - upper)[:, None] * t[None, :]
        self.blend(mask, colours[:, :, None].astype(np.float32), top)

    def under(self, ridge: Array, top: int, softness: float = 1.0) -> Array:
        """Return the anti-aliased mask of what lies under `ridge`, for the rows from `top` down."""
        # Dividing by the slope's length measures the distance across the edge: steep flanks stay smooth too.
        steep = np.sqrt(1 + np.gradient(ridge) ** 2).astype(np.float32) * np.float32(softness)
        mask = (self.rows(top) - ridge[None, :]) / steep[None, :]
        mask += np.float32(0.5)
        result: Array = np.clip(mask, 0, 1, out=mask)
        return result

    def glow(self, x: float, y: float, radius: float, colour: Array, strength: float, power: float = 2.0) -> None:
        """Add a round light that fades out at about `radius` px."""
        step = 4
        ys = np.arange(0, self.height + step, step, dtype=np.float32)[:, None]
        xs = np.arange(0, self.width + step, step, dtype=np.float32)[None, :]
        away = ((xs - x) ** 2 + (ys - y) ** 2) / np.float32(radius * radius)
        light = (strength / (1 + away * 3) ** power).astype(np.float32)
        self.add(enlarge(light, self.height, self.width, smooth=False), colour)

    def disc(
        self, x: float, y: float, radius: float, colour: Array, opacity: float = 1.0, softness: float = 1.0
    ) -> None:
        """Paint an anti-aliased disc."""
        reach = int(radius + softness + 2)
        top, left = int(y) - reach, int(x) - reach
        ys = np.arange(top, top + 2 * reach + 1, dtype=np.float32)[:, None] - np.float32(y)
        xs = np.arange(left, left + 2 * reach + 1, dtype=np.float32)[None, :] - np.float32(x)
        mask = np.clip((radius - np.sqrt(xs * xs + ys * ys)) / softness + 0.5, 0, 1) * opacity
        self.blend(mask.astype(np.float32), colour, top, left)

    def polygons(self, shapes: Sequence[Sequence[Point]], colour: Array, opacity: float = 1.0, scale: int = 3) -> None:
        """Paint the union of polygons, anti-aliased."""
        drawn = cover(shapes, (self.width, self.height), scale)
        if drawn is not None:
            mask, top, left = drawn
            self.blend(mask * np.float32(opacity) if opacity < 1 else mask, colour, top, left)

    def vignette(self, strength: float) -> None:
        """Darken the corners gently."""
        ys = np.linspace(-1, 1, 32, dtype=np.float32)[:, None]
        xs = np.linspace(-1, 1, 32, dtype=np.float32)[None, :]
        fall = 1 - strength * smoothstep(0.55, 1.55, np.sqrt(xs * xs + ys * ys * 0.9))
        self.pixels *= enlarge(fall, self.height, self.width)[None]


def cover(shapes: Sequence[Sequence[Point]], size: tuple[int, int], scale: int = 3) -> tuple[Array, int, int] | None:
    """Return the anti-aliased mask of the polygons' union, with its top and left; None when nothing is on the sheet."""
    points = [p for shape in shapes for p in shape]
    if not points:
        return None
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    left, top = max(int(min(xs)) - 2, 0), max(int(min(ys)) - 2, 0)
    right, bottom = min(int(max(xs)) + 3, size[0]), min(int(max(ys)) + 3, size[1])
    if right <= left or bottom <= top:
        return None
    sheet = Image.new("L", ((right - left) * scale, (bottom - top) * scale))
    draw = ImageDraw.Draw(sheet)
    for shape in shapes:
        if len(shape) > 2:
            draw.polygon([((x - left) * scale, (y - top) * scale) for x, y in shape], fill=255)
    return np.asarray(sheet.reduce(scale), np.float32) / np.float32(255), top, left


def _within(paint: Array, shape: tuple[int, ...], inside: tuple[slice, slice]) -> Array:
    if paint.ndim < 2:
        return paint
    rows = inside[0] if paint.shape[0] == shape[0] and paint.shape[0] > 1 else slice(None)
    columns = inside[1] if paint.shape[1] == shape[1] and paint.shape[1] > 1 else slice(None)
    return paint[rows, columns]
