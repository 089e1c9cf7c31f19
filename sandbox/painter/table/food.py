"""Fruit, cups and cakes."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.lathe import ball, contact, turned
from sandbox.painter.noise import Rng
from sandbox.painter.trees import stroke

_FRUITS = {
    "apple": "#c8352f",
    "orange": "#f08a24",
    "lemon": "#f4cf3a",
    "pear": "#b9c04a",
    "peach": "#f2a27c",
    "lime": "#8fbf3f",
}


def fruit(
    canvas: Canvas, brief: Brief, rng: Rng, x: float, foot: float, base: float, side: float, shadow: Array
) -> None:
    named = [name for name in _FRUITS if name in brief.words]
    kinds = (named or ["orange", "pear", "lemon"]) * 3
    size = base * 0.072
    places = ((-1.1, -0.28), (0.95, -0.2), (0.0, 0.28))
    if brief.words & {"bowl"} or (not named and rng.random() < 0.4):
        tall = base * 0.13
        contact(canvas, x, foot, tall * 1.2, shadow, side=side)
        for k, (dx, dy) in enumerate(((-1.25, 0.1), (1.25, 0.1), (0.0, -0.12), (-0.65, -0.75), (0.7, -0.7))):
            _one(canvas, kinds[k % len(kinds)], x + dx * size, foot - tall * 1.02 + dy * size, size, side)
        turned(
            canvas,
            [(0.42, 0), (0.5, 0.06), (1.0, 0.55), (1.3, 1.0)],
            x,
            foot,
            tall,
            mix(rgb("#e9dfd0"), brief.palette.sky[1], 0.3),
            side=side,
        )
        return
    for k, (dx, dy) in enumerate(places):
        cx, cy = x + dx * size * 1.15, foot + dy * size - size * 0.8
        contact(canvas, cx, cy + size * 0.92, size * 0.9, shadow, side=side, length=1.2)
        _one(canvas, kinds[k], cx, cy, size, side)


def _one(canvas: Canvas, kind: str, x: float, y: float, size: float, side: float) -> None:
    colour = rgb(_FRUITS[kind])
    stem = rgb("#5a4028")
    if kind == "pear":
        turned(
            canvas,
            [(0.18, 0), (0.4, 0.12), (0.44, 0.34), (0.3, 0.62), (0.19, 0.82), (0.05, 1.0)],
            x,
            y + size,
            size * 2.5,
            colour,
            side=side,
            gloss=0.28,
        )
        canvas.polygons(
            [stroke([(x, y - size * 1.4), (x + size * 0.08, y - size * 1.75)], [size * 0.12, size * 0.09])],
            stem,
        )
        return
    ball(
        canvas,
        x,
        y,
        size * (1.18 if kind == "lemon" else 1.02),
        size * (0.86 if kind == "lemon" else 0.98),
        colour,
        side=side,
    )
    if kind == "lemon":
        ball(
            canvas,
            x - side * size * 1.14,
            y,
            size * 0.2,
            size * 0.18,
            shade(colour, -0.06),
            side=side,
            gloss=0,
        )
        return
    canvas.polygons(
        [stroke([(x, y - size * 0.84), (x + size * 0.05, y - size * 1.2)], [size * 0.1, size * 0.08])], stem
    )
    leaf = [
        (x + size * 0.04, y - size * 0.98),
        (x + size * 0.34, y - size * 1.3),
        (x + size * 0.74, y - size * 1.22),
        (x + size * 0.4, y - size * 0.98),
    ]
    canvas.polygons([leaf], rgb("#5f8f3e"))


def cup(canvas: Canvas, brief: Brief, rng: Rng, x: float, foot: float, base: float, side: float, shadow: Array) -> None:
    tall = base * 0.17
    glaze = (
        brief.colour
        if brief.colour is not None
        else mix(rgb("#f7efe4"), brief.palette.accent, float(rng.choice([0.0, 0.35, 0.8])))
    )
    contact(canvas, x, foot + tall * 0.06, tall * 1.05, shadow, side=side)
    reach = int(tall * 1.1)
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    for share, tone in (
        (1.0, shade(glaze, -0.1)),
        (0.97, shade(glaze, 0.03)),
        (0.62, shade(glaze, -0.06)),
        (0.6, shade(glaze, 0.02)),
    ):
        away = np.sqrt((xs / (tall * 1.02 * share)) ** 2 + ((ys + (1 - share) * 4) / (tall * 0.22 * share)) ** 2)
        canvas.blend(
            np.clip((1 - away) * tall * 0.22 + 0.5, 0, 1).astype(np.float32),
            tone,
            int(foot) - reach,
            int(x) - reach,
        )
    hx = x - side * tall * 0.62
    loop = [
        (hx + math.cos(a) * tall * 0.27, foot - tall * 0.56 + math.sin(a) * tall * 0.27)
        for a in np.linspace(0, math.tau, 28).tolist()
    ]
    canvas.polygons([stroke(loop, [tall * 0.11] * 28)], shade(glaze, -0.05))
    drink = rgb("#8a5a3a") if brief.words & {"latte", "cappuccino", "coffee", "espresso"} else rgb("#a8622c")
    turned(
        canvas,
        [(0.3, 0), (0.44, 0.08), (0.58, 0.5), (0.64, 1.0)],
        x,
        foot - tall * 0.02,
        tall,
        glaze,
        side=side,
        gloss=0.45,
        mouth=drink,
    )
    _steam(canvas, rng, x, foot - tall * 1.1, tall)


def _steam(canvas: Canvas, rng: Rng, x: float, y: float, tall: float) -> None:
    wide, high = int(tall * 1.6), int(tall * 2.1)
    ys = np.linspace(0, 1, high, dtype=np.float32)[:, None]
    xs = np.arange(-wide, wide, dtype=np.float32)[None]
    mask = np.zeros((high, 2 * wide), np.float32)
    for k in (-1, 0, 1):
        phase = float(rng.uniform(0, 6))
        middle = k * tall * 0.24 + np.sin(ys * 7 + phase) * tall * 0.16 * (1.1 - ys)
        thick = tall * (0.035 + 0.1 * (1 - ys))
        mask += np.exp(-(((xs - middle) / thick) ** 2)) * ys**1.2 * (1 - ys) ** 0.4 * 0.42
    canvas.add(mask.clip(0, 0.6), rgb("#fffaf2"), int(y) - high, int(x) - wide)


def cake(
    canvas: Canvas, brief: Brief, rng: Rng, x: float, foot: float, base: float, side: float, shadow: Array
) -> None:
    tall = base * 0.2
    cream = brief.colour if brief.colour is not None else mix(rgb("#f7dfd4"), brief.palette.accent, 0.25)
    contact(canvas, x, foot, tall * 1.1, shadow, side=side)
    turned(
        canvas,
        [(0.4, 0), (0.3, 0.05), (0.12, 0.2), (0.12, 0.4), (1.15, 0.46), (1.18, 0.5)],
        x,
        foot,
        tall,
        rgb("#efe9e2"),
        side=side,
        smooth=False,
        mouth=rgb("#f7f3ee"),
    )
    turned(
        canvas,
        [(0.95, 0), (0.95, 0.62)],
        x,
        foot - tall * 0.52,
        tall,
        cream,
        side=side,
        gloss=0.08,
        smooth=False,
        mouth=shade(cream, 0.06),
    )
    turned(
        canvas,
        [(0.62, 0), (0.62, 0.5)],
        x,
        foot - tall * 1.1,
        tall,
        shade(cream, 0.05),
        side=side,
        gloss=0.08,
        smooth=False,
        mouth=shade(cream, 0.1),
    )
    for k in range(7):
        a = k / 7 * math.tau
        ball(
            canvas,
            x + math.cos(a) * tall * 0.46,
            foot - tall * 1.66 + math.sin(a) * tall * 0.09,
            tall * 0.1,
            tall * 0.1,
            rgb("#c8283c"),
            side=side,
        )
