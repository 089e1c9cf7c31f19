"""Skies: gradient, sun or moon, stars, clouds, aurora, birds, and what falls from them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas, Polygon
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.noise import Rng, enlarge, field, line, smoothstep
from sandbox.painter.shapes import ellipse, stroke

WHITE = rgb("#ffffff")


@dataclass(frozen=True)
class Sun:
    """Where the light comes from, and the disc's radius (0 when clouds hide it)."""

    x: float
    y: float
    radius: float

    def side(self, x: float) -> float:
        """Return the side from which a thing at `x` is lit: -1 its left, 1 its right."""
        return 1.0 if self.x > x else -1.0


def paint_sky(canvas: Canvas, brief: Brief, horizon: float, *, at: float | None = None, disc: float = 1.0) -> Sun:
    """Paint the sky down to `horizon`; `at` fixes the disc's place across."""
    rng = brief.rng("sky")
    palette = brief.palette
    low = int(min(horizon * 1.02 + 2, canvas.height))
    canvas.fill_rows(palette.sky_ramp(low))
    if low < canvas.height:
        canvas.fill_rows(np.repeat(palette.sky[-1][None], canvas.height - low, axis=0), low)
    night = palette.name in ("night", "aurora") or brief.has("stars", "moon", "crescent")
    sun = _place(canvas, brief, rng, horizon, at, disc)
    if night or (palette.name in ("dusk", "neon") and rng.random() < 0.6):
        stars(canvas, rng, horizon, 1.0 if brief.has("stars") or palette.name in ("night", "aurora") else 0.4)
    if brief.has("trails"):
        _trails(canvas, rng, horizon)
    if brief.has("aurora"):
        _aurora(canvas, brief, rng, horizon)
    if sun.radius:
        _disc(canvas, brief, sun)
    if brief.has("clouds", "lightning", "rain", "snow") or palette.name == "storm" or (not night and rng.random() < 0.6):
        _clouds(canvas, brief, rng, horizon, sun)
    if brief.has("lightning"):
        _bolt(canvas, rng, horizon)
    return sun


def _place(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, at: float | None, disc: float) -> Sun:
    palette = brief.palette
    share = at if at is not None else float(rng.choice((0.3, 0.36, 0.64, 0.7)))
    low = palette.name in ("sunset", "dawn", "rose", "desert", "neon", "crimson") or brief.has("sun")
    high = horizon * float(rng.uniform(0.66, 0.86) if low else rng.uniform(0.26, 0.42))
    radius = min(canvas.width, canvas.height) * float(rng.uniform(0.075, 0.13) if low else rng.uniform(0.05, 0.08)) * disc
    hidden = brief.has("rain", "snow", "fog", "aurora", "lightning", "trails") or palette.name == "storm"
    if hidden and not brief.has("sun", "moon", "crescent"):
        radius = 0.0
    return Sun(canvas.width * share, high, radius)


def _disc(canvas: Canvas, brief: Brief, sun: Sun) -> None:
    """Print the disc over rings of light, as a screen printer would: each its own flat ink, edges sprayed."""
    palette = brief.palette
    canvas.glow(sun.x, sun.y, sun.radius * 5, palette.light, 0.55, 1.6)
    if brief.has("crescent"):
        behind = canvas.pixels[:, int(np.clip(sun.y, 0, canvas.height - 1)), int(np.clip(sun.x, 0, canvas.width - 1))].copy()
        canvas.disc(sun.x, sun.y, sun.radius, palette.sun)
        canvas.disc(sun.x - sun.radius * 0.42, sun.y - sun.radius * 0.14, sun.radius * 0.9, behind)
        return
    for ring, opacity in ((1.9, 0.1), (1.42, 0.16)):
        canvas.disc(sun.x, sun.y, sun.radius * ring, palette.sun, opacity)
    drawn = canvas.disc(sun.x, sun.y, sun.radius, palette.sun)
    if palette.dark or brief.has("moon"):
        mask, top, left = drawn
        spots = field(brief.rng("moon"), *mask.shape, cell=sun.radius * 0.8, octaves=3)
        canvas.spray(smoothstep(0.05, 0.7, spots) * 0.5, mix(palette.sun, palette.haze, 0.6), top, left, mask)
    else:
        canvas.shade(drawn, mix(palette.sun, palette.accent, 0.5), 1.0, 0.4)


