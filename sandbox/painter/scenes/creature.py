"""One figure before a great low sun or moon: an animal on a hill, a bird on a branch, a lone tree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sandbox.painter import cast, figures, sky, terrain
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.figures.kit import Figure, stand
from sandbox.painter.noise import Rng, field, line, smoothstep
from sandbox.painter.sky import Sun
from sandbox.painter.trees import stroke

_FALLBACK = ("tree", "deer", "person", "heron", "wolf", "cat", "couple", "bird", "owl", "fox", "horse")


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint a figure and the disc behind it."""
    rng = brief.rng("creature")
    base = min(canvas.width, canvas.height)
    hill = canvas.height * 0.84
    x = canvas.width * float(rng.choice([0.42, 0.5, 0.58]))
    sky.paint_sky(canvas, brief, canvas.height * 0.86, disc=False, height=0.4)
    radius = base * float(rng.uniform(0.27, 0.33))
    sun = Sun(
        x + base * float(rng.uniform(-0.06, 0.06)),
        hill - radius * float(rng.uniform(0.95, 1.15)),
        radius,
        brief.palette.dark,
    )
    _disc(canvas, brief, rng, sun)
    cast.in_air(canvas, brief, rng, canvas.height * 0.55, sun)
    _land(canvas, brief, rng)
    subject, figure = _chosen(brief, rng)
    if subject in figures.PERCHED and figure is not None:
        _perched(canvas, brief, rng, figure, subject, x, base, sun)
        return
    ridge = (
        hill
        + ((canvas.columns() - x) / canvas.width) ** 2 * canvas.height * 0.22
        + line(rng, canvas.width, cell=300 * canvas.unit, octaves=3) * 9 * canvas.unit
    ).astype(np.float32)
    ink = brief.palette.depth(1.0)
    if figure is None:
        brief_tree = brief if brief.has("tree") else _with_tree(brief)
        cast.on_ground(
            canvas,
            brief_tree,
            rng,
            ridge,
            sun,
            scale=1.5,
            near=1.0,
            span=(x / canvas.width, x / canvas.width),
        )
    else:
        _standing(canvas, brief, rng, figure, subject, x, ridge, base, sun)
    cast.grass(canvas, rng, ridge, 24 * canvas.unit, ink, density=1.3)
    canvas.below(ridge, ink, shade(ink, -0.04), canvas.height * 0.2)


def _with_tree(brief: Brief) -> Brief:
    return replace(brief, subjects=("tree", *brief.subjects))


def _chosen(brief: Brief, rng: Rng) -> tuple[str, Figure | None]:
    table = {**figures.ANIMALS, **figures.PERCHED, **figures.PEOPLE, **figures.PLANTS}
    for subject in brief.subjects:
        if subject in table:
            return subject, table[subject]
        if subject == "tree":
            return subject, None
    subject = str(rng.choice(_FALLBACK))
    return subject, table.get(subject)


def _disc(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun) -> None:
    palette = brief.palette
    canvas.glow(sun.x, sun.y, sun.radius * 2.4, palette.light, 0.4, 1.6)
    reach = int(sun.radius) + 3
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    mask = np.clip((sun.radius - np.sqrt(xs * xs + ys * ys)) / 1.4 + 0.5, 0, 1)
    share = ((ys + reach) / (2 * reach))[None]
    upper, lower = palette.sun, mix(palette.light, palette.accent, 0.25 if not sun.moon else 0.08)
    colour = upper[:, None, None] + (lower - upper)[:, None, None] * share
    if sun.moon:
        seas = smoothstep(
            0.0, 0.55, field(rng, 2 * reach + 1, 2 * reach + 1, cell=sun.radius * 0.8, octaves=4, coarse=2)
        )
        colour = colour + (palette.haze[:, None, None] - colour) * seas[None] * np.float32(0.22)
    canvas.blend(mask, colour.astype(np.float32), int(sun.y) - reach, int(sun.x) - reach)
    _bars(canvas, brief, rng, sun)


