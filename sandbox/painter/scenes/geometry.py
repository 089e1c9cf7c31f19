"""The geometric manner of the abstract scene: tiles of quarter circles, arcs, stripes and dots."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas, Point
from sandbox.painter.colour import Array, mix, rgb
from sandbox.painter.noise import Rng, field


def paint(canvas: Canvas, brief: Brief, rng: Rng, tones: Array) -> None:
    """Tile the sheet, in the seven `tones` from dark to light."""
    paper_tone = mix(tones[6], rgb("#f7efe0"), 0.6)
    options = [
        tones[0],
        tones[2],
        tones[3],
        brief.palette.accent,
        mix(brief.palette.light, rgb("#f2b84b"), 0.35),
        tones[5],
    ]
    canvas.pixels[:] = paper_tone[:, None, None]
    across = 4 if canvas.width <= canvas.height else 6
    size = canvas.width / across
    down = math.ceil(canvas.height / size)
    shift = (canvas.height - down * size) / 2
    for row in range(down):
        for column in range(across):
            _tile(canvas, rng, column * size, shift + row * size, size, options, paper_tone)
    canvas.pixels += (field(rng, canvas.height, canvas.width, cell=6, octaves=2, coarse=1) * np.float32(0.014))[None]


def _tile(canvas: Canvas, rng: Rng, x: float, y: float, s: float, options: list[Array], paper_tone: Array) -> None:
    order = rng.permutation(len(options))
    ground, ink, third = (options[int(order[k])] for k in range(3))
    if rng.random() < 0.3:
        ground = paper_tone
    square = [(x, y), (x + s, y), (x + s, y + s), (x, y + s)]
    canvas.polygons([square], ground, scale=2)
    kind, turn_ = int(rng.integers(0, 8)), int(rng.integers(0, 4))
    cx, cy = (x + s * (turn_ in (1, 2)), y + s * (turn_ in (2, 3)))
    start = (0, 90, 180, 270)[turn_]
    if kind in (0, 1):
        canvas.polygons([_sector(cx, cy, s, start, 90)], ink)
        if kind == 1:
            canvas.polygons([_sector(cx, cy, s * 0.52, start, 90)], third)
    elif kind == 2:
        for k, tone in ((1.0, ink), (0.76, ground), (0.52, third), (0.28, ground)):
            canvas.polygons([_sector(cx, cy, s * k, start, 90)], tone)
    elif kind == 3:
        canvas.disc(x + s / 2, y + s / 2, s * 0.38, ink)
        canvas.disc(x + s / 2, y + s / 2, s * 0.17, third)
    elif kind == 4:
        canvas.polygons([[square[turn_], square[(turn_ + 1) % 4], square[(turn_ + 2) % 4]]], ink)
    elif kind == 5:
        bars = [
            [
                (x, y + s * (2 * k) / 7),
                (x + s, y + s * (2 * k) / 7),
                (x + s, y + s * (2 * k + 1) / 7),
                (x, y + s * (2 * k + 1) / 7),
            ]
            for k in range(4)
        ]
        canvas.polygons([[(y2 - y + x, x2 - x + y) for x2, y2 in bar] for bar in bars] if turn_ % 2 else bars, ink)
    elif kind == 6:
        canvas.polygons([_sector(x + s / 2, y + s * (0 if turn_ % 2 else 1), s / 2, 0 if turn_ % 2 else 180, 180)], ink)
        canvas.polygons([_sector(x + s / 2, y + s / 2, s * 0.25, 0 if turn_ % 2 else 180, 180)], third)
    else:
        canvas.polygons(
            [
                _sector(x + s * (i + 0.5) / 4, y + s * (j + 0.5) / 4, s * 0.06, 0, 360)
                for i in range(4)
                for j in range(4)
            ],
            ink,
        )


def _sector(cx: float, cy: float, radius: float, start: float, sweep: float) -> list[Point]:
    arc = [
        (
            cx + radius * math.cos(math.radians(start + sweep * t)),
            cy + radius * math.sin(math.radians(start + sweep * t)),
        )
        for t in np.linspace(0, 1, 49).tolist()
    ]
    return arc if sweep >= 360 else [(cx, cy), *arc]
