"""Under water: shafts of light from above, weed and coral, shoals, one large swimmer."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter import cast, figures, terrain
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, ramp, rgb, shade
from sandbox.painter.figures.kit import curve, limb, oval, stand
from sandbox.painter.noise import Rng, enlarge, field
from sandbox.painter.trees import Polygon, stroke


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint the sea from within."""
    rng = brief.rng("underwater")
    water = _water(brief)
    canvas.fill_rows(ramp(water, np.linspace(0, 1, canvas.height, dtype=np.float32) ** 0.85))
    x = canvas.width * float(rng.uniform(0.3, 0.7))
    canvas.glow(x, -canvas.height * 0.05, canvas.height * 0.75, mix(water[0], rgb("#ffffff"), 0.5), 0.75, 1.5)
    cast.rays(canvas, rng, x, -canvas.height * 0.22, mix(water[0], rgb("#ffffff"), 0.6), 0.5)
    _caustics(canvas, rng, water)
    for layer in range(3):
        near = 0.3 + 0.35 * layer
        ridge = terrain.hills(
            rng, canvas, canvas.height * (0.84 + 0.07 * layer), canvas.height * 0.16, 300 * canvas.unit
        ).astype(np.float32)
        tone = mix(water[2], shade(water[3], -0.05), near)
        if layer == 1:
            _shoal(canvas, rng, mix(water[1], water[3], 0.55))
            _swimmers(canvas, brief, rng, water)
        _weeds(canvas, rng, ridge, shade(tone, -0.015), canvas.height * (0.1 + 0.1 * layer), int(9 + 5 * layer))
        if layer:
            _corals(canvas, brief, rng, ridge, water, layer)
        canvas.below(ridge, tone, shade(tone, -0.06), canvas.height * 0.2)
    _bubbles(canvas, rng, water)


def _water(brief: Brief) -> list[Array]:
    if brief.palette.name in ("ocean", "tropical", "day", "spring", "autumn", "desert", "vintage", "storm"):
        return [rgb("#9fe8e4"), rgb("#2fa5bf"), rgb("#11628f"), rgb("#072e55")]
    sky = brief.palette.sky
    return [
        mix(sky[-1], rgb("#8fd8e0"), 0.35),
        mix(sky[-2], rgb("#2a8fb5"), 0.5),
        mix(sky[1], rgb("#12558a"), 0.5),
        mix(sky[0], rgb("#06224a"), 0.5),
    ]


def _caustics(canvas: Canvas, rng: Rng, water: list[Array]) -> None:
    h = int(canvas.height * 0.3)
    net = field(rng, h, canvas.width, cell=70 * canvas.unit, stretch=2.4, octaves=3, ridged=True, coarse=2)
    fade = np.linspace(1, 0, h, dtype=np.float32)[:, None] ** 1.6
    canvas.add((np.clip(net - 0.35, 0, 1) * fade * 0.5).astype(np.float32), mix(water[0], rgb("#ffffff"), 0.6))


def _weeds(canvas: Canvas, rng: Rng, ground: Array, tone: Array, tall: float, count: int) -> None:
    shapes: list[Polygon] = []
    for _ in range(count):
        clump = float(rng.uniform(0, canvas.width))
        for _ in range(int(rng.integers(2, 6))):
            x = clump + float(rng.normal(0, 14)) * canvas.unit
            y = float(ground[int(np.clip(x, 0, canvas.width - 1))]) + 6
            h, phase = tall * float(rng.uniform(0.5, 1.3)), float(rng.uniform(0, 6))
            path = [(x + math.sin(phase + t * 5) * h * 0.09 * t, y - h * t) for t in np.linspace(0, 1, 14).tolist()]
            wide = float(rng.uniform(4, 9)) * canvas.unit
            shapes.append(stroke(path, [wide * (1 - t) ** 0.6 + 0.5 for t in np.linspace(0, 1, 14).tolist()]))
    canvas.polygons(shapes, tone)


