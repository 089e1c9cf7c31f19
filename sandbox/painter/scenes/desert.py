"""Deserts: dunes with lit and shaded flanks, mesas, pyramids, a caravan."""

from __future__ import annotations

import numpy as np

from sandbox.painter import cast, sky, terrain
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.noise import Rng, field, line, smoothstep
from sandbox.painter.sky import Sun


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint a desert."""
    rng = brief.rng("desert")
    horizon = canvas.height * float(rng.uniform(0.5, 0.58))
    sun = sky.paint_sky(canvas, brief, horizon, size=1.25)
    cast.in_air(canvas, brief, rng, horizon, sun)
    air = sky.haze_colour(brief)
    if brief.words & {"canyon", "mesa", "western", "cowboy", "mars", "arizona"} or rng.random() < 0.35:
        _mesas(canvas, brief, rng, horizon, air)
    if brief.has("pyramid"):
        _pyramids(canvas, brief, rng, horizon, sun)
    layers = 5
    ground = np.full(canvas.width, horizon, np.float32)
    for layer in range(layers):
        near = layer / (layers - 1)
        base = horizon + (canvas.height * 1.0 - horizon) * (0.05 + 0.72 * near**1.25)
        ground = _dune_line(rng, canvas, base, canvas.height * (0.05 + 0.1 * near), (300 + 330 * near) * canvas.unit)
        _dune(canvas, brief, rng, ground, sun, near, air)
        if layer == 2:
            middle = ground
    cast.on_ground(
        canvas,
        brief,
        rng,
        middle if brief.has("camel") else ground,
        sun,
        near=0.92,
        scale=0.75 if brief.has("camel") else 1.2,
        span=(0.3, 0.7),
    )


def _sand(brief: Brief) -> Array:
    return mix(rgb("#e0a35c"), brief.palette.haze, 0.3)


def _dune_line(rng: Rng, canvas: Canvas, base: float, height: float, cell: float) -> Array:
    """Return a dune's crest: swells whose tops are drawn out into soft points."""
    swell = line(rng, canvas.width, cell=cell, octaves=2, gain=0.3)
    crest = 1 - np.abs(line(rng, canvas.width, cell=cell * 0.9, octaves=1))
    result: Array = (base - height * (0.25 + 0.5 * swell + 0.55 * crest)).astype(np.float32)
    return result


def _dune(canvas: Canvas, brief: Brief, rng: Rng, ridge: Array, sun: Sun, near: float, air: Array) -> None:
    top, bottom = max(int(ridge.min()) - 2, 0), canvas.height
    if bottom - top < 4:
        return
    palette = brief.palette
    sand = mix(_sand(brief), palette.near, 0.1 + 0.32 * near * (1.6 if palette.dark else 1))
    lit = mix(mix(sand, palette.light, 0.4), air, 0.55 * (1 - near))
    dark = mix(mix(sand, palette.near, 0.58), air, 0.62 * (1 - near))
    mask = canvas.under(ridge, top)
    deep = canvas.rows(top) - ridge[None]
    drift = np.float32(float(rng.choice([-1, 1])) * float(rng.uniform(0.5, 1.1)))
    column = np.clip(canvas.columns()[None] + deep * drift, 0, canvas.width - 1).astype(np.int32)
    kernel = max(3, int(30 * canvas.unit))
    slope = np.gradient(
        np.convolve(np.pad(ridge, kernel, mode="edge"), np.ones(kernel, np.float32) / kernel, "same")[kernel:-kernel]
    )
    toward = 1.0 if sun.x > canvas.width / 2 else -1.0
    face = smoothstep(-0.05, 0.035, (slope * toward).astype(np.float32)[column])
    fade = np.clip(deep / np.float32(canvas.height * (0.16 + 0.3 * near)), 0, 1)
    if near > 0.45:
        face = face + _ripples(canvas, rng, deep, near) * np.float32(0.16 * near)
    colour = dark[:, None, None] + (lit - dark)[:, None, None] * face[None]
    far_tone = mix(lit, dark, 0.42)
    colour += (far_tone[:, None, None] - colour) * (fade * 0.8)[None]
    canvas.blend(mask, colour.astype(np.float32), top)


def _ripples(canvas: Canvas, rng: Rng, deep: Array, near: float) -> Array:
    """Return the wind's fine combing of the sand."""
    warp = field(rng, deep.shape[0], canvas.width, cell=190 * canvas.unit, stretch=1.8, octaves=3, coarse=4)
    pitch = np.float32((7 + 6 * near) * canvas.unit)
    combed: Array = np.sin((np.sqrt(np.clip(deep, 1, None)) * 14 + warp * 60 + canvas.columns()[None] * 0.12) / pitch)
    result: Array = combed * np.clip(deep / np.float32(90), 0, 1)
    return result


def _mesas(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, air: Array) -> None:
    for layer in range(2):
        near = 0.3 + 0.25 * layer
        shape = line(rng, canvas.width, cell=(300 - 80 * layer) * canvas.unit, octaves=4, gain=0.4)
        table = smoothstep(0.08, 0.2, shape) * 0.6 + smoothstep(0.42, 0.5, shape) * 0.4
        ridge = (horizon + canvas.height * 0.03 - canvas.height * (0.13 + 0.05 * layer) * table).astype(np.float32)
        tone = mix(air, mix(brief.palette.depth(near), rgb("#b5563a"), 0.35), 0.6 + 0.2 * layer)
        top = max(int(ridge.min()) - 2, 0)
        canvas.below(ridge, tone, mix(tone, air, 0.6), canvas.height * 0.2)
        for k in range(3):
            strata = ridge + canvas.height * (0.03 + 0.035 * k)
            band = (
                np.exp(-(((canvas.rows(top, int(horizon)) - strata[None]) / (3 * canvas.unit)) ** 2))
                * (table > 0.3)[None]
            )
            canvas.blend((band * 0.25).astype(np.float32), shade(tone, -0.06), top)


def _pyramids(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun) -> None:
    foot = horizon + canvas.height * 0.1
    air = sky.haze_colour(brief)
    for place, size, near in ((0.72, 0.17, 0.35), (0.3, 0.22, 0.45), (0.52, 0.34, 0.6)):
        x, tall = (
            canvas.width * (place + float(rng.uniform(-0.03, 0.03))),
            min(canvas.height, canvas.width) * size,
        )
        sand = mix(_sand(brief), brief.palette.depth(near), 0.35)
        lit, dark = (
            mix(mix(sand, brief.palette.light, 0.4), air, 0.45 - near * 0.5),
            mix(mix(sand, brief.palette.near, 0.5), air, 0.5 - near * 0.5),
        )
        edge = x + tall * 0.28 * (1 if sun.x < x else -1)
        left = [(x - tall * 0.82, foot), (x, foot - tall), (edge, foot)]
        right = [(edge, foot), (x, foot - tall), (x + tall * 0.82, foot)]
        canvas.polygons([left], lit if sun.x < x else dark)
        canvas.polygons([right], dark if sun.x < x else lit)
    terrain.mist(canvas, rng, foot, canvas.height * 0.06, air, 0.6)
