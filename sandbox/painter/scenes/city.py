"""Skylines: towers in haze, lit windows, neon, and wet reflections."""

from __future__ import annotations

import numpy as np

from sandbox.painter import cast, sky, terrain, water
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.noise import Rng

_WARM, _COOL = rgb("#ffd27a"), rgb("#cfe4ff")


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint a city across water or wet ground."""
    rng = brief.rng("city")
    ground = int(canvas.height * float(rng.uniform(0.72, 0.8)))
    sun = sky.paint_sky(canvas, brief, ground, height=float(rng.uniform(0.3, 0.62)), size=1.3)
    cast.in_air(canvas, brief, rng, ground * 0.7, sun)
    air = sky.haze_colour(brief)
    hump = float(rng.uniform(0.3, 0.7))
    layers = 4
    for layer in range(layers):
        near = 0.1 + 0.85 * layer / (layers - 1)
        _row(canvas, brief, rng, ground, near, hump, air)
        if layer < layers - 1:
            terrain.mist(canvas, rng, ground - canvas.height * 0.03, canvas.height * (0.17 - 0.03 * layer), air, 0.62)
    if brief.palette.dark:
        canvas.glow(canvas.width * hump, ground, canvas.width * 0.5, brief.palette.sky[-1], 0.22)
    water.lay(canvas, brief, ground, sun, calm=0.62, tint=0.24)


def _row(canvas: Canvas, brief: Brief, rng: Rng, ground: int, near: float, hump: float, air: Array) -> None:
    """Paint one row of buildings from left to right; nearer rows are darker and have windows."""
    x = -int(rng.integers(0, 40))
    tone = mix(air, brief.palette.depth(near), 0.25 + 0.75 * near)
    reach = ground * (0.74 - 0.3 * near)
    while x < canvas.width:
        width = int(float(rng.uniform(34, 86)) * canvas.unit * (0.75 + 0.5 * near))
        away = abs((x + width / 2) / canvas.width - hump)
        swell = max(0.3, 1.08 - 1.35 * away)
        height = int(reach * swell * float(rng.uniform(0.42, 1.0)))
        if rng.random() < 0.09 and near < 0.9:
            height = int(reach * float(rng.uniform(1.0, 1.16)) * swell)
        _building(
            canvas,
            brief,
            rng,
            x,
            width,
            ground - height,
            ground,
            shade(tone, float(rng.uniform(-0.025, 0.025))),
            near,
            air,
        )
        x += width + int(float(rng.uniform(-6, 14)) * canvas.unit)


def _building(
    canvas: Canvas,
    brief: Brief,
    rng: Rng,
    x: int,
    width: int,
    top: int,
    ground: int,
    tone: Array,
    near: float,
    air: Array,
) -> None:
    kind = int(rng.integers(0, 6))
    height = ground - top
    _crown(canvas, rng, kind, x, width, top, tone)
    steps = [(0, 1.0, 0)] if kind != 1 else [(0, 0.56, 0), (int(height * 0.12), 0.78, 0), (int(height * 0.3), 1.0, 0)]
    foot = mix(tone, air, 0.42 * (1.15 - near))
    for drop, share, _ in steps:
        w = int(width * share)
        left = x + (width - w) // 2
        _slab(canvas, left, top + drop, w, ground - top - drop, tone, foot)
        _lit_side(canvas, brief, left, top + drop, w, ground - top - drop, near)
    if near > 0.3:
        _windows(canvas, brief, rng, x, width, top + int(height * 0.05), ground, near, kind)
    if near > 0.6 and brief.palette.dark and rng.random() < 0.4:
        _sign(canvas, brief, rng, x, width, top, ground)


def _slab(canvas: Canvas, left: int, top: int, width: int, height: int, upper: Array, lower: Array) -> None:
    if height < 1 or width < 1:
        return
    share = np.linspace(0, 1, height, dtype=np.float32)[None, :, None]
    colour = upper[:, None, None] + (lower - upper)[:, None, None] * share
    canvas.blend(np.ones((height, width), np.float32), colour, top, left)


def _lit_side(canvas: Canvas, brief: Brief, left: int, top: int, width: int, height: int, near: float) -> None:
    """Catch the sky's light on one wall, so that a block reads as a body."""
    wall = max(2, int(width * 0.24))
    if height > 4:
        canvas.blend(np.full((height, wall), 0.1 + 0.06 * (1 - near), np.float32), brief.palette.light, top, left)