def stars(canvas: Canvas, rng: Rng, horizon: float, wealth: float) -> None:
    """Scatter stars, thinning out towards the horizon, some of them large."""
    count = int(420 * wealth * canvas.width * horizon / 600_000)
    xs, ys = rng.integers(2, canvas.width - 2, count), (rng.random(count) ** 1.3 * horizon * 0.96).astype(int)
    ys = np.clip(ys, 2, canvas.height - 3)
    for channel, tint in enumerate((1.0, 0.97, 0.9)):
        plane = canvas.pixels[channel]
        plane[ys, xs] += (tint - plane[ys, xs]) * rng.uniform(0.35, 1.0, count).astype(np.float32)
    for _ in range(int(26 * wealth)):
        x, y = float(rng.uniform(0, canvas.width)), float(rng.random() ** 1.3 * horizon * 0.9)
        canvas.disc(x, y, float(rng.uniform(0.9, 2.1)) * canvas.unit, rgb("#fff8e6"), 0.95)


def _trails(canvas: Canvas, rng: Rng, horizon: float) -> None:
    """Let the stars turn round the pole while the shutter is open."""
    x, y = canvas.width * float(rng.uniform(0.35, 0.65)), horizon * 0.5
    for _ in range(110):
        radius = float(rng.uniform(0.03, 1.0)) * max(canvas.width, canvas.height) * 0.8
        start, sweep = float(rng.uniform(0, math.tau)), float(rng.uniform(0.25, 0.6))
        arc = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in np.linspace(start, start + sweep, 24)]
        arc = [p for p in arc if p[1] < horizon]
        if len(arc) > 3:
            canvas.polygons([stroke(arc, [1.7 * canvas.unit] * len(arc))], rgb("#fff4dc"), float(rng.uniform(0.2, 0.75)))


def _aurora(canvas: Canvas, brief: Brief, rng: Rng, horizon: float) -> None:
    """Hang curtains of light: bright at a wavering lower hem, fading upwards, with folds across."""
    step = 4
    h, w = int(horizon) // step + 1, canvas.width // step + 1
    ys = np.arange(h, dtype=np.float32)[:, None] / h
    for k in range(3):
        hem = 0.46 + 0.16 * k + 0.17 * line(rng, w, cell=w * 0.55, octaves=3) - 0.05 * line(rng, w, cell=w * 0.12, octaves=2)
        folds = 0.62 + 0.38 * line(rng, w, cell=w * 0.06, octaves=3)
        above = hem[None, :] - ys
        light = np.where(above > 0, np.exp(-above / (0.16 + 0.1 * k)), np.exp(above / 0.018)) * folds[None, :]
        light = np.clip(light, 0, 1).astype(np.float32) * np.float32((0.85, 0.6, 0.4)[k])
        colour = (rgb("#7dffb0"), rgb("#5fe3d0"), brief.palette.accent)[k]
        canvas.add(enlarge(light, h * step, w * step)[: int(horizon), : canvas.width], colour)


def _clouds(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun) -> None:
    """Lay long flat-bottomed clouds, lit on top and sprayed out below."""
    palette = brief.palette
    heavy = brief.has("clouds", "rain", "lightning") or palette.name == "storm"
    for k in range(int(rng.integers(5, 8)) if heavy else int(rng.integers(2, 5))):
        share = float(rng.uniform(0.1, 0.8))
        y = horizon * share
        reach = canvas.width * float(rng.uniform(0.13, 0.34)) * (1.35 if heavy else 1) * (1.1 - 0.5 * share)
        x = canvas.width * float(rng.uniform(-0.05, 1.05))
        puffs: list[Polygon] = []
        for _ in range(9):
            at = float(rng.uniform(-0.8, 0.8))
            size = reach * float(rng.uniform(0.09, 0.2)) * (1 - at * at * 0.7)
            puffs.append([p if p[1] < y else (p[0], y) for p in ellipse(x + at * reach, y - size * 0.25, size * 1.5, size)])
        puffs.append([p if p[1] < y else (p[0], y) for p in ellipse(x, y, reach, reach * 0.06)])
        below = palette.sky_ramp(32)[min(31, int(share * 31))]
        top = mix(below, palette.light if not heavy else palette.haze, 0.62 if not palette.dark else 0.3)
        drawn = canvas.polygons(puffs, top, 0.9)
        if drawn is not None:
            mask, t, left = drawn
            fade = np.linspace(-0.1, 1.0, len(mask), dtype=np.float32)[:, None] * np.ones_like(mask)
            canvas.spray(fade, shade(below, -0.05) if heavy else below, t, left, mask)


