"""Outlines: those of `silhouettes.json`, as path data, and plants that grow anew each time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from sandbox.painter.canvas import Canvas, Point, Polygon, cover
from sandbox.painter.colour import Array
from sandbox.painter.noise import Rng

_STEP = re.compile(r"([MLQCZ])|(-?\d+(?:\.\d+)?)")
_CURVE_STEPS = 10


@dataclass(frozen=True)
class Figure:
    """Parts from back to front, each with the role that decides its colour. It stands on y = 0, is 1 high, faces right."""

    parts: tuple[tuple[str, tuple[Polygon, ...]], ...]


@cache
def figures() -> dict[str, Figure]:
    """Return all outlines by name."""
    entries: dict[str, list[list[str]]] = json.loads(Path(__file__).with_name("silhouettes.json").read_text("utf-8"))
    return {name: Figure(tuple((role, path(data)) for role, data in parts)) for name, parts in entries.items()}


def path(data: str) -> tuple[Polygon, ...]:
    """Return the polygons of SVG path data (absolute M, L, Q, C, Z), in thousandths."""
    shapes: list[list[Point]] = []
    command, numbers = "M", []
    for letter, number in _STEP.findall(data):
        if letter:
            command, numbers = letter, []
            continue
        numbers.append(float(number) / 1000)
        if len(numbers) < {"Q": 4, "C": 6}.get(command, 2):
            continue
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        numbers = []
        if command == "M":
            shapes.append(points)
            command = "L"
        elif command == "L":
            shapes[-1] += points
        else:
            shapes[-1] += _bezier([shapes[-1][-1], *points])
    return tuple(shapes)


def _bezier(knots: list[Point]) -> list[Point]:
    line = []
    for step in range(1, _CURVE_STEPS + 1):
        points, t = knots, step / _CURVE_STEPS
        while len(points) > 1:
            points = [
                (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for a, b in zip(points, points[1:], strict=False)
            ]
        line += points
    return line


def stand(
    canvas: Canvas,
    name: str,
    x: float,
    y: float,
    height: float,
    colours: Mapping[str, Array],
    *,
    flip: bool = False,
    tilt: float = 0.0,
    side: float = 0.0,
    mirrored: bool = False,
    opacity: float = 1.0,
) -> None:
    """Print a figure with its feet at (x, y). `side` is where the light comes from; `mirrored` hangs it upside down."""
    c, s = math.cos(tilt), math.sin(tilt)
    across, down = -height if flip else height, -height * 0.8 if mirrored else height
    for role, shapes in figures()[name].parts:
        moved = [[(x + (px * c - py * s) * across, y + (px * s + py * c) * down) for px, py in one] for one in shapes]
        colour = colours.get(role, colours["ink"])
        drawn = cover(moved, (canvas.width, canvas.height))
        if drawn is None:
            continue
        mask, top, left = drawn
        canvas.blend(mask * np.float32(opacity) if opacity < 1 else mask, colour, top, left)
        if side and height > 60:
            if role in ("coat", "accent", "wall", "pale"):
                canvas.shade(drawn, colours["ink"], -side, 0.55)
            elif "light" in colours and role == "ink":
                _rim(canvas, mask, colours["light"], top, left, side, height)


def _rim(canvas: Canvas, mask: Array, colour: Array, top: int, left: int, side: float, height: float) -> None:
    """Let the light catch the edge that faces it."""
    reach = max(1, round(height * 0.01))
    edge = np.clip(mask - np.roll(mask, (reach, -reach if side > 0 else reach), axis=(0, 1)), 0, 1)
    canvas.blend(edge * np.float32(0.7), colour, top, left)


def stroke(points: list[Point], widths: list[float]) -> Polygon:
    """Return the outline of a line whose width changes from point to point."""
    left, right = [], []
    for index, (x, y) in enumerate(points):
        (ax, ay), (bx, by) = points[max(index - 1, 0)], points[min(index + 1, len(points) - 1)]
        length = math.hypot(bx - ax, by - ay) or 1.0
        nx, ny = -(by - ay) / length * widths[index] / 2, (bx - ax) / length * widths[index] / 2
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return left + right[::-1]


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0.0, wobble: Array | None = None) -> Polygon:
    """Return an ellipse, turned by `degrees`; `wobble` swells its radius point by point."""
    n = 36 if wobble is None else len(wobble)
    turns = np.arange(n) / n * math.tau
    swell = 1.0 if wobble is None else 1 + wobble
    px, py = rx * np.cos(turns) * swell, ry * np.sin(turns) * swell
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(float(a), float(b)) for a, b in zip(x + px * c - py * s, y + px * s + py * c, strict=True)]


def conifer(rng: Rng, x: float, foot: float, height: float) -> Polygon:
    """Return a fir's outline standing at (x, foot)."""
    half = height * float(rng.uniform(0.15, 0.21))
    tiers = max(5, min(14, int(height / 12)))
    left: list[Point] = []
    right: list[Point] = []
    for tier in range(1, tiers + 1):
        share = (tier / tiers) ** 0.9
        y = foot - height * (1 - 0.94 * share)
        for side, points in ((-1, left), (1, right)):
            reach = half * share * float(rng.uniform(0.72, 1.12))
            points.append((x + side * reach, y + height * 0.028 * float(rng.uniform(0.4, 1.5))))
            points.append((x + side * reach * 0.42, y - height * 0.01))
    trunk = max(height * 0.018, 0.6)
    return [(x, foot - height), *right, (x + trunk, foot + 4), (x - trunk, foot + 4), *left[::-1]]


