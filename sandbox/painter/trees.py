"""Trees as polygons: conifers, broadleaf crowns, palms, bare trunks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sandbox.painter.canvas import Canvas, Point
from sandbox.painter.colour import Array
from sandbox.painter.noise import Rng

Polygon = Sequence[Point]


def conifer(rng: Rng, x: float, foot: float, height: float, *, slender: float = 0.2) -> Polygon:
    """Return a fir's outline standing at (x, foot)."""
    half = height * slender * float(rng.uniform(0.8, 1.2))
    tiers = max(5, min(15, int(height / 11)))
    lean = float(rng.uniform(-0.015, 0.015)) * height
    left: list[Point] = []
    right: list[Point] = []
    droop = height * 0.028
    for tier in range(1, tiers + 1):
        share = (tier / tiers) ** 0.9
        y = foot - height * (1 - 0.93 * share)
        middle = x + lean * (1 - share)
        for side, points in ((-1, left), (1, right)):
            reach = half * share * float(rng.uniform(0.72, 1.12))
            points.append((middle + side * reach, y + droop * float(rng.uniform(0.4, 1.5))))
            points.append((middle + side * reach * 0.42, y - droop * 0.35))
    trunk = max(height * 0.018, 0.6)
    crown: list[Point] = [(x + lean, foot - height)]
    return (
        crown
        + right
        + [
            (x + trunk, foot - height * 0.06),
            (x + trunk, foot + 4),
            (x - trunk, foot + 4),
            (x - trunk, foot - height * 0.06),
        ]
        + left[::-1]
    )


def conifer_row(
    canvas: Canvas,
    rng: Rng,
    ground: Array,
    height: float,
    colour: Array,
    *,
    spacing: float = 0.24,
    gaps: bool = True,
) -> None:
    """Plant firs along the line `ground`, about `height` px tall."""
    shapes: list[Polygon] = []
    x = -height * 0.2
    while x < canvas.width + height * 0.2:
        column = int(np.clip(x, 0, canvas.width - 1))
        wave = 0.72 + 0.28 * math.sin(x / (height * 1.7) + float(ground[0])) if gaps else 1.0
        tall = height * wave * float(rng.uniform(0.5, 1.1))
        shapes.append(
            conifer(rng, x, float(ground[column]) + height * 0.06, tall, slender=float(rng.uniform(0.15, 0.23)))
        )
        x += height * spacing * float(rng.uniform(0.5, 1.6))
    canvas.polygons(shapes, colour, scale=2 if height < 90 else 3)


def stroke(points: list[Point], widths: list[float]) -> Polygon:
    """Return the outline of a line that swells and tapers: `widths` are full widths at each point."""
    left: list[Point] = []
    right: list[Point] = []
    last = len(points) - 1
    for i, (x, y) in enumerate(points):
        ax, ay = points[max(i - 1, 0)]
        bx, by = points[min(i + 1, last)]
        length = math.hypot(bx - ax, by - ay) or 1.0
        nx, ny = -(by - ay) / length * widths[i] / 2, (bx - ax) / length * widths[i] / 2
        left.append((x + nx, y + ny))
        right.append((x - nx, y - ny))
    return left + right[::-1]


def branches(rng: Rng, x: float, foot: float, height: float, *, bend: float = 0.0) -> tuple[list[Polygon], list[Point]]:
    """Return a broadleaf tree's wood as polygons, and the points where its leaves gather."""
    shapes: list[Polygon] = []
    tips: list[Point] = []
    pending = [(x, foot, -math.pi / 2 + bend * 0.25, height * 0.36, height * 0.085, 0)]
    while pending:
        x0, y0, angle, length, width, level = pending.pop()
        curve = float(rng.uniform(-0.25, 0.25)) + bend * 0.1
        xm, ym = x0 + math.cos(angle) * length * 0.5, y0 + math.sin(angle) * length * 0.5
        x1, y1 = xm + math.cos(angle + curve) * length * 0.5, ym + math.sin(angle + curve) * length * 0.5
        shapes.append(
            stroke(
                [(x0, y0), (xm, ym), (x1, y1)],
                [width * (1.5 if level == 0 else 1), width * 0.8, width * 0.62],
            )
        )
        if level >= 2:
            tips.append((x1, y1))
        if level >= 5:
            continue
        for side in (-1, 1) if level else (-1, 0.1, 1):
            spread = float(rng.uniform(0.28, 0.62))
            pending.append(
                (
                    x1,
                    y1,
                    angle + curve + side * spread,
                    length * float(rng.uniform(0.62, 0.82)),
                    width * 0.62,
                    level + 1,
                )
            )
    return shapes, tips