def _bolt(canvas: Canvas, rng: Rng, horizon: float) -> None:
    x, points = canvas.width * float(rng.uniform(0.25, 0.75)), []
    for t in np.linspace(0.08, 1.0, 14):
        points.append((x, horizon * float(t)))
        x += canvas.width * float(rng.uniform(-0.03, 0.03))
    canvas.glow(points[6][0], points[6][1], horizon * 0.6, rgb("#cfd8ff"), 0.5)
    canvas.polygons([stroke(points, [float(w) * canvas.unit for w in np.linspace(7, 2, 14)])], rgb("#fffbe0"))


def birds(canvas: Canvas, rng: Rng, count: int, x: float, y: float, size: float, colour: Array) -> None:
    """Let birds fly as a loose flock: two strokes of a brush each."""
    shapes: list[Polygon] = []
    for k in range(count):
        px = x + (k - count / 2) * size * float(rng.uniform(0.9, 1.9))
        py = y + float(rng.uniform(-1.6, 1.6)) * size
        s, lift = size * float(rng.uniform(0.6, 1.15)), float(rng.uniform(0.25, 0.45))
        for turn in (-1, 1):
            wing = [(px, py), (px + turn * s * 0.42, py - s * lift), (px + turn * s, py - s * lift * 0.45)]
            smooth = [(_at(wing, 0, t), _at(wing, 1, t)) for t in np.linspace(0, 1, 9)]
            shapes.append(stroke(smooth, [float(w) * s for w in np.linspace(0.15, 0.02, 9)]))
    canvas.polygons(shapes, colour)


def _at(knots: list[tuple[float, float]], axis: int, t: float) -> float:
    a, b, c = (knot[axis] for knot in knots)
    return a * (1 - t) ** 2 + 2 * b * t * (1 - t) + c * t * t


def weather(canvas: Canvas, brief: Brief, outdoors: bool = True) -> None:
    """Lay over the finished picture what is in the air before us."""
    rng, unit = brief.rng("weather"), canvas.unit
    if not outdoors:
        return
    if brief.has("rain", "lightning"):
        drops: list[Polygon] = []
        for _ in range(260):
            x, y, reach = float(rng.uniform(-40, canvas.width)), float(rng.uniform(-40, canvas.height)), float(rng.uniform(18, 60)) * unit
            drops.append(stroke([(x, y), (x + reach * 0.16, y + reach)], [0.6 * unit, 1.7 * unit]))
        canvas.polygons(drops, mix(brief.palette.light, WHITE, 0.3), 0.4)
    if brief.has("snow") or (brief.palette.name == "winter" and rng.random() < 0.5):
        for size, count in ((1.6, 170), (2.8, 70), (4.6, 16)):
            flakes = [
                ellipse(float(rng.uniform(0, canvas.width)), float(rng.uniform(0, canvas.height)), size * unit, size * unit)[::3]
                for _ in range(count)
            ]
            canvas.polygons(flakes, WHITE, 0.85)
    for detail, colour, turn in (("leaves", brief.palette.accent, 1.0), ("blossoms", rgb("#f7b3c8"), 0.6)):
        if brief.has(detail):
            bits = [
                ellipse(float(rng.uniform(0, canvas.width)), float(rng.uniform(0, canvas.height)), 6 * unit * turn, 3 * unit, float(rng.uniform(0, 180)))[::3]
                for _ in range(70)
            ]
            canvas.polygons(bits, colour, 0.9)
    if brief.has("fireflies"):
        for _ in range(26):
            x, y = float(rng.uniform(0, canvas.width)), float(rng.uniform(0.4, 0.95)) * canvas.height
            canvas.disc(x, y, 7 * unit, rgb("#ffe28a"), 0.18)
            canvas.disc(x, y, 2.2 * unit, rgb("#fff3b8"))