def _corals(canvas: Canvas, brief: Brief, rng: Rng, ground: Array, water: list[Array], layer: int) -> None:
    options = [rgb("#ff7f6b"), rgb("#ffb36b"), rgb("#e86a9a"), rgb("#b583e0"), brief.palette.accent]
    for _ in range(5 + 2 * layer):
        x = float(rng.uniform(0.02, 0.98)) * canvas.width
        y = float(ground[int(np.clip(x, 0, canvas.width - 1))]) + 8
        size = canvas.height * float(rng.uniform(0.03, 0.075)) * (0.7 + 0.4 * layer)
        tone = mix(options[int(rng.integers(0, len(options)))], water[2], 0.5 - 0.17 * layer)
        if rng.random() < 0.6:
            canvas.polygons(_fan(rng, x, y, size), tone)
        else:
            canvas.polygons(
                [oval(x + size * 0.3 * k, y - size * 0.2, size * 0.34, size * 0.4) for k in (-1, 0, 1)], tone
            )
            canvas.polygons(
                [
                    oval(
                        x + float(rng.uniform(-0.5, 0.5)) * size,
                        y - size * float(rng.uniform(0.1, 0.5)),
                        2.2,
                        2.2,
                    )
                    for _ in range(12)
                ],
                shade(tone, 0.08),
            )


def _fan(rng: Rng, x: float, y: float, size: float) -> list[Polygon]:
    shapes: list[Polygon] = []
    pending = [(x, y, -math.pi / 2, size * 0.42, size * 0.13, 0)]
    while pending:
        x0, y0, a, length, wide, level = pending.pop()
        x1, y1 = x0 + math.cos(a) * length, y0 + math.sin(a) * length
        shapes.append(stroke([(x0, y0), (x1, y1)], [wide, wide * 0.8]))
        shapes.append(oval(x1, y1, wide * 0.42, wide * 0.42))
        if level < 4:
            for side in (-1, 1):
                pending.append(
                    (
                        x1,
                        y1,
                        a + side * float(rng.uniform(0.22, 0.6)),
                        length * float(rng.uniform(0.68, 0.9)),
                        wide * 0.76,
                        level + 1,
                    )
                )
    return shapes


def _shoal(canvas: Canvas, rng: Rng, tone: Array) -> None:
    shapes: list[Polygon] = []
    for _ in range(int(rng.integers(1, 3))):
        cx, cy = canvas.width * float(rng.uniform(0.15, 0.85)), canvas.height * float(rng.uniform(0.2, 0.65))
        side = float(rng.choice([-1, 1]))
        for _ in range(int(rng.integers(14, 34))):
            x, y = cx + float(rng.normal(0, 95)) * canvas.unit, cy + float(rng.normal(0, 38)) * canvas.unit
            s = float(rng.uniform(6, 12)) * canvas.unit
            shapes.append(
                [
                    (x + side * s, y),
                    (x + side * s * 0.3, y - s * 0.36),
                    (x - side * s * 0.55, y - s * 0.06),
                    (x - side * s * 1.05, y - s * 0.36),
                    (x - side * s * 0.95, y),
                    (x - side * s * 1.05, y + s * 0.36),
                    (x - side * s * 0.55, y + s * 0.06),
                    (x + side * s * 0.3, y + s * 0.34),
                ]
            )
    canvas.polygons(shapes, tone, 0.9)


def _swimmers(canvas: Canvas, brief: Brief, rng: Rng, water: list[Array]) -> None:
    base = min(canvas.height, canvas.width)
    chosen = [name for name in brief.subjects if name in figures.SWIMMING or name == "jellyfish"]
    if not chosen:
        chosen = [str(rng.choice(["turtle", "whale", "jellyfish", "fish"]))]
    for index, subject in enumerate(chosen[:3]):
        x, y = (
            canvas.width * (0.5 + 0.24 * index * (1 if index % 2 else -1)),
            canvas.height * (0.5 - 0.06 * index),
        )
        if subject == "jellyfish":
            for k in range(4):
                size = base * (0.2 if k == 0 else float(rng.uniform(0.06, 0.13)))
                place = (
                    (x, y)
                    if k == 0
                    else (
                        canvas.width * float(rng.uniform(0.1, 0.9)),
                        canvas.height * float(rng.uniform(0.12, 0.62)),
                    )
                )
                _jellyfish(canvas, brief, rng, place[0], place[1], size, water)
            continue
        tones = {**cast.colours(brief, 0.9, subject)}
        tones["coat"] = brief.colour if brief.colour is not None else cast.coat(subject)
        tones = {role: mix(tone, water[2], 0.14) for role, tone in tones.items()}
        tones["pale"] = mix(rgb("#fff6ea"), water[1], 0.18)
        if subject == "fish" and brief.words & {"koi", "goldfish"}:
            tones["soft"] = mix(rgb("#ffb27a"), water[1], 0.15)
        tall = base * {"whale": 0.42, "turtle": 0.34, "fish": 0.3}[subject]
        for k in range(3 if subject == "fish" else 1):
            px, py = (
                (x, y)
                if k == 0
                else (
                    canvas.width * float(rng.uniform(0.15, 0.85)),
                    canvas.height * float(rng.uniform(0.25, 0.7)),
                )
            )
            size = tall if k == 0 else tall * float(rng.uniform(0.35, 0.6))
            stand(
                canvas,
                figures.SWIMMING[subject],
                px,
                py + size * 0.5,
                size,
                tones,
                flip=bool(rng.random() < 0.5),
                rim=(mix(water[0], rgb("#ffffff"), 0.4), 0.0),
            )