def broadleaf(
    canvas: Canvas,
    rng: Rng,
    x: float,
    foot: float,
    height: float,
    *,
    wood: Array,
    shadow: Array,
    leaf: Array,
    light: Array,
    sun_side: float,
    bare: bool = False,
) -> None:
    """Paint a tree with a crown of leaf clusters, lit from `sun_side` (-1 left, 1 right)."""
    shapes, tips = branches(rng, x, foot, height, bend=float(rng.uniform(-0.3, 0.3)))
    if bare:
        canvas.polygons(shapes, wood, scale=4)
        return
    size = height * 0.068
    canvas.polygons([_blob(rng, px, py, size * 1.5) for px, py in tips], shadow)
    canvas.polygons(shapes, wood, scale=4)
    canvas.polygons(
        [_blob(rng, px + sun_side * size * 0.3, py - size * 0.4, size) for px, py in tips if rng.random() < 0.8],
        leaf,
    )
    canvas.polygons(
        [_blob(rng, px + sun_side * size * 0.7, py - size * 0.9, size * 0.5) for px, py in tips if rng.random() < 0.5],
        light,
        0.85,
    )
    canvas.polygons(
        [
            _blob(rng, px + float(rng.normal()) * size * 1.5, py + float(rng.normal()) * size * 1.4, size * 0.16)
            for px, py in tips
            for _ in range(2)
        ],
        leaf,
        0.9,
    )


def _blob(rng: Rng, x: float, y: float, radius: float) -> Polygon:
    n = 11
    wobble = rng.uniform(0.72, 1.18, n)
    return [
        (
            x + math.cos(i / n * math.tau) * radius * float(wobble[i]) * 1.12,
            y + math.sin(i / n * math.tau) * radius * float(wobble[i]) * 0.86,
        )
        for i in range(n)
    ]


def palm(rng: Rng, x: float, foot: float, height: float, *, lean: float) -> list[Polygon]:
    """Return a palm as polygons: a bowed trunk and a crown of combed fronds."""
    bow = [(x + lean * height * t * t, foot - height * t) for t in np.linspace(0, 1, 9).tolist()]
    shapes: list[Polygon] = [stroke(bow, [height * (0.055 - 0.03 * i / 8) for i in range(9)])]
    top_x, top_y = bow[-1]
    for k in range(11):
        angle = -math.pi * (k + 0.5) / 11 + float(rng.uniform(-0.12, 0.12))
        shapes.append(_frond(rng, top_x, top_y, angle, height * float(rng.uniform(0.38, 0.52))))
    return shapes


def _frond(rng: Rng, x: float, y: float, angle: float, length: float) -> Polygon:
    n = 17
    spine = [
        (x + math.cos(angle) * length * t, y + math.sin(angle) * length * t * 0.8 + length * 0.66 * t * t)
        for t in np.linspace(0, 1, n).tolist()
    ]
    upper: list[Point] = []
    lower: list[Point] = []
    for i, (px, py) in enumerate(spine):
        width = length * 0.1 * math.sin(math.pi * min(1.0, 0.1 + i / (n - 1) * 0.9)) ** 0.6
        upper.append((px, py - width * (0.5 if i % 2 else 0.15)))
        comb = width * (2.0 if i % 2 else 0.3) * float(rng.uniform(0.85, 1.1))
        lower.append((px + comb * 0.3 * math.copysign(1, math.cos(angle)), py + comb))
    return upper + lower[::-1]
