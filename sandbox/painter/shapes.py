"""Outlines: those of `silhouettes.json`, as path data, and plants that grow anew each time."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from sandbox.painter.colour import Array, mix, rgb
from sandbox.painter.noise import Rng
from sandbox.painter.sheet import Point, Polygon, Sheet

Figure = tuple[tuple[str, tuple[Polygon, ...]], ...]
"""Parts from back to front, each with the role that decides its colour. It stands on y = 0, is 1 high, faces right."""

_STEP = re.compile(r"([MLQCZ])|(-?\d+)")
_CURVE_STEPS = 10
_SUNLIT = rgb("#fff4d0")
_SHADED = frozenset(("coat", "accent", "wall", "pale", "one", "two", "three"))


@cache
def figures() -> dict[str, Figure]:
    """Return all outlines by name."""
    entries: dict[str, list[list[str]]] = json.loads(Path(__file__).with_name("silhouettes.json").read_text("utf-8"))
    return {name: tuple((role, path(data)) for role, data in parts) for name, parts in entries.items()}


def path(data: str) -> tuple[Polygon, ...]:
    """Return the polygons of SVG path data (absolute M, L, Q, C, Z), in thousandths."""
    shapes: list[list[Point]] = []
    command, numbers = "M", list[float]()
    for letter, number in _STEP.findall(data):
        if letter:
            command, numbers = letter, []
            continue
        numbers.append(int(number) / 1000)
        if len(numbers) < {"Q": 4, "C": 6}.get(command, 2):
            continue
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        numbers = []
        if command == "M":
            shapes.append(points)
            command = "L"
        else:
            shapes[-1] += points if command == "L" else _bezier([shapes[-1][-1], *points])
    return tuple(shapes)


def _bezier(knots: list[Point]) -> list[Point]:
    line = []
    for step in range(1, _CURVE_STEPS + 1):
        points, t = knots, step / _CURVE_STEPS
        while len(points) > 1:
            points = [(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for a, b in itertools.pairwise(points)]
        line += points
    return line


def placed(
    shapes: Sequence[Polygon], x: float, y: float, across: float, down: float, tilt: float = 0.0
) -> list[Polygon]:
    """Return the shapes scaled, turned and moved."""
    c, s = math.cos(tilt), math.sin(tilt)
    return [[(x + (a * c - b * s) * across, y + (a * s + b * c) * down) for a, b in shape] for shape in shapes]


def stand(
    s: Sheet,
    name: str,
    x: float,
    y: float,
    height: float,
    colours: Mapping[str, Array],
    *,
    flip: bool = False,
    tilt: float = 0.0,
    mirrored: bool = False,
    opacity: float = 1.0,
) -> None:
    """Print a figure with its feet at (x, y); `mirrored` hangs it upside down, as water shows it."""
    side = s.lit(x)
    for role, shapes in figures()[name]:
        moved = placed(shapes, x, y, -height if flip else height, -height * 0.8 if mirrored else height, tilt)
        drawn = s.polygons(moved, colours.get(role, colours["ink"]), opacity)
        if drawn is None or mirrored or height < 60:
            continue
        if role in _SHADED:
            s.shade(drawn, colours["ink"], -side, 0.55)
        elif role == "ink" and "light" in colours:  # the light catches the edge that faces it
            mask, reach = drawn[0], max(1, round(height * 0.01))
            edge = np.clip(mask - np.roll(mask, (reach, -reach if side > 0 else reach), axis=(0, 1)), 0, 1)
            s.blend(edge * np.float32(0.7), colours["light"], *drawn[1:])


def stroke(points: Sequence[Point], *widths: float) -> Polygon:
    """Return the outline of a line whose width runs through `widths` from end to end."""
    left, right = [], []
    wide = np.interp(np.linspace(0, 1, len(points)), np.linspace(0, 1, len(widths)), widths) / 2
    for index, (x, y) in enumerate(points):
        (ax, ay), (bx, by) = points[max(index - 1, 0)], points[min(index + 1, len(points) - 1)]
        length = math.hypot(bx - ax, by - ay) or 1.0
        nx, ny = -(by - ay) / length * float(wide[index]), (bx - ax) / length * float(wide[index])
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return left + right[::-1]


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0.0, *, n: int = 32, petals: int = 0) -> Polygon:
    """Return an ellipse of `n` points, turned by `degrees`; with `petals` a flower."""
    turns = np.arange(n) / n * math.tau
    swell = 1 + 0.17 * np.cos(turns * petals) if petals else 1.0
    px, py = rx * np.cos(turns) * swell, ry * np.sin(turns) * swell
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return list(zip((x + px * c - py * s).tolist(), (y + px * s + py * c).tolist(), strict=True))


def conifer(rng: Rng, x: float, foot: float, height: float) -> Polygon:
    """Return a fir's outline standing at (x, foot)."""
    half, tiers = height * float(rng.uniform(0.15, 0.21)), max(5, min(14, int(height / 12)))
    left, right = list[Point](), list[Point]()
    for tier in range(1, tiers + 1):
        share = (tier / tiers) ** 0.9
        y = foot - height * (1 - 0.94 * share)
        for side, points in ((-1, left), (1, right)):
            reach = half * share * float(rng.uniform(0.72, 1.12))
            points.append((x + side * reach, y + height * 0.028 * float(rng.uniform(0.4, 1.5))))
            points.append((x + side * reach * 0.42, y - height * 0.01))
    trunk = max(height * 0.018, 0.6)
    return [(x, foot - height), *right, (x + trunk, foot + 4), (x - trunk, foot + 4), *left[::-1]]


