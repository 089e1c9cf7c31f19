"""Vases, bottles, candles, books."""

from __future__ import annotations

from sandbox.painter import flowers
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.lathe import contact, turned
from sandbox.painter.noise import Rng


def vase(
    canvas: Canvas, brief: Brief, rng: Rng, x: float, foot: float, base: float, side: float, shadow: Array
) -> None:
    tall = base * float(rng.uniform(0.26, 0.31))
    shapes = (
        [(0.2, 0), (0.34, 0.2), (0.38, 0.42), (0.24, 0.74), (0.13, 0.9), (0.17, 1.0)],
        [(0.26, 0), (0.3, 0.3), (0.27, 0.7), (0.2, 0.9), (0.24, 1.0)],
        [(0.17, 0), (0.4, 0.3), (0.4, 0.5), (0.2, 0.8), (0.12, 0.88), (0.14, 1.0)],
    )
    glaze = (
        mix(brief.palette.near, brief.palette.sky[1], 0.45)
        if rng.random() < 0.5
        else mix(rgb("#f1e7da"), brief.palette.haze, 0.25)
    )
    contact(canvas, x, foot, tall * 0.36, shadow, side=side)
    flowers.bouquet(canvas, brief, rng, x, foot - tall * 0.96, base * 0.36, side)
    turned(canvas, shapes[int(rng.integers(0, 3))], x, foot, tall, glaze, side=side, gloss=0.4)


def bottle(
    canvas: Canvas, brief: Brief, rng: Rng, x: float, foot: float, base: float, side: float, shadow: Array
) -> None:
    tone = brief.colour if brief.colour is not None else brief.palette.accent
    podium = base * 0.085
    stone = mix(mix(brief.palette.light, rgb("#fff6ea"), 0.4), brief.palette.sky[2], 0.22)
    contact(canvas, x, foot + podium * 0.2, podium * 3.0, shadow, side=side, length=0.7)
    turned(
        canvas,
        [(3.0, 0), (3.0, 1.0)],
        x,
        foot + podium * 0.35,
        podium,
        stone,
        side=side,
        gloss=0.05,
        smooth=False,
        mouth=shade(stone, 0.05),
    )
    top = foot - podium * 0.62
    tall = base * 0.42
    slim = bool(brief.words & {"wine", "juice", "oil", "beer"})
    contact(canvas, x, top, tall * 0.17, shadow, side=side, length=0.6)
    body = (
        [(0.13, 0), (0.135, 0.02), (0.135, 0.6), (0.12, 0.68), (0.048, 0.78), (0.045, 0.97), (0.05, 1.0)]
        if slim
        else [(0.185, 0), (0.195, 0.02), (0.195, 0.56), (0.18, 0.62), (0.07, 0.66), (0.07, 0.72)]
    )
    turned(canvas, body, x, top, tall, mix(tone, brief.palette.near, 0.15), side=side, gloss=0.6, smooth=False)
    cap = mix(rgb("#d9b26a"), brief.palette.near, 0.15)
    if not slim:
        turned(
            canvas,
            [(0.085, 0), (0.085, 0.2), (0.08, 0.21)],
            x,
            top - tall * 0.71,
            tall,
            cap,
            side=side,
            gloss=0.7,
            smooth=False,
        )
    label = mix(rgb("#fbf4e8"), tone, 0.06)
    half = (0.134 if slim else 0.194) * tall
    turned(
        canvas,
        [(half / tall, 0), (half / tall, 0.24)],
        x,
        top - tall * 0.15,
        tall,
        label,
        side=side,
        gloss=0.12,
        smooth=False,
    )
    canvas.polygons(
        [
            [
                (x - half * 0.4, top - tall * 0.3),
                (x + half * 0.4, top - tall * 0.3),
                (x + half * 0.4, top - tall * 0.293),
                (x - half * 0.4, top - tall * 0.293),
            ],
            [
                (x - half * 0.25, top - tall * 0.25),
                (x + half * 0.25, top - tall * 0.25),
                (x + half * 0.25, top - tall * 0.246),
                (x - half * 0.25, top - tall * 0.246),
            ],
        ],
        shade(tone, -0.15),
    )
    flowers.sprig(
        canvas,
        rng,
        x + side * base * 0.24,
        foot + podium * 0.1,
        base * 0.3,
        mix(rgb("#7d9a6a"), brief.palette.haze, 0.25),
        -side,
    )


def candle(
    canvas: Canvas, brief: Brief, rng: Rng, x: float, foot: float, base: float, side: float, shadow: Array
) -> None:
    for dx, share in ((0.0, 1.0), (0.13, 0.62), (-0.12, 0.44)):
        cx, tall = x + dx * base, base * 0.26 * share
        contact(canvas, cx, foot, base * 0.05, shadow, side=side)
        turned(
            canvas,
            [(0.045 * base / tall, 0), (0.045 * base / tall, 1.0)],
            cx,
            foot,
            tall,
            rgb("#f3e6cf"),
            side=side,
            gloss=0.1,
            smooth=False,
            mouth=rgb("#ffe7b0"),
        )
        y = foot - tall - base * 0.03
        canvas.glow(cx, y, base * 0.2, rgb("#ffb85c"), 0.5)
        canvas.polygons(
            [
                [
                    (cx, y - base * 0.045),
                    (cx + base * 0.013, y + base * 0.005),
                    (cx, y + base * 0.028),
                    (cx - base * 0.013, y + base * 0.005),
                ]
            ],
            rgb("#ffe9a8"),
        )


def books(
    canvas: Canvas, brief: Brief, rng: Rng, x: float, foot: float, base: float, side: float, shadow: Array
) -> None:
    contact(canvas, x, foot, base * 0.16, shadow, side=side)
    y = foot
    for tone in (
        brief.palette.accent,
        brief.palette.sky[1],
        mix(brief.palette.near, rgb("#ffffff"), 0.15),
        brief.palette.haze,
    ):
        wide, high = base * float(rng.uniform(0.13, 0.17)), base * float(rng.uniform(0.034, 0.05))
        shift = float(rng.normal(0, 0.012)) * base
        canvas.polygons(
            [
                [
                    (x - wide + shift, y - high),
                    (x + wide + shift, y - high),
                    (x + wide + shift, y),
                    (x - wide + shift, y),
                ]
            ],
            shade(tone, -0.04),
        )
        canvas.polygons(
            [
                [
                    (x + shift + side * wide * 0.4, y - high * 0.82),
                    (x + shift + side * wide, y - high * 0.82),
                    (x + shift + side * wide, y - high * 0.18),
                    (x + shift + side * wide * 0.4, y - high * 0.18),
                ]
            ],
            rgb("#f6ecd8"),
        )
        canvas.polygons(
            [
                [
                    (x + shift - side * wide * 0.8, y - high),
                    (x + shift - side * wide * 0.72, y - high),
                    (x + shift - side * wide * 0.72, y),
                    (x + shift - side * wide * 0.8, y),
                ]
            ],
            mix(tone, rgb("#ffe9b8"), 0.6),
        )
        y -= high