def _jellyfish(canvas: Canvas, brief: Brief, rng: Rng, x: float, y: float, size: float, water: list[Array]) -> None:
    tone = mix(brief.colour if brief.colour is not None else rgb("#ff9ec7"), water[0], 0.25)
    canvas.glow(x, y, size * 1.3, tone, 0.4)
    tails = []
    for k in range(9):
        px = x + (k - 4) * size * 0.1
        length, phase = size * float(rng.uniform(1.0, 2.0)), float(rng.uniform(0, 6))
        path = [
            (px + math.sin(phase + t * 7) * size * 0.07 * (0.3 + t), y + length * t)
            for t in np.linspace(0, 1, 18).tolist()
        ]
        tails.append(stroke(path, [size * 0.035 * (1 - 0.8 * t) for t in np.linspace(0, 1, 18).tolist()]))
    canvas.polygons(tails, tone, 0.55)
    canvas.polygons(
        [
            limb(
                [(x - size * 0.1, y), (x - size * 0.16, y + size * 0.5), (x - size * 0.06, y + size)],
                [size * 0.1, size * 0.14, size * 0.02],
            ),
            limb(
                [(x + size * 0.1, y), (x + size * 0.14, y + size * 0.4), (x + size * 0.04, y + size * 0.85)],
                [size * 0.1, size * 0.13, size * 0.02],
            ),
        ],
        shade(tone, 0.05),
        0.6,
    )
    bell = curve(
        [
            (x - size * 0.5, y + size * 0.04),
            (x - size * 0.44, y - size * 0.34),
            (x, y - size * 0.6),
            (x + size * 0.44, y - size * 0.34),
            (x + size * 0.5, y + size * 0.04),
            (x + size * 0.25, y - size * 0.03),
            (x, y + size * 0.05),
            (x - size * 0.25, y - size * 0.03),
        ]
    )
    canvas.polygons([bell], tone, 0.82)
    canvas.polygons(
        [
            curve(
                [
                    (x - size * 0.36, y - size * 0.14),
                    (x - size * 0.3, y - size * 0.36),
                    (x - size * 0.06, y - size * 0.5),
                    (x - size * 0.2, y - size * 0.28),
                ]
            )
        ],
        rgb("#ffffff"),
        0.4,
    )


def _bubbles(canvas: Canvas, rng: Rng, water: list[Array]) -> None:
    for _ in range(4):
        x, y = canvas.width * float(rng.uniform(0.1, 0.9)), canvas.height * float(rng.uniform(0.5, 0.95))
        for _ in range(int(rng.integers(4, 9))):
            x, y = x + float(rng.normal(0, 10)) * canvas.unit, y - float(rng.uniform(18, 60)) * canvas.unit
            radius = float(rng.uniform(2.5, 8)) * canvas.unit
            canvas.disc(x, y, radius, mix(water[0], rgb("#ffffff"), 0.5), 0.35)
            canvas.disc(x - radius * 0.3, y - radius * 0.35, radius * 0.3, rgb("#ffffff"), 0.75)
    drift = enlarge(
        (rng.random((canvas.height // 3, canvas.width // 3), dtype=np.float32) > 0.9992).astype(np.float32),
        canvas.height,
        canvas.width,
    )
    canvas.add((drift * 0.5).clip(0, 1), water[0])
