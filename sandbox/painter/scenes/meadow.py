"""Meadows: rolling hills, and a field of flowers from far specks to near blooms, or planted rows to the horizon."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter import cast, sky, terrain
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.figures.kit import oval
from sandbox.painter.noise import Rng, field, line, smoothstep
from sandbox.painter.trees import Polygon, stroke

_KINDS = {
    "tulip": ("#d6384a", "#f2a03d", "#f6e3d0"),
    "poppy": ("#d8352a", "#e8542f", "#c22527"),
    "lavender": ("#7d63b8", "#9a82d0", "#6b50a6"),
    "sunflower": ("#f6b91f", "#f9cf4a", "#eda21b"),
    "daisy": ("#fffaf0", "#fdf3d8", "#f7e6ee"),
    "rose": ("#d9536f", "#f08fa3", "#b8324f"),
}
_MIXED = ("#f4f0e4", "#f28cb1", "#f6c944", "#e8573f", "#8a6fc0")


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint a meadow or planted rows."""
    rng = brief.rng("meadow")
    horizon = canvas.height * float(rng.uniform(0.46, 0.56))
    sun = sky.paint_sky(canvas, brief, horizon, size=1.1)
    cast.in_air(canvas, brief, rng, horizon, sun)
    ground = _hills(canvas, brief, rng, horizon)
    cast.on_ground(canvas, brief, rng, ground, sun, near=0.8, scale=0.9, span=(0.25, 0.75))
    rows = bool(brief.words & {"lavender", "tulip", "vineyard", "wheat", "farm", "rows"}) and rng.random() < 0.8
    if rows:
        _rows(canvas, brief, rng, float(ground.mean()) + 8)
    _flowers(canvas, brief, rng, horizon, near_only=rows)


def _greens(brief: Brief) -> tuple[Array, Array]:
    """Return the far and the near green, in the picture's light."""
    palette = brief.palette
    green = {
        "autumn": "#8a7a34",
        "winter": "#b9c8d2",
        "gold": "#8f7326",
        "desert": "#a08a45",
        "noir": "#4a4d4f",
    }.get(palette.name, "#4f8a48")
    share = 0.62 if palette.dark else 0.3
    return mix(rgb(green), palette.haze, 0.45), mix(rgb(green), palette.near, share + 0.12)


def _hills(canvas: Canvas, brief: Brief, rng: Rng, horizon: float) -> Array:
    air = sky.haze_colour(brief)
    far, near = _greens(brief)
    ridge = np.full(canvas.width, horizon, np.float32)
    if rng.random() < 0.6:
        ridge = terrain.crags(rng, canvas, horizon + canvas.height * 0.02, canvas.height * 0.13, 380 * canvas.unit)
        canvas.below(ridge, mix(air, brief.palette.depth(0.3), 0.6), air, canvas.height * 0.14)
    for layer in range(3):
        base = horizon + canvas.height * (0.03 + 0.05 * layer)
        ridge = terrain.hills(rng, canvas, base, canvas.height * 0.1, (460 - 60 * layer) * canvas.unit).astype(
            np.float32
        )
        tone = mix(mix(far, air, 0.5 - 0.2 * layer), near, 0.14 * layer)
        _hedges(canvas, rng, ridge, mix(tone, brief.palette.near, 0.35), layer)
        canvas.below(ridge, mix(tone, brief.palette.light, 0.24), shade(tone, -0.05), canvas.height * 0.14)
    return ridge


def _hedges(canvas: Canvas, rng: Rng, ridge: Array, tone: Array, layer: int) -> None:
    shapes = []
    for _ in range(int(rng.integers(3, 7))):
        start = float(rng.uniform(0, canvas.width))
        for k in range(int(rng.integers(2, 9))):
            x = start + k * (9 + 5 * layer) * canvas.unit * float(rng.uniform(0.7, 1.3))
            size = (6 + 4 * layer) * canvas.unit * float(rng.uniform(0.6, 1.3))
            y = float(ridge[int(np.clip(x, 0, canvas.width - 1))])
            shapes.append(oval(x, y - size * 0.4, size, size * 1.05))
    canvas.polygons(shapes, tone)


