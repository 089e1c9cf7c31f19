"""Skies: gradient, sun or moon, stars, clouds, aurora, birds, and what falls from them."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter.colour import WHITE, Array, mix, ramp, rgb, shade
from sandbox.painter.noise import enlarge, field, line, smoothstep
from sandbox.painter.shapes import ellipse, stroke
from sandbox.painter.sheet import Polygon, Sheet


def paint_sky(s: Sheet, horizon: float, *, at: float | None = None, disc: float = 1.0) -> None:
    """Paint the sky down to `horizon` and set the sheet's sun; `at` fixes its place across."""
    brief, palette = s.brief, s.palette
    s.fill(*palette.sky, bottom=horizon * 1.02 + 2)
    s.fill(palette.sky[-1], palette.sky[-1], top=horizon * 1.02 + 2)
    dark = palette.name in ("night", "aurora")
    night = dark or brief.has("stars", "moon", "crescent")
    _place_sun(s, horizon, at, disc)
    if night or (palette.name in ("dusk", "neon") and s.between() < 0.6):
        stars(s, horizon, 1.0 if dark or brief.has("stars") else 0.4)
    if brief.has("trails"):
        _trails(s, horizon)
    if brief.has("aurora"):
        _aurora(s, horizon)
    if s.sun[2]:
        _disc(s)
    heavy = brief.has("clouds", "rain", "lightning") or palette.name == "storm"
    if heavy or brief.has("snow") or (not night and s.between() < 0.6):
        _clouds(s, horizon, heavy=heavy)
    if brief.has("lightning"):
        x, steps = s.w * s.between(0.25, 0.75), np.cumsum(s.rng.uniform(-0.03, 0.03, 14)) * s.w
        bolt = [(x + float(step), horizon * (0.08 + 0.07 * k)) for k, step in enumerate(steps)]
        s.glow(*bolt[6], horizon * 0.6, rgb("#cfd8ff"), 0.5)
        s.polygons([stroke(bolt, 7 * s.u, 2 * s.u)], rgb("#fffbe0"))


def _place_sun(s: Sheet, horizon: float, at: float | None, disc: float) -> None:
    brief, share = s.brief, s.pick(0.3, 0.36, 0.64, 0.7)
    low = s.palette.name in ("sunset", "dawn", "rose", "desert", "neon", "crimson") or brief.has("sun")
    low = low or bool(brief.quotes)  # the words have the upper sky
    y = horizon * (s.between(0.66, 0.86) if low else s.between(0.26, 0.42))
    radius = min(s.w, s.h) * (s.between(0.075, 0.13) if low else s.between(0.05, 0.08)) * disc
    hidden = brief.has("rain", "snow", "fog", "aurora", "lightning", "trails") or s.palette.name == "storm"
    if hidden and not brief.has("sun", "moon", "crescent"):
        radius = 0.0
    s.sun = (s.w * (share if at is None else at), y, radius)


def _disc(s: Sheet) -> None:
    """Print the disc over rings of light, as a screen printer would: each its own flat ink, edges sprayed."""
    palette, (x, y, radius) = s.palette, s.sun
    s.glow(x, y, radius * 4.5, palette.light, 0.5)
    if s.brief.has("crescent"):
        behind = s.pixels[:, int(np.clip(y, 0, s.h - 1)), int(np.clip(x, 0, s.w - 1))].copy()
        s.disc(x, y, radius, palette.sun)
        s.disc(x - radius * 0.42, y - radius * 0.14, radius * 0.9, behind)
        return
    s.disc(x, y, radius * 1.9, palette.sun, 0.1)
    s.disc(x, y, radius * 1.42, palette.sun, 0.16)
    mask, top, left = s.disc(x, y, radius, palette.sun)
    if palette.dark or s.brief.has("moon"):
        spots = smoothstep(0.05, 0.7, field(s.rng, *mask.shape, cell=radius * 0.8, octaves=3)) * 0.5
        s.spray(spots, mix(palette.sun, palette.haze, 0.6), top, left, mask)
    else:
        s.shade((mask, top, left), mix(palette.sun, palette.accent, 0.5), 1.0, 0.4)


def stars(s: Sheet, horizon: float, wealth: float) -> None:
    """Scatter stars, thinning out towards the horizon, some of them large."""
    count = int(420 * wealth * s.w * horizon / 600_000)
    xs = s.rng.integers(2, s.w - 2, count)
    ys = np.clip((s.rng.random(count) ** 1.3 * horizon * 0.96).astype(int), 2, s.h - 3)
    shine = s.rng.uniform(0.35, 1.0, count).astype(np.float32)
    for plane, tint in zip(s.pixels, (1.0, 0.97, 0.9), strict=True):
        plane[ys, xs] += (tint - plane[ys, xs]) * shine
    for _ in range(int(26 * wealth)):
        at = s.between(0, s.w), s.between() ** 1.3 * horizon * 0.9
        s.disc(*at, s.between(0.9, 2.1) * s.u, rgb("#fff8e6"), 0.95)


def _trails(s: Sheet, horizon: float) -> None:
    """Let the stars turn round the pole while the shutter is open."""
    x, y = s.w * s.between(0.35, 0.65), horizon * 0.5
    for opacity in (0.3, 0.5, 0.75):
        arcs = []
        for _ in range(60):
            radius, start = s.between(0.03, 1.0) * max(s.w, s.h) * 0.8, s.between(0, math.tau)
            turns = np.linspace(start, start + s.between(0.25, 0.6), 24).tolist()
            arc = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in turns]
            arcs.append(stroke([p for p in arc if p[1] < horizon], 1.7 * s.u))
        s.polygons(arcs, rgb("#fff4dc"), opacity)