def _crown(canvas: Canvas, rng: Rng, kind: int, x: int, width: int, top: int, tone: Array) -> None:
    middle = x + width / 2
    tall = width * float(rng.uniform(0.35, 0.9))
    w = max(1.2, width * 0.025)
    if kind in (0, 1):
        canvas.polygons(
            [
                [
                    (middle - w, top),
                    (middle - w * 0.3, top - tall),
                    (middle + w * 0.3, top - tall),
                    (middle + w, top),
                ]
            ],
            tone,
        )
    elif kind == 2:
        canvas.polygons([[(x, top + 1), (x + width, top + 1), (x + width, top - tall * 0.5)]], tone)
    elif kind == 3:
        canvas.polygons([[(x + width * 0.12, top + 1), (middle, top - tall * 0.8), (x + width * 0.88, top + 1)]], tone)
    elif kind == 4:
        tank = width * 0.16
        canvas.polygons(
            [
                [
                    (x + width * 0.2, top + 1),
                    (x + width * 0.2, top - tank),
                    (x + width * 0.2 + tank, top - tank),
                    (x + width * 0.2 + tank, top + 1),
                ]
            ],
            tone,
        )


def _windows(
    canvas: Canvas, brief: Brief, rng: Rng, x: int, width: int, top: int, ground: int, near: float, kind: int
) -> None:
    """Light some windows: a grid of cells, each on or off, in floors that often share one habit."""
    dark = brief.palette.dark or brief.palette.name in ("sunset", "rose", "gold")
    pitch_y = max(6, int((7 + 5 * near) * canvas.unit))
    pitch_x = max(5, int((5.5 + 4.5 * near) * canvas.unit))
    margin = max(3, int(width * 0.09)) + (int(width * 0.2) if kind == 1 else 0)
    columns, floors = (width - 2 * margin) // pitch_x, (ground - top - 6) // pitch_y
    if columns < 1 or floors < 1:
        return
    habit = rng.random((floors, 1)) * 0.5 + rng.random((floors, columns)) * 0.7
    lit = (habit < (0.42 if dark else 0.5)).astype(np.float32) * rng.uniform(0.35, 1.0, (floors, columns)).astype(
        np.float32
    )
    cell = np.zeros((pitch_y, pitch_x), np.float32)
    cell[: max(2, int(pitch_y * 0.55)), : max(2, int(pitch_x * 0.6))] = 1
    mask = np.kron(lit, cell)
    warm = _WARM if rng.random() < 0.72 else (_COOL if brief.palette.name != "neon" else brief.palette.light)
    strength = (0.35 + 0.6 * near) if dark else 0.22
    colour = warm if dark else mix(brief.palette.sky[1], rgb("#ffffff"), 0.3)
    canvas.blend(mask * np.float32(strength), colour, top, x + margin)


def _sign(canvas: Canvas, brief: Brief, rng: Rng, x: int, width: int, top: int, ground: int) -> None:
    colours = [brief.palette.accent, brief.palette.light, rgb("#ff4f9e"), rgb("#ffd166")]
    colour = colours[int(rng.integers(0, len(colours)))]
    w, h = max(4, int(width * 0.13)), int((ground - top) * float(rng.uniform(0.14, 0.3)))
    left, y = (
        x + int(width * float(rng.choice([0.08, 0.8]))),
        top + int((ground - top) * float(rng.uniform(0.1, 0.4))),
    )
    canvas.blend(np.full((h, w), 0.92, np.float32), mix(colour, rgb("#ffffff"), 0.25), y, left)
    reach = w * 7
    ys, xs = np.mgrid[-reach : h + reach, -reach : w + reach].astype(np.float32)
    dx, dy = np.maximum(np.maximum(-xs, xs - w), 0), np.maximum(np.maximum(-ys, ys - h), 0)
    away = np.sqrt(dx * dx + dy * dy) / reach
    canvas.add((np.clip(1 - away, 0, 1) ** 2.4 * 0.5).astype(np.float32), colour, y - reach, left - reach)