def _bars(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun) -> None:
    """Let thin bars of cloud cross the disc."""
    tone = mix(brief.palette.sky[-2], brief.palette.haze, 0.5)
    for _ in range(3):
        y = sun.y + sun.radius * float(rng.uniform(-0.5, 0.6))
        middle, reach = (
            sun.x + sun.radius * float(rng.uniform(-0.9, 0.9)),
            sun.radius * float(rng.uniform(0.7, 1.5)),
        )
        thick = 11 * canvas.unit * float(rng.uniform(0.6, 1.3))
        top = int(y - thick * 3)
        ys = np.arange(top, int(y + thick * 3), dtype=np.float32)[:, None]
        along = np.clip(1 - ((canvas.columns() - middle) / reach) ** 2, 0, 1)
        wave = thick * along * (0.7 + 0.5 * line(rng, canvas.width, cell=110 * canvas.unit, octaves=3))
        mask = smoothstep(1.2, 0.0, np.abs(ys - y) / np.maximum(wave, 0.1)[None]) * np.sqrt(along)[None]
        canvas.blend((mask * 0.75).astype(np.float32), tone, top)


def _land(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    air = sky.haze_colour(brief)
    for layer in range(2):
        base = canvas.height * (0.84 + 0.04 * layer)
        ridge = terrain.hills(rng, canvas, base, canvas.height * 0.08, 360 * canvas.unit)
        tone = mix(air, brief.palette.depth(0.4 + 0.25 * layer), 0.8)
        canvas.below(ridge, tone, mix(tone, air, 0.6), canvas.height * 0.12)


def _standing(
    canvas: Canvas,
    brief: Brief,
    rng: Rng,
    figure: Figure,
    subject: str,
    x: float,
    ridge: Array,
    base: float,
    sun: Sun,
) -> None:
    tall = base * {
        "cat": 0.32,
        "rabbit": 0.26,
        "fox": 0.34,
        "sheep": 0.26,
        "elephant": 0.42,
        "horse": 0.42,
        "deer": 0.4,
        "person": 0.36,
        "couple": 0.4,
        "bear": 0.34,
        "mushroom": 0.3,
    }.get(subject, 0.38)
    flip = bool(rng.random() < 0.5)
    tones = cast.colours(brief, 1.0, subject)
    if brief.colour is not None and subject in ("cat", "wolf", "horse", "rabbit", "bear", "deer"):
        tones = {**tones, "ink": mix(brief.colour, tones["ink"], 0.35)}
    foot = float(ridge[int(x)]) + tall * 0.02
    side = 1.0 if sun.x >= x else -1.0
    stand(
        canvas,
        figure,
        x,
        foot,
        tall,
        tones,
        flip=flip,
        rim=(mix(brief.palette.light, brief.palette.sun, 0.5), side),
    )
    if subject in ("deer", "horse", "elephant", "sheep", "camel", "rabbit") and rng.random() < 0.7:
        other = x + (1 if flip else -1) * tall * 1.05
        stand(
            canvas,
            figure,
            other,
            float(ridge[int(np.clip(other, 0, canvas.width - 1))]) + 2,
            tall * 0.62,
            tones,
            flip=flip,
        )


def _perched(
    canvas: Canvas, brief: Brief, rng: Rng, figure: Figure, subject: str, x: float, base: float, sun: Sun
) -> None:
    tall = base * 0.52
    side = 1.0 if sun.x >= x else -1.0
    tones = cast.colours(brief, 1.0, subject)
    flip = bool(rng.random() < 0.5)
    foot = sun.y + tall * 0.42
    inward = 1 if flip else -1
    # The branch comes in from the edge of the picture.
    edge = -20.0 if inward < 0 else canvas.width + 20.0
    start = x + inward * tall * 0.86
    bough = [
        (edge, foot + tall * 0.22),
        ((edge + start) / 2, foot + tall * 0.1),
        (start, foot + tall * 0.055),
    ]
    canvas.polygons([stroke(bough, [tall * 0.13, tall * 0.095, tall * 0.072])], tones["wood"])
    stand(
        canvas,
        figure,
        x,
        foot,
        tall,
        tones,
        flip=flip,
        rim=(mix(brief.palette.light, rgb("#ffffff"), 0.2), side),
    )
    front = np.full(canvas.width, canvas.height * 0.98, np.float32)
    cast.grass(canvas, rng, front, 40 * canvas.unit, brief.palette.depth(0.95))