def _aurora(s: Sheet, horizon: float) -> None:
    """Hang curtains of light: bright at a wavering lower hem, fading upwards, with folds across."""
    h, w = int(horizon) // 4 + 1, s.w // 4 + 1
    ys = np.arange(h, dtype=np.float32)[:, None] / h
    total = np.zeros((3, h, w), np.float32)
    for k, colour in enumerate((rgb("#7dffb0"), rgb("#5fe3d0"), s.palette.accent)):
        hem = 0.46 + 0.16 * k + 0.17 * line(s.rng, w, cell=w * 0.55, octaves=3)
        folds = 0.62 + 0.38 * line(s.rng, w, cell=w * 0.06, octaves=3)
        above = (hem - 0.05 * line(s.rng, w, cell=w * 0.12, octaves=2))[None, :] - ys
        light = np.where(above > 0, np.exp(-above / (0.16 + 0.1 * k)), np.exp(above / 0.018)) * folds[None, :]
        glow = (np.clip(light, 0, 1) * (0.85, 0.6, 0.4)[k]).astype(np.float32)
        total += (1 - total) * glow * colour[:, None, None]
    for plane, light in zip(s.pixels[:, : int(horizon)], total, strict=True):
        plane += enlarge(light, h * 4, w * 4, smooth=False)[: int(horizon), : s.w] * (1 - plane)


def _clouds(s: Sheet, horizon: float, *, heavy: bool) -> None:
    """Lay long flat-bottomed clouds, lit on top and sprayed out below."""
    palette, tones = s.palette, ramp(s.palette.sky, 32)
    for _ in range(int(s.between(4, 8) if heavy else s.between(2, 4))):
        share = s.between(0.1, 0.8)
        x, y = s.w * s.between(-0.05, 1.05), horizon * share
        reach = s.w * s.between(0.13, 0.34) * (1.35 if heavy else 1) * (1.1 - 0.5 * share)
        puffs = [ellipse(x, y, reach, reach * 0.06)]
        for at in s.rng.uniform(-0.8, 0.8, 9).tolist():
            size = reach * s.between(0.09, 0.2) * (1 - at * at * 0.7)
            puffs.append(ellipse(x + at * reach, y - size * 0.25, size * 1.5, size))
        below = tones[min(31, int(share * 31))]
        top = mix(below, palette.haze if heavy else palette.light, 0.3 if palette.dark else 0.62)
        drawn = s.polygons([[(px, min(py, y)) for px, py in puff] for puff in puffs], top, 0.9)
        if drawn is not None:
            fade = np.linspace(-0.1, 1.0, len(drawn[0]), dtype=np.float32)[:, None] * np.ones_like(drawn[0])
            s.spray(fade, below if heavy else shade(below, -0.05), *drawn[1:], drawn[0])


def birds(s: Sheet, count: int, x: float, y: float, size: float, colour: Array) -> None:
    """Let birds fly as a loose flock: two strokes of a brush each."""
    shapes: list[Polygon] = []
    for k in range(count):
        px, py = x + (k - count / 2) * size * s.between(0.9, 1.9), y + s.between(-1.6, 1.6) * size
        reach, lift = size * s.between(0.6, 1.15), s.between(0.25, 0.45)
        for turn in (-reach, reach):
            wing = [(px + turn * t, py - reach * lift * (2 * t - 1.55 * t * t)) for t in np.linspace(0, 1, 9).tolist()]
            shapes.append(stroke(wing, 0.15 * reach, 0.02 * reach))
    s.polygons(shapes, colour)


def weather(s: Sheet) -> None:
    """Lay over the finished picture what is in the air before us."""
    brief, u = s.brief, s.u

    def scatter(count: int, rx: float, ry: float, lowest: float = 0.0) -> list[Polygon]:
        places = zip(s.rng.uniform(0, s.w, count), s.rng.uniform(lowest * s.h, s.h, count), strict=True)
        return [ellipse(float(x), float(y), rx * u, ry * u, s.between(0, 180) * (rx != ry), n=12) for x, y in places]

    if brief.has("rain", "lightning"):
        drops = []
        for x, y, reach in s.rng.uniform((-40, -40, 18), (s.w, s.h, 60), (260, 3)).tolist():
            drops.append(stroke([(x, y), (x + reach * u * 0.16, y + reach * u)], 0.6 * u, 1.7 * u))
        s.polygons(drops, mix(s.palette.light, WHITE, 0.3), 0.4)
    if brief.has("snow"):
        s.polygons(scatter(170, 1.6, 1.6) + scatter(70, 2.8, 2.8) + scatter(16, 4.6, 4.6), WHITE, 0.85)
    if brief.has("leaves"):
        s.polygons(scatter(70, 7, 3.4), s.palette.accent, 0.9)
    if brief.has("blossoms"):
        s.polygons(scatter(60, 4, 2.6), rgb("#f7b3c8"), 0.9)
    if brief.has("fireflies"):
        for spark in scatter(26, 2.4, 2.4, 0.4):
            s.disc(*spark[0], 7 * u, rgb("#ffe28a"), 0.2)
            s.polygons([spark], rgb("#fff3b8"))
