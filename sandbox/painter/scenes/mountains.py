"""Ranges in mist, a great peak with snow, a lake at its foot, firs in front."""

from __future__ import annotations

import numpy as np

from sandbox.painter import cast, figures, sky, terrain, trees, water
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.noise import Rng, line
from sandbox.painter.sky import Sun

_SETTLERS = ("tree", *figures.ANIMALS, *figures.PEOPLE, *figures.HOMES)
"""Subjects that need open ground in front."""


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint a mountain landscape."""
    rng = brief.rng("mountains")
    horizon = canvas.height * float(rng.uniform(0.58, 0.66))
    sun = sky.paint_sky(canvas, brief, horizon)
    hero = brief.has("snow", "volcano") or brief.palette.name == "winter" or rng.random() < 0.6
    lake = brief.has("reflection", "boat") or rng.random() < 0.35
    _far(canvas, brief, rng, horizon, hero)
    if brief.has("volcano") and "fuji" not in brief.words:
        _volcano(canvas, brief, rng, horizon, sun)
    elif hero:
        _hero(canvas, brief, rng, horizon, sun)
    shore = int(horizon + canvas.height * 0.06)
    cast.in_air(canvas, brief, rng, horizon * 0.9, sun)
    _middle(canvas, brief, rng, horizon, shore, lake)
    if lake:
        water.lay(canvas, brief, shore, sun, calm=0.82, tint=0.2)
    if brief.has(*_SETTLERS):
        _clearing(canvas, brief, rng, sun)
    else:
        _front(canvas, brief, rng, lake)


def _far(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, hero: bool) -> None:
    air = sky.haze_colour(brief)
    layers = 2 if hero else 4
    for layer in range(layers):
        near = 0.06 + 0.5 * layer / 4
        height = canvas.height * (0.26 if not hero else 0.15) * (1 - 0.12 * layer)
        base = horizon - canvas.height * (0.05 - 0.03 * layer)
        ridge = terrain.crags(rng, canvas, base, height, (330 - 40 * layer) * canvas.unit)
        tone = mix(air, brief.palette.depth(near), 0.35 + 0.5 * near + 0.1)
        canvas.below(ridge, tone, mix(tone, air, 0.85), height * 1.5)


def _hero(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun) -> None:
    palette = brief.palette
    away = 1 if sun.x < canvas.width / 2 else -1
    centre = canvas.width * (0.5 + away * float(rng.uniform(0.06, 0.2)))
    height = min(canvas.height * float(rng.uniform(0.36, 0.46)), canvas.width * 0.55)
    ridge = terrain.peak(rng, canvas, centre, horizon, height, height * float(rng.uniform(1.05, 1.35)))
    air = sky.haze_colour(brief)
    body = palette.depth(0.5)
    snow_lit = mix(rgb("#ffffff"), palette.light, 0.45 if not palette.dark else 0.8)
    if palette.dark:
        snow_lit = mix(snow_lit, palette.haze, 0.35)
    snow_dark = mix(palette.depth(0.28), snow_lit, 0.22)
    terrain.rock(
        canvas,
        rng,
        ridge,
        sun,
        lit=mix(body, palette.light, 0.42),
        dark=shade(body, -0.04),
        foot=air,
        depth=height * 1.15,
        snow=(snow_lit, snow_dark),
        snowline=horizon - height * 0.52,
    )
    terrain.mist(canvas, rng, horizon - height * 0.12, height * 0.3, air, 0.75)


def _volcano(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun) -> None:
    """Raise a cone with a glowing crater, lava on its flank and a plume of lit smoke."""
    height = min(canvas.height * 0.4, canvas.width * 0.5)
    centre, spread = canvas.width * float(rng.uniform(0.42, 0.58)), height * 1.25
    away = np.abs(canvas.columns() - centre) / spread
    rough = line(rng, canvas.width, cell=spread * 0.3, octaves=6, sharp=True)
    cone = np.clip(1.12 * np.exp(-2.1 * away) - 0.12, 0, None)
    rim = np.float32(0.8)
    ridge = (horizon - height * (np.minimum(cone, rim) + rough * 0.022)).astype(np.float32)
    fire, mouth = rgb("#ff7a33"), horizon - height * 0.8
    canvas.glow(centre, mouth, height * 0.75, fire, 0.75)
    _plume(canvas, rng, centre, mouth, height, mix(brief.palette.sky[0], rgb("#3a2a30"), 0.5), fire)
    body = brief.palette.depth(0.72)
    air = sky.haze_colour(brief)
    terrain.rock(
        canvas,
        rng,
        ridge,
        sun,
        lit=mix(body, brief.palette.light, 0.25),
        dark=shade(body, -0.05),
        foot=air,
        depth=height * 1.2,
    )
    shapes = []
    for start in (-0.05, 0.03, 0.075):
        x, y = centre + spread * start, mouth + height * 0.01
        path = [(x, y)]
        for _ in range(int(rng.integers(5, 10))):
            x, y = x + float(rng.normal(start * 0.9, 0.03)) * height, y + height * 0.07
            path.append((x, y))
        shapes.append(trees.stroke(path, np.linspace(height * 0.026, height * 0.006, len(path)).tolist()))
    canvas.polygons(shapes, fire)
    canvas.polygons(
        [
            trees.stroke(
                [(centre - spread * 0.12, mouth), (centre, mouth + 4), (centre + spread * 0.12, mouth)],
                [3, height * 0.03, 3],
            )
        ],
        rgb("#ffd27a"),
    )


def _plume(canvas: Canvas, rng: Rng, x: float, y: float, height: float, smoke: Array, fire: Array) -> None:
    lean = float(rng.choice([-1, 1])) * float(rng.uniform(0.2, 0.5))
    for k in range(34):
        rise = k / 33
        radius = height * (0.035 + 0.17 * rise) * float(rng.uniform(0.7, 1.2))
        px = x + lean * height * rise**1.5 + float(rng.normal(0, 0.05)) * height * (0.3 + rise)
        tone = mix(fire, smoke, min(1.0, 0.45 + rise * 1.2))
        canvas.disc(px, y - rise * height * 0.95, radius, tone, 0.5, softness=radius * 0.55)


def _middle(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, shore: int, lake: bool) -> None:
    air = sky.haze_colour(brief)
    for layer, near in enumerate((0.5, 0.66)):
        base = horizon + canvas.height * (0.02 + 0.045 * layer)
        ridge = terrain.hills(rng, canvas, base, canvas.height * 0.085, (420 - 120 * layer) * canvas.unit)
        tone = mix(air, brief.palette.depth(near), 0.55 + 0.18 * layer)
        if layer:
            trees.conifer_row(canvas, rng, ridge, canvas.height * 0.035, tone, spacing=0.3)
        canvas.below(ridge, tone, mix(tone, air, 0.62), canvas.height * 0.12)
        terrain.mist(canvas, rng, base + canvas.height * 0.02, canvas.height * 0.06, air, 0.55)


def _front(canvas: Canvas, brief: Brief, rng: Rng, lake: bool) -> None:
    palette = brief.palette
    start = 0.86 if lake else 0.72
    steps = 2 if lake else 3
    tilt = int(rng.integers(0, 2))
    for layer in range(steps):
        near = 0.78 + 0.22 * layer / max(steps - 1, 1)
        base = canvas.height * (start + (1.0 - start) * layer / steps)
        ridge = terrain.hills(rng, canvas, base, canvas.height * 0.09, 520 * canvas.unit)
        if lake:
            side = 1 if layer == tilt else -1
            bank = np.clip(side * (canvas.columns() / canvas.width - 0.5) * 2, -0.4, 1)
            ridge = ridge + canvas.height * 0.1 - bank * np.abs(bank) ** 0.6 * canvas.height * 0.17
        tone = palette.depth(near)
        height = canvas.height * (0.085 + 0.07 * layer)
        trees.conifer_row(canvas, rng, ridge.astype(np.float32), height, tone, spacing=0.26)
        canvas.below(ridge.astype(np.float32), tone, mix(tone, palette.depth(near - 0.25), 0.5), canvas.height * 0.25)
        if layer < steps - 1:
            terrain.mist(canvas, rng, base + canvas.height * 0.06, canvas.height * 0.08, sky.haze_colour(brief), 0.4)


def _clearing(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun) -> None:
    """Open the front to a grassy rise for whoever lives there, with firs at both sides."""
    palette = brief.palette
    x = canvas.columns() / canvas.width
    for layer, near in enumerate((0.78, 0.97)):
        swell = line(rng, canvas.width, cell=420 * canvas.unit, octaves=3) * canvas.height * 0.012
        ridge = (canvas.height * (0.81 + 0.07 * layer) + swell + np.abs(x - 0.5) ** 2 * canvas.height * 0.1).astype(
            np.float32
        )
        tone = palette.depth(near)
        height = canvas.height * (0.12 + 0.12 * layer)
        shapes = []
        for place in (*rng.uniform(-0.02, 0.2 - 0.04 * layer, 7), *rng.uniform(0.8 + 0.04 * layer, 1.02, 7)):
            column = int(np.clip(place * canvas.width, 0, canvas.width - 1))
            tall = min(height, canvas.width * 0.2) * float(rng.uniform(0.55, 1.1))
            shapes.append(trees.conifer(rng, float(place) * canvas.width, float(ridge[column]) + 5, tall))
        canvas.polygons(shapes, tone)
        cast.grass(canvas, rng, ridge, 12 * canvas.unit, tone)
        canvas.below(ridge, tone, mix(tone, palette.depth(near - 0.2), 0.4), canvas.height * 0.2)
        if layer == 0:
            terrain.mist(canvas, rng, canvas.height * 0.86, canvas.height * 0.06, sky.haze_colour(brief), 0.4)
    cast.on_ground(canvas, brief, rng, ridge, sun, near=1.0, scale=1.15, span=(0.36, 0.62))
