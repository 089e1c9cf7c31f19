"""Portraits: a head in profile holding a landscape, or a faceless figure in flat colour among leaves."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter import flowers, sky, terrain, trees
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas, Point
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.figures.bust import bust
from sandbox.painter.figures.kit import Figure, Part, curve, oval, silhouette, stand
from sandbox.painter.noise import Rng, field

_PROFILE = curve(
    [
        (-0.05, -1.0),
        (0.17, -0.965),
        (0.33, -0.85),
        (0.4, -0.7),
        (0.405, -0.62),
        (0.385, -0.555),
        (0.425, -0.48),
        (0.495, -0.385),
        (0.49, -0.345),
        (0.42, -0.318),
        (0.418, -0.285),
        (0.448, -0.245),
        (0.42, -0.208),
        (0.437, -0.172),
        (0.405, -0.125),
        (0.415, -0.06),
        (0.37, 0.0),
        (0.24, 0.03),
        (0.13, 0.1),
        (0.12, 0.25),
        (0.17, 0.38),
        (0.4, 0.52),
        (0.62, 0.72),
        (0.66, 1.3),
        (-0.82, 1.3),
        (-0.78, 0.72),
        (-0.58, 0.5),
        (-0.36, 0.36),
        (-0.28, 0.18),
        (-0.29, -0.08),
        (-0.42, -0.36),
        (-0.47, -0.62),
        (-0.39, -0.84),
        (-0.23, -0.965),
    ],
    steps=8,
)
_BUN = [oval(-0.46, -0.86, 0.2, 0.19)]
_SKINS = ("#f2c9a8", "#e0a880", "#b97a52", "#8a5638", "#f5d6bd", "#6e4330")
_HAIR = ("#2a1f24", "#4a2c22", "#7a4526", "#1d2230", "#a8622f", "#5a3d52")


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint a portrait; the seed chooses the manner."""
    rng = brief.rng("portrait")
    surreal = bool(
        brief.words & {"surreal", "dream", "exposure", "silhouette", "mind", "thought", "profile", "nature", "double"}
    )
    if surreal or rng.random() < 0.25:
        _profile(canvas, brief, rng)
    else:
        _flat(canvas, brief, rng)


def _backdrop(canvas: Canvas, brief: Brief, rng: Rng, x: float, y: float, radius: float) -> None:
    palette = brief.palette
    ground = mix(palette.sky[-1], rgb("#fff6ea"), 0.35) if not palette.dark else palette.sky[1]
    canvas.fill_rows(
        np.linspace(0, 1, canvas.height, dtype=np.float32)[:, None]
        * (shade(mix(ground, palette.haze, 0.35), 0) - ground)
        + ground
    )
    canvas.glow(x, y, radius * 2, mix(palette.light, rgb("#ffffff"), 0.3), 0.3)
    canvas.disc(x, y, radius, mix(palette.accent, palette.light, 0.35), 0.92, softness=1.6)
    canvas.pixels += (field(rng, canvas.height, canvas.width, cell=6, octaves=2, coarse=1) * np.float32(0.012))[None]


