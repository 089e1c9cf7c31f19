"""Cut flowers and sprigs: layered petals, leaves along a stem."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas, Point
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.figures.kit import oval
from sandbox.painter.noise import Rng
from sandbox.painter.trees import Polygon, stroke


def bouquet(canvas: Canvas, brief: Brief, rng: Rng, x: float, y: float, size: float, side: float) -> None:
    """Arrange flowers and leaves that spring from (x, y), about `size` px across."""
    accent = brief.colour if brief.colour is not None else brief.palette.accent
    tones = [
        accent,
        mix(accent, rgb("#fff3e6"), 0.55),
        mix(accent, brief.palette.sky[1], 0.45),
        mix(brief.palette.light, rgb("#fff3e6"), 0.5),
    ]
    green = mix(rgb("#4f7a52"), brief.palette.near, 0.25)
    heads: list[tuple[float, float, float]] = []
    for k in range(13):
        angle = -math.pi / 2 + (k - 6) / 6 * 1.15 + float(rng.normal(0, 0.1))
        away = size * float(rng.uniform(0.55, 1.0)) * (1.08 - 0.3 * abs(k - 6) / 6)
        heads.append((x + math.cos(angle) * away, y + math.sin(angle) * away, size * float(rng.uniform(0.13, 0.23))))
    stems = [
        stroke(
            [(x + (hx - x) * 0.05, y + 8), (x + (hx - x) * 0.4, y + (hy - y) * 0.55), (hx, hy)],
            [size * 0.016, size * 0.016, size * 0.012],
        )
        for hx, hy, _ in heads
    ]
    canvas.polygons(stems, shade(green, -0.05))
    for _ in range(8):
        angle = -math.pi / 2 + float(rng.uniform(-1.45, 1.45))
        sprig_at(
            canvas,
            rng,
            x,
            y,
            angle,
            size * float(rng.uniform(0.6, 1.05)),
            shade(green, float(rng.uniform(-0.05, 0.09))),
        )
    for index in rng.permutation(len(heads)).tolist():
        hx, hy, radius = heads[index]
        bloom(canvas, rng, hx, hy, radius * 0.62 if index % 4 == 3 else radius, tones[index % len(tones)], side)


def bloom(canvas: Canvas, rng: Rng, x: float, y: float, radius: float, tone: Array, side: float) -> None:
    """Paint one open flower: three rings of petals, each lighter and smaller, around a heart."""
    turn = float(rng.uniform(0, math.tau))
    for ring, (reach, size, lift) in enumerate(((0.66, 0.5, -0.07), (0.46, 0.42, 0.0), (0.25, 0.32, 0.055))):
        n = 8 - ring
        petals: list[Polygon] = []
        for k in range(n):
            a = turn + ring * 0.4 + k / n * math.tau + float(rng.normal(0, 0.06))
            petals.append(
                oval(
                    x + math.cos(a) * radius * reach,
                    y + math.sin(a) * radius * reach * 0.9,
                    radius * size,
                    radius * size * 0.68,
                    math.degrees(a),
                )
            )
        canvas.polygons(petals[::2], shade(tone, lift))
        canvas.polygons(petals[1::2], shade(tone, lift + 0.022))
    canvas.disc(x, y, radius * 0.15, mix(tone, rgb("#f2b632"), 0.75), softness=2)
    canvas.disc(x + side * radius * 0.3, y - radius * 0.34, radius * 0.4, rgb("#ffffff"), 0.1, softness=radius * 0.5)


def sprig(canvas: Canvas, rng: Rng, x: float, y: float, size: float, tone: Array, side: float) -> None:
    """Lean a leafy sprig against whatever stands at (x, y)."""
    for k in range(3):
        sprig_at(
            canvas,
            rng,
            x,
            y,
            -math.pi / 2 + side * (0.2 + 0.32 * k),
            size * (1 - 0.18 * k),
            shade(tone, -0.03 * k),
        )


def sprig_at(canvas: Canvas, rng: Rng, x: float, y: float, angle: float, length: float, tone: Array) -> None:
    """Paint one sprig from (x, y) in a direction: a bowed stem with paired leaves."""
    bend = float(rng.uniform(-0.4, 0.4))
    path: list[Point] = []
    px, py, a = x, y, angle
    for _ in range(9):
        path.append((px, py))
        px, py, a = px + math.cos(a) * length / 8, py + math.sin(a) * length / 8, a + bend / 8
    leaves: list[Polygon] = []
    for i in range(2, 9):
        for hand in (-1, 1):
            leaf = length * 0.17 * math.sin(math.pi * min(1.0, (i + 1.5) / 10.5))
            direction = angle + bend * i / 8 + hand * 0.8
            leaves.append(
                oval(
                    path[i][0] + math.cos(direction) * leaf * 0.7,
                    path[i][1] + math.sin(direction) * leaf * 0.7,
                    leaf * 0.72,
                    leaf * 0.26,
                    math.degrees(direction),
                )
            )
    canvas.polygons([stroke(path, np.linspace(length * 0.022, length * 0.008, 9).tolist())], shade(tone, -0.05))
    canvas.polygons(leaves, tone)