def _colours(brief: Brief) -> tuple[str, list[Array]]:
    kind = next((name for name in _KINDS if name in brief.words), "")
    codes = _KINDS.get(kind, _MIXED)
    tones = [rgb(code) for code in codes]
    if brief.colour is not None and kind not in ("sunflower", "lavender"):
        tones = [brief.colour, shade(brief.colour, 0.08), shade(brief.colour, -0.07)]
    veil = 0.42 if brief.palette.dark else 0.1
    return kind, [mix(tone, brief.palette.near if brief.palette.dark else brief.palette.light, veil) for tone in tones]


def _rows(canvas: Canvas, brief: Brief, rng: Rng, top: float) -> None:
    """Lay planted rows that run together at a vanishing point."""
    kind, tones = _colours(brief)
    _, near_green = _greens(brief)
    if brief.words & {"vineyard", "wheat", "farm"} and not kind:
        gold = rgb("#d9b24a") if "wheat" in brief.words else rgb("#5f8f3e")
        tones = [mix(gold, brief.palette.near, 0.3 if brief.palette.dark else 0.05)] * 3
    y0 = int(top)
    y = canvas.rows(y0)
    depth = (y - np.float32(top) + 3) / np.float32(canvas.height - top)
    vanish = canvas.width * float(rng.uniform(0.35, 0.65))
    bumps = field(rng, canvas.height - y0, canvas.width, cell=26 * canvas.unit, octaves=3, coarse=2)
    across = (canvas.columns()[None] - np.float32(vanish)) / np.float32(canvas.width) / (depth + 0.07)
    wave = np.cos(across * np.float32(10.5) + bumps * 0.5)
    plant = smoothstep(-0.25, 0.5, wave + bumps * 0.35)
    crest = smoothstep(0.35, 1.0, wave + bumps * 0.9)
    soil = mix(near_green, brief.palette.near, 0.45)
    everywhere = np.ones_like(plant)
    canvas.blend(everywhere * smoothstep(0, 10, y - np.float32(top)), mix(soil, brief.palette.haze, 0.12), y0)
    air = np.clip(1 - depth * 2.2, 0, 0.5)
    canvas.blend(plant * (1 - air * 0.7), shade(tones[2 % len(tones)], -0.06), y0)
    canvas.blend(crest * np.float32(0.85), mix(tones[0], brief.palette.light, 0.2), y0)


def _flowers(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, *, near_only: bool) -> None:
    kind, tones = _colours(brief)
    far, near = _greens(brief)
    start = horizon + canvas.height * 0.13
    bands = 9
    for band in range(bands):
        share = (band + 0.5) / bands
        if near_only and share < 0.82:
            continue
        y = start + (canvas.height * 1.02 - start) * share**1.35
        ground = (y + line(rng, canvas.width, cell=380 * canvas.unit, octaves=2) * 10 * canvas.unit).astype(np.float32)
        tone = mix(far, near, share**0.8)
        size = (1.7 + 33 * share**2.5) * canvas.unit
        cast.grass(
            canvas,
            rng,
            ground,
            size * 2.1 + 6 * canvas.unit,
            shade(tone, -0.015),
            density=0.9 if share < 0.7 else 0.55,
        )
        if not near_only:
            canvas.below(ground, shade(tone, 0.012), shade(tone, -0.045), canvas.height * 0.12)
        count = int(canvas.width / (size * 3.1) * 1.25)
        _band(canvas, rng, kind, tones, ground, size, min(count, 240), shade(near, -0.03), share)