def _profile(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Fill a head in profile with mountains and firs under its own sky."""
    tall = min(canvas.width * 0.56, canvas.height * 0.42)
    # The shoulders always run out of the picture, however tall the sheet.
    x, chin = canvas.width * 0.48, max(canvas.height * 0.5 + tall * 0.32, canvas.height - tall * 1.22)
    flip = bool(rng.random() < 0.5)
    _backdrop(canvas, brief, rng, x + tall * 0.1, chin - tall * 0.55, tall * 0.98)
    shapes = [
        _PROFILE,
        *(_BUN if brief.words & {"woman", "girl", "lady", "queen", "mother", "princess", "geisha"} else []),
    ]
    figure = Figure((Part("ink", tuple(shapes)),), -1.0, 1.0, -1.2, 1.35)
    mask = silhouette(figure.parts, figure, tall, flip)
    inner = Canvas(canvas.width, canvas.height)
    sky.paint_sky(inner, brief, canvas.height * 0.74, height=0.5, disc=False)
    inner.disc(
        x - (-1 if flip else 1) * tall * 0.14,
        chin - tall * 0.72,
        tall * 0.1,
        mix(brief.palette.sun, brief.palette.light, 0.2),
        softness=1.6,
    )
    for layer in range(4):
        near = layer / 3
        ridge = terrain.crags(
            rng,
            inner,
            canvas.height * (0.6 + 0.13 * layer),
            canvas.height * 0.2,
            (230 + 50 * layer) * canvas.unit,
        )
        tone = mix(sky.haze_colour(brief), brief.palette.depth(0.25 + 0.75 * near), 0.45 + 0.55 * near)
        if layer >= 2:
            trees.conifer_row(
                inner,
                rng,
                ridge.astype(np.float32),
                canvas.height * (0.05 + 0.05 * (layer - 2)),
                tone,
                spacing=0.26,
            )
        inner.below(
            ridge.astype(np.float32),
            tone,
            mix(tone, sky.haze_colour(brief), 0.5 * (1 - near)),
            canvas.height * 0.2,
        )
    top, left = int(chin + figure.top * tall), int(x - (figure.right if flip else -figure.left) * tall)
    shadow = mix(brief.palette.near, brief.palette.accent, 0.3)
    canvas.blend(mask * np.float32(0.16), shadow, top + int(7 * canvas.unit), left + int(7 * canvas.unit))
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + mask.shape[0], canvas.height), min(left + mask.shape[1], canvas.width)
    canvas.blend(mask[y0 - top : y1 - top, x0 - left : x1 - left], inner.pixels[:, y0:y1, x0:x1], y0, x0)
    # Birds leave the head for the open, the one thing that crosses its outline.
    _leaving(
        canvas,
        rng,
        x + (-1 if flip else 1) * tall * 0.1,
        chin - tall * 0.95,
        tall,
        brief.palette.depth(0.9),
        -1 if flip else 1,
    )


def _leaving(canvas: Canvas, rng: Rng, x: float, y: float, tall: float, tone: Array, side: int) -> None:
    shapes: list[list[Point]] = []
    for k in range(9):
        px, py = (
            x + side * tall * (0.12 + 0.1 * k) + float(rng.normal(0, 14)),
            y - tall * 0.03 * k + float(rng.normal(0, 22)),
        )
        span = tall * float(rng.uniform(0.025, 0.05))
        for hand in (-1, 1):
            shapes.append(
                [
                    (px, py),
                    (px + hand * span * 0.45, py - span * 0.4),
                    (px + hand * span, py - span * 0.12),
                    (px + hand * span * 0.5, py - span * 0.24),
                    (px, py + span * 0.1),
                ]
            )
    canvas.polygons(shapes, tone, 0.9, scale=4)


def _flat(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    tall = min(canvas.width * 0.56, canvas.height * 0.4)
    x, chin = canvas.width * 0.5, max(canvas.height * 0.5 + tall * 0.2, canvas.height - tall * 1.3)
    _backdrop(canvas, brief, rng, x, chin - tall * 0.4, tall * 1.12)
    green = mix(rgb("#3f6b55"), brief.palette.near, 0.35)
    for side in (-1, 1):
        for k in range(5):
            angle = -math.pi / 2 + side * (0.35 + 0.3 * k)
            flowers.sprig_at(
                canvas,
                rng,
                x + side * tall * 0.5,
                chin + tall * 0.8,
                angle,
                tall * float(rng.uniform(0.9, 1.4)),
                shade(green, 0.04 * (k % 3) - 0.04),
            )
    skin = rgb(_SKINS[int(rng.integers(0, len(_SKINS)))])
    hair = rgb(_HAIR[int(rng.integers(0, len(_HAIR)))])
    if brief.words & {"old", "grandmother", "grandfather", "wizard", "elderly", "fisherman"}:
        hair = rgb("#d9d4cf")
    cloth = (
        brief.colour
        if brief.colour is not None
        else mix(brief.palette.sky[1], brief.palette.accent, float(rng.uniform(0, 0.6)))
    )
    if brief.palette.dark:
        skin, hair = mix(skin, brief.palette.near, 0.22), mix(hair, brief.palette.near, 0.3)
    tones = {
        "ink": hair,
        "hair": hair,
        "hair_light": shade(hair, 0.07),
        "skin": skin,
        "shade": mix(shade(skin, -0.1), rgb("#8a3f4a"), 0.15),
        "cloth": cloth,
        "cloth_dark": shade(cloth, -0.1),
        "lip": mix(skin, rgb("#b8404f"), 0.6),
        "gold": rgb("#e8b84a"),
        "brow": shade(hair, -0.03),
        "blush": mix(skin, rgb("#e8746a"), 0.4),
    }
    stand(canvas, bust(brief.words, rng), x, chin, tall, tones, flip=bool(rng.random() < 0.5))
    for side in (-1, 1):
        if brief.has("flowers") or rng.random() < 0.5:
            flowers.bloom(
                canvas,
                rng,
                x + side * tall * 0.62,
                chin + tall * 0.72,
                tall * 0.2,
                mix(brief.palette.accent, rgb("#fff3e6"), 0.25),
                1.0,
            )
