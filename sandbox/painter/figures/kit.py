"""How figures are described and drawn.

A figure stands on y = 0, faces right and is about 1 high (y grows downwards, so most y are negative). It is a list of
parts; each part has a role, which decides its colour, and shapes, which are united into one silhouette.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sandbox.painter.canvas import Canvas, Point
from sandbox.painter.colour import Array
from sandbox.painter.trees import stroke

Polygon = Sequence[Point]


@dataclass(frozen=True)
class Part:
    """One colour's worth of a figure. `melt` rounds the joints between its shapes, as flesh does."""

    role: str
    shapes: tuple[Polygon, ...]
    melt: float = 0.0


@dataclass(frozen=True)
class Figure:
    """Parts from back to front; `width` and `height` in the figure's own units bound it generously."""

    parts: tuple[Part, ...]
    left: float = -0.8
    right: float = 0.8
    top: float = -1.25
    bottom: float = 0.12


def oval(x: float, y: float, rx: float, ry: float, degrees: float = 0.0) -> Polygon:
    """Return an ellipse, turned clockwise by `degrees`."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turns = [i / 40 * math.tau for i in range(40)]
    return [
        (x + rx * math.cos(t) * c - ry * math.sin(t) * s, y + rx * math.cos(t) * s + ry * math.sin(t) * c)
        for t in turns
    ]


def limb(points: Sequence[Point], widths: Sequence[float]) -> Polygon:
    """Return a smooth tapering stroke through `points`, round at both ends' widths."""
    path = curve(points, closed=False)
    places = np.linspace(0, 1, len(widths))
    swelling = np.interp(np.linspace(0, 1, len(path)), places, widths)
    return stroke(path, [float(w) for w in swelling])


def curve(points: Sequence[Point], *, closed: bool = True, steps: int = 8) -> list[Point]:
    """Return a smooth (Catmull-Rom) line through `points`."""
    n = len(points)
    out: list[Point] = []
    for i in range(n if closed else n - 1):
        a, b, c, d = (points[_at(i + k, n, closed)] for k in (-1, 0, 1, 2))
        for step in range(steps):
            t = step / steps
            out.append((_between(a[0], b[0], c[0], d[0], t), _between(a[1], b[1], c[1], d[1], t)))
    return out if closed else [*out, points[-1]]


def _at(index: int, n: int, closed: bool) -> int:
    return index % n if closed else min(max(index, 0), n - 1)


def _between(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def mirror(shapes: Sequence[Polygon], about: float = 0.0) -> list[Polygon]:
    """Return the shapes and their mirror images."""
    return [*shapes, *([(2 * about - x, y) for x, y in shape] for shape in shapes)]


def box(left: float, top: float, right: float, bottom: float) -> Polygon:
    """Return a rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def silhouette(parts: Sequence[Part], figure: Figure, height: float, flip: bool, tilt: float = 0.0) -> Array:
    """Return the anti-aliased mask of `parts`, for a figure `height` px tall."""
    scale = 2 if height > 240 else 3 if height > 110 else 4
    zoom = height * scale
    width_px = int((figure.right - figure.left) * zoom) // scale * scale + scale
    height_px = int((figure.bottom - figure.top) * zoom) // scale * scale + scale
    sheet = Image.new("L", (width_px, height_px))
    draw = ImageDraw.Draw(sheet)
    c, s = math.cos(tilt), math.sin(tilt)
    for part in parts:
        for shape in part.shapes:
            if len(shape) > 2:
                draw.polygon(
                    [((x * c - y * s - figure.left) * zoom, (x * s + y * c - figure.top) * zoom) for x, y in shape],
                    fill=255,
                )
    melt = max((part.melt for part in parts), default=0.0) * zoom
    if melt >= 1:
        soft = sheet.filter(ImageFilter.BoxBlur(melt)).filter(ImageFilter.BoxBlur(melt * 0.7))
        sheet = soft.point([min(255, max(0, int((v - 128) * 6 + 128))) for v in range(256)])
    mask = np.asarray(sheet.reduce(scale), np.float32) / np.float32(255)
    return mask[:, ::-1] if flip else mask


def stand(
    canvas: Canvas,
    figure: Figure,
    x: float,
    y: float,
    height: float,
    colours: Mapping[str, Array],
    *,
    flip: bool = False,
    rim: tuple[Array, float] | None = None,
    opacity: float = 1.0,
    tilt: float = 0.0,
) -> None:
    """Draw a figure with its feet at (x, y). `rim` is (colour, side): light along the edge facing the sun."""
    left = int(x - (figure.right if flip else -figure.left) * height)
    top = int(y + figure.top * height)
    for part in figure.parts:
        mask = silhouette([part], figure, height, flip, tilt) * np.float32(opacity)
        canvas.blend(mask, colours.get(part.role, colours["ink"]), top, left)
    if rim is not None:
        whole = silhouette([p for p in figure.parts if p.role in ("ink", "coat")], figure, height, flip, tilt)
        reach = max(1, round(height * 0.012))
        toward = int(np.sign(rim[1])) * reach
        edge = np.clip(whole - np.roll(whole, (reach, -toward), axis=(0, 1)), 0, 1)
        canvas.blend(edge * np.float32(0.75 * opacity), rim[0], top, left)
