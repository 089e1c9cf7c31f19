"""Still lives: a table by a window, and on it what the prompt names: cup, vase, fruit, bottle, candle, books, cake."""

from __future__ import annotations

import numpy as np

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.noise import Rng, enlarge, field
from sandbox.painter.table import THINGS

_WORDS = {
    "vase": "vase bouquet flower flowers ceramic pottery rose tulip peony plant still",
    "fruit": "fruit apple orange pear lemon bowl food breakfast peach lime",
    "cup": "cup coffee tea mug teapot espresso latte breakfast cafe cappuccino croissant",
    "bottle": "bottle perfume product mockup cosmetic wine packaging juice honey jar cocktail glass jewelry",
    "candle": "candle lamp",
    "books": "book library reading",
    "cake": "cake dessert bread cupcake pie donut pancake",
}


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint a still life."""
    rng = brief.rng("stilllife")
    side = -1.0 if rng.random() < 0.5 else 1.0
    shadow = _room(canvas, brief, rng, side)
    things = [name for name, listed in _WORDS.items() if brief.words & set(listed.split())] or [
        "vase",
        "fruit",
    ]
    product = bool(brief.words & {"product", "mockup", "perfume", "cosmetic", "packaging"})
    if product:
        things = ["bottle"]
    base = min(canvas.width, canvas.height * 1.1) * (1.0 if len(things) > 1 else 1.22)
    places = {1: (0.5,), 2: (0.42, 0.66), 3: (0.5, 0.27, 0.74)}[min(len(things), 3)]
    if side > 0:
        places = tuple(1 - place for place in places)
    order = sorted(zip(things[:3], places, strict=False), key=lambda pair: pair[0] in ("fruit", "cup", "cake"))
    for thing, place in order:
        x = canvas.width * place
        foot = canvas.height * (0.84 if thing in ("fruit", "cup", "cake") else 0.79)
        THINGS[thing](canvas, brief, rng, x, foot, base, side, shadow)


def _room(canvas: Canvas, brief: Brief, rng: Rng, side: float) -> Array:
    """Paint wall, table and light; return the colour of shadows."""
    palette = brief.palette
    wall = (
        mix(mix(palette.sky[2], palette.haze, 0.45), palette.accent, float(rng.uniform(0, 0.3)))
        if not palette.dark
        else mix(palette.sky[1], palette.haze, 0.25)
    )
    if brief.colour is not None:
        wall = mix(mix(brief.colour, rgb("#fff4e6"), 0.72), wall, 0.25)
    table = int(canvas.height * 0.7)
    cloth = mix(mix(palette.light, rgb("#f4e6d2"), 0.5), palette.near, 0.35 if palette.dark else 0.06)
    shadow = mix(shade(wall, -0.32), palette.near, 0.5)
    rows = np.linspace(0, 1, table, dtype=np.float32)
    upper, lower = shade(wall, -0.05), shade(wall, 0.04)
    canvas.fill_rows((upper + (lower - upper) * rows[:, None]).astype(np.float32))
    front = np.linspace(0, 1, canvas.height - table, dtype=np.float32)
    canvas.fill_rows(
        (shade(cloth, 0.02) + (shade(cloth, -0.09) - shade(cloth, 0.02)) * front[:, None]).astype(np.float32),
        table,
    )
    plaster = field(rng, canvas.height, canvas.width, cell=150 * canvas.unit, octaves=4, coarse=4)
    canvas.pixels *= 1 + plaster[None] * np.float32(0.022)
    _window_light(canvas, rng, side, table, mix(palette.sun, palette.light, 0.5))
    edge = (
        np.exp(-np.abs(canvas.rows() - np.float32(table)) / np.float32(7 * canvas.unit))
        * np.ones((1, canvas.width), np.float32)
        * 0.22
    )
    canvas.blend(edge.astype(np.float32), shadow)
    canvas.glow(
        canvas.width * (0.5 + 0.5 * side),
        canvas.height * 0.1,
        canvas.width * 0.8,
        mix(palette.sun, palette.light, 0.4),
        0.22,
    )
    return shadow


def _window_light(canvas: Canvas, rng: Rng, side: float, table: int, colour: Array) -> None:
    """Throw the light of a paned window aslant on the wall."""
    step = 4
    ys = np.arange(0, table, step, dtype=np.float32)[:, None] / table
    xs = np.arange(0, canvas.width, step, dtype=np.float32)[None] / canvas.width
    u = (xs - 0.5) * -side + ys * 0.42 - 0.1 + float(rng.uniform(-0.08, 0.08))
    v = ys
    panes = np.zeros_like(u + v)
    for i in range(2):
        for j in range(3):
            cu, cv = -0.02 + 0.2 * i, 0.2 + 0.225 * j
            soft = 0.018
            panes = np.maximum(
                panes, _soft_box((u - cu) / 0.088, soft / 0.088) * _soft_box((v - cv) / 0.098, soft / 0.098)
            )
    leaf = field(rng, panes.shape[0], panes.shape[1], cell=34, octaves=2, coarse=1)
    light = panes * (0.24 + 0.06 * leaf)
    canvas.add(enlarge(light.astype(np.float32), table, canvas.width).clip(0, 1), colour)


def _soft_box(value: Array, soft: float) -> Array:
    result: Array = np.clip((1 - np.abs(value)) / np.float32(soft * 2) + 0.5, 0, 1)
    return result
