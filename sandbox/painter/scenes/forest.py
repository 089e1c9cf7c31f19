"""Woods: firs or tall trunks receding into light, shafts of sun, ferns in front."""

from __future__ import annotations

import numpy as np

from sandbox.painter import cast, figures, sky, terrain, trees
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, shade
from sandbox.painter.figures.kit import stand
from sandbox.painter.noise import Rng, line
from sandbox.painter.sky import Sun


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint a forest; fir woods or a hall of trunks."""
    rng = brief.rng("forest")
    horizon = canvas.height * 0.72
    sun = sky.paint_sky(canvas, brief, horizon, size=1.5, height=float(rng.uniform(0.42, 0.6)), clouds=False)
    trunks = (
        bool(brief.words & {"birch", "grove", "jungle", "rainforest", "bamboo", "enchanted", "fairy", "wood", "woods"})
        or rng.random() < 0.4
    )
    cast.in_air(canvas, brief, rng, horizon * 0.6, sun)
    ground = _hall(canvas, brief, rng, sun) if trunks else _firs(canvas, brief, rng, sun)
    cast.rays(canvas, rng, sun.x, sun.y, mix(brief.palette.light, brief.palette.sun, 0.5), 0.42)
    ink = brief.palette.depth(1.0)
    _perch(canvas, brief, rng, sun)
    cast.on_ground(canvas, brief, rng, ground, sun, scale=1.55, near=0.98, span=(0.36, 0.64))
    front = (ground + canvas.height * 0.09 + line(rng, canvas.width, cell=300 * canvas.unit) * 12).astype(np.float32)
    cast.grass(canvas, rng, front, 34 * canvas.unit, shade(ink, -0.02), density=1.2)
    canvas.below(front, shade(ink, -0.02), shade(ink, -0.05), canvas.height * 0.1)
    _frame(canvas, brief, rng)


def _firs(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun) -> Array:
    air = mix(sky.haze_colour(brief), brief.palette.light, 0.2)
    layers = 6
    ground = np.full(canvas.width, canvas.height * 0.9, np.float32)
    for layer in range(layers):
        near = (layer / (layers - 1)) ** 1.2
        ground = terrain.hills(
            rng, canvas, canvas.height * (0.6 + 0.3 * near), canvas.height * 0.05, 430 * canvas.unit
        ).astype(np.float32)
        tone = mix(air, brief.palette.depth(0.15 + 0.8 * near), 0.25 + 0.75 * near)
        tall = canvas.height * (0.16 + 0.34 * near)
        gap = 1.0 if layer < layers - 1 else 1.7
        trees.conifer_row(canvas, rng, ground, min(tall, canvas.width * 0.5), tone, spacing=0.27 * gap)
        canvas.below(ground, tone, mix(tone, air, 0.55 * (1 - near)), canvas.height * 0.16)
        if layer < layers - 1:
            terrain.mist(
                canvas,
                rng,
                float(ground.mean()) + canvas.height * 0.02,
                canvas.height * 0.1,
                air,
                0.6 * (1.1 - near),
            )
    return ground


def _hall(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun) -> Array:
    """Stand tall trunks one behind the other, each with a lit edge, under a roof of leaves."""
    palette = brief.palette
    air = mix(sky.haze_colour(brief), palette.light, 0.25)
    leafy = (
        mix(palette.accent, palette.near, 0.3)
        if palette.name in ("autumn", "rose", "spring", "crimson")
        else palette.depth(0.6)
    )
    ground = np.full(canvas.width, canvas.height * 0.88, np.float32)
    layers = 5
    for layer in range(layers):
        near = layer / (layers - 1)
        ground = terrain.hills(
            rng, canvas, canvas.height * (0.66 + 0.24 * near), canvas.height * 0.04, 360 * canvas.unit
        ).astype(np.float32)
        tone = mix(air, palette.depth(0.25 + 0.75 * near), 0.22 + 0.78 * near)
        wide = (7 + 40 * near**1.6) * canvas.unit
        count = int(16 - 11 * near)
        places = [canvas.width * (k + float(rng.uniform(0.15, 0.85))) / count for k in range(count)]
        if layer == layers - 1:
            places = [x for x in places if abs(x / canvas.width - 0.5) > 0.2]
        woods, edges = [], []
        for x in places:
            foot = float(ground[int(np.clip(x, 0, canvas.width - 1))]) + 6
            w = wide * float(rng.uniform(0.6, 1.2))
            bow = float(rng.normal(0, 16)) * canvas.unit
            path = [(x, foot), (x + bow * 0.4, foot * 0.66), (x + bow, foot * 0.3), (x + bow * 1.5, -20.0)]
            woods.append(trees.stroke(path, [w * 1.5, w, w * 0.86, w * 0.74]))
            side = np.sign(sun.x - x)
            edges.append(
                trees.stroke([(px + side * w * 0.38, py) for px, py in path], [w * 0.34, w * 0.2, w * 0.17, w * 0.14])
            )
            for _ in range(3):
                y = foot * float(rng.uniform(0.05, 0.5))
                reach = w * float(rng.uniform(2.5, 5)) * float(rng.choice([-1, 1]))
                woods.append(
                    trees.stroke(
                        [
                            (x + bow * 0.6, y),
                            (x + reach * 0.5, y - abs(reach) * 0.3),
                            (x + reach, y - abs(reach) * 0.75),
                        ],
                        [w * 0.34, w * 0.2, w * 0.04],
                    )
                )
        canvas.polygons(woods, tone)
        canvas.polygons(edges, mix(tone, palette.light, 0.5), 0.42)
        _roof(canvas, rng, mix(air, leafy, 0.25 + 0.7 * near), near)
        canvas.below(ground, tone, mix(tone, air, 0.5 * (1 - near)), canvas.height * 0.16)
        if layer < layers - 1:
            terrain.mist(canvas, rng, float(ground.mean()), canvas.height * 0.12, air, 0.5 * (1.15 - near))
    return ground


def _roof(canvas: Canvas, rng: Rng, colour: Array, near: float) -> None:
    depth = canvas.height * (0.3 - 0.16 * near)
    shapes = []
    for _ in range(int(70 + 30 * near)):
        x, y = float(rng.uniform(-40, canvas.width + 40)), float(rng.beta(1.1, 2.6)) * depth - 12
        size = float(rng.uniform(14, 34)) * canvas.unit * (0.7 + 0.6 * near)
        shapes.append(
            [
                (x + np.cos(a) * size * r, y + np.sin(a) * size * r * 0.6)
                for a, r in zip(np.linspace(0, 6.283, 10)[:-1].tolist(), rng.uniform(0.6, 1.2, 9).tolist(), strict=True)
            ]
        )
    canvas.polygons(shapes, colour, 0.92)


def _perch(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun) -> None:
    for subject, figure in figures.PERCHED.items():
        if brief.has(subject):
            tall = min(canvas.height, canvas.width) * 0.34
            x = canvas.width * float(rng.uniform(0.4, 0.6))
            stand(
                canvas,
                figure,
                x,
                canvas.height * 0.62,
                tall,
                cast.colours(brief, 0.98, subject),
                flip=bool(rng.random() < 0.5),
                rim=(brief.palette.light, 1.0 if sun.x > x else -1.0),
            )


def _frame(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Let a dark trunk or two at the edges frame the view."""
    ink = shade(brief.palette.depth(1.0), -0.06)
    for edge in (0, 1):
        if rng.random() < 0.35:
            continue
        x = canvas.width * (edge + (0.02 if edge == 0 else -0.02))
        w = 70 * canvas.unit * float(rng.uniform(0.7, 1.2))
        inward = 1 if edge == 0 else -1
        path = [
            (x, canvas.height + 10.0),
            (x + inward * 12, canvas.height * 0.6),
            (x - inward * 6, canvas.height * 0.3),
            (x + inward * 10, -10.0),
        ]
        shapes = [trees.stroke(path, [w * 1.6, w, w * 0.86, w * 0.8])]
        for _ in range(3):
            y = canvas.height * float(rng.uniform(0.06, 0.42))
            reach = inward * canvas.width * float(rng.uniform(0.08, 0.2))
            shapes.append(
                trees.stroke(
                    [(x, y), (x + reach * 0.5, y + abs(reach) * 0.06), (x + reach, y + abs(reach) * 0.34)],
                    [w * 0.3, w * 0.16, 1.0],
                )
            )
        canvas.polygons(shapes, ink)