def firs(s: Sheet, ground: Array, height: float, colour: Array, spacing: float = 0.26) -> None:
    """Plant firs along the line `ground`, about `height` px tall."""
    shapes, x = list[Polygon](), -height * 0.2
    while x < s.w + height * 0.2:
        foot = float(ground[int(np.clip(x, 0, s.w - 1))])
        shapes.append(conifer(s.rng, x, foot + height * 0.04, height * s.between(0.6, 1.15)))
        x += height * spacing * s.between(0.5, 1.7)
    s.polygons(shapes, colour)


def broadleaf(s: Sheet, x: float, foot: float, height: float, ink: Array, leaf: Array, *, flat: bool = False) -> None:
    """Print a tree: a forked trunk and a crown of round masses, in shade on the side away from the light."""
    trunk = [(x, foot + 3), (x + height * 0.01, foot - height * 0.25), (x - height * 0.01, foot - height * 0.5)]
    limbs, side = [stroke(trunk, height * 0.07, height * 0.045, height * 0.03)], s.lit(x)
    tops = [ellipse(x, foot - height * 0.7, height * 0.27, height * (0.1 if flat else 0.22))]
    for k in range(9):
        angle, reach = math.pi * (0.08 + 0.84 * k / 8), height * s.between(0.24, 0.33)
        cx = x + math.cos(angle) * reach * (1.5 if flat else 1.0)
        cy = foot - height * (0.74 if flat else 0.58) - math.sin(angle) * reach * (0.3 if flat else 0.85)
        limbs.append(stroke([(x, foot - height * 0.3), (cx, cy)], height * 0.035, height * 0.008))
        wide = height * s.between(0.15, 0.2)
        tops.append(ellipse(cx, cy, wide * (1.2 if flat else 1), wide * (0.45 if flat else 0.85)))
    s.polygons(limbs, ink)
    s.shade(s.polygons(tops, leaf), mix(leaf, ink, 0.6), -side, 0.75)
    bright = [[(px + (x - px) * 0.3 + side * height * 0.05, py) for px, py in top] for top in tops[2:9:2]]
    s.shade(s.polygons(bright, mix(leaf, _SUNLIT, 0.16), 0.55), leaf, -side, 0.8)