def _band(
    canvas: Canvas,
    rng: Rng,
    kind: str,
    tones: list[Array],
    ground: Array,
    size: float,
    count: int,
    stem: Array,
    share: float,
) -> None:
    spots = rng.uniform(-10, canvas.width + 10, count)
    lift = size * rng.uniform(1.2, 3.6, count)
    pick = rng.integers(0, len(tones), count)
    places = [
        (float(x), float(ground[int(np.clip(x, 0, canvas.width - 1))]) - float(up))
        for x, up in zip(spots, lift, strict=True)
    ]
    if size > 4:
        canvas.polygons(
            [
                stroke(
                    [
                        (x, y),
                        (x + float(rng.normal(0, size * 0.15)), y + size * 2),
                        (x + size * 0.1, y + size * 5),
                    ],
                    [size * 0.14, size * 0.16, size * 0.18],
                )
                for x, y in places
            ],
            stem,
        )
    for index, tone in enumerate(tones):
        chosen = [place for place, which in zip(places, pick, strict=True) if which == index]
        _blooms(canvas, rng, kind, chosen, size, tone, share)


def _blooms(
    canvas: Canvas,
    rng: Rng,
    kind: str,
    places: list[tuple[float, float]],
    size: float,
    tone: Array,
    share: float,
) -> None:
    petals: list[Polygon] = []
    shadows: list[Polygon] = []
    hearts: list[Polygon] = []
    for x, y in places:
        s = size * float(rng.uniform(0.7, 1.2))
        if size < 4:
            petals.append(list(oval(x, y, s, s * 0.8))[::5])
        elif kind == "lavender":
            petals += [
                list(
                    oval(
                        x + float(rng.normal(0, s * 0.14)),
                        y - s * (0.42 * k - 1.2),
                        s * 0.3 * (1 - k * 0.1),
                        s * 0.27,
                    )
                )[::3]
                for k in range(7)
            ]
        elif kind == "tulip":
            petals.append(
                [
                    (x - s * 0.55, y - s * 0.75),
                    (x - s * 0.24, y - s * 0.25),
                    (x, y - s * 0.95),
                    (x + s * 0.24, y - s * 0.25),
                    (x + s * 0.55, y - s * 0.75),
                    (x + s * 0.5, y + s * 0.35),
                    (x, y + s * 0.75),
                    (x - s * 0.5, y + s * 0.35),
                ]
            )
            shadows.append(
                [
                    (x - s * 0.22, y - s * 0.2),
                    (x, y - s * 0.9),
                    (x + s * 0.22, y - s * 0.2),
                    (x + s * 0.12, y + s * 0.6),
                    (x - s * 0.12, y + s * 0.6),
                ]
            )
        elif kind == "poppy":
            petals += [
                list(oval(x - s * 0.35, y, s * 0.6, s * 0.55)),
                list(oval(x + s * 0.35, y, s * 0.6, s * 0.55)),
            ]
            shadows.append(list(oval(x, y + s * 0.18, s * 0.62, s * 0.42)))
            hearts.append(list(oval(x, y + s * 0.02, s * 0.17, s * 0.15)))
        else:
            n = 14 if kind == "sunflower" else 9 if kind == "daisy" else int(rng.integers(5, 8))
            turn, tilt = float(rng.uniform(0, 6.28)), float(rng.uniform(0.62, 0.95))
            for k in range(n):
                a = turn + k / n * math.tau
                reach, wide = s * 0.62, s * (1.9 / n + 0.06)
                petals.append(
                    list(
                        oval(
                            x + math.cos(a) * reach,
                            y + math.sin(a) * reach * tilt,
                            s * 0.46,
                            wide,
                            math.degrees(math.atan2(math.sin(a) * tilt, math.cos(a))),
                        )
                    )[::2]
                )
            hearts.append(
                list(
                    oval(
                        x,
                        y,
                        s * (0.5 if kind == "sunflower" else 0.26),
                        s * (0.5 if kind == "sunflower" else 0.26) * tilt,
                    )
                )
            )
    canvas.polygons(petals, tone, 0.75 + 0.25 * share)
    canvas.polygons(shadows, shade(tone, -0.07), 0.8)
    canvas.polygons(hearts, rgb("#5a3418") if kind in ("sunflower", "poppy") else rgb("#f2b632"))