def firs(canvas: Canvas, rng: Rng, ground: Array, height: float, colour: Array, spacing: float = 0.26) -> None:
    """Plant firs along the line `ground`, about `height` px tall."""
    shapes: list[Polygon] = []
    x = -height * 0.2
    while x < canvas.width + height * 0.2:
        foot = float(ground[int(np.clip(x, 0, canvas.width - 1))])
        shapes.append(conifer(rng, x, foot + height * 0.04, height * float(rng.uniform(0.6, 1.15))))
        x += height * spacing * float(rng.uniform(0.5, 1.7))
    canvas.polygons(shapes, colour)


def broadleaf(
    canvas: Canvas, rng: Rng, x: float, foot: float, height: float, ink: Array, leaf: Array, side: float, *, flat: bool = False
) -> None:
    """Print a tree: a forked trunk and a crown of round masses, in shade on the side away from the light."""
    trunk = [(x, foot + 3), (x + height * 0.01, foot - height * 0.25), (x - height * 0.01, foot - height * 0.5)]
    limbs = [stroke(trunk, [height * 0.07, height * 0.045, height * 0.03])]
    tops: list[Polygon] = []
    for k in range(9):
        angle = math.pi * (0.08 + 0.84 * k / 8)
        reach = height * float(rng.uniform(0.24, 0.33))
        cx = x + math.cos(angle) * reach * (1.5 if flat else 1.0)
        cy = foot - height * (0.66 if not flat else 0.74) - math.sin(angle) * reach * (0.3 if flat else 0.62)
        limbs.append(stroke([(x, foot - height * 0.3), (cx, cy)], [height * 0.035, height * 0.008]))
        swell = rng.uniform(-0.07, 0.07, 40)
        wide = height * float(rng.uniform(0.15, 0.2))
        tops.append(ellipse(cx, cy, wide * (1.2 if flat else 1), wide * (0.45 if flat else 0.85), 0, swell))
    tops.append(ellipse(x, foot - height * 0.72, height * 0.26, height * (0.1 if flat else 0.2)))
    canvas.polygons(limbs, ink)
    drawn = canvas.polygons(tops, leaf)
    canvas.shade(drawn, ink, -side or 1.0, 0.75)


def palm(rng: Rng, x: float, foot: float, height: float) -> list[Polygon]:
    """Return a palm: a leaning trunk and a crown of drooping, feathered fronds."""
    lean = height * float(rng.uniform(-0.22, 0.22))
    knots = [(x + lean * t * t, foot + 4 - height * t) for t in np.linspace(0, 1, 12)]
    shapes: list[Polygon] = [stroke(knots, [float(w) for w in np.linspace(height * 0.045, height * 0.022, 12)])]
    cx, cy = knots[-1]
    for k in range(11):
        angle = math.pi * (-0.12 + 1.24 * k / 10) + float(rng.uniform(-0.1, 0.1))
        reach = height * float(rng.uniform(0.32, 0.44))
        spine = [
            (cx + math.cos(angle) * reach * t, cy - math.sin(angle) * reach * t * 0.75 + reach * 0.75 * t * t)
            for t in np.linspace(0, 1, 12)
        ]
        shapes.append(stroke(spine, [height * 0.016] * 11 + [0.5]))
        for i in range(2, 12):
            px, py = spine[i]
            drop = height * 0.1 * math.sin(math.pi * min(1, i / 11) ** 0.7) + 3
            shapes.append([(px - height * 0.012, py), (px + height * 0.012, py), (px + lean * 0.05 - math.cos(angle) * 4, py + drop)])
    return shapes
