"""Puts a prompt's things where they belong: on the ground, on the water, in the air."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sandbox.painter.brief import Brief, Thing
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.noise import Rng
from sandbox.painter.shapes import broadleaf, conifer, ellipse, palm, stand
from sandbox.painter.sky import WHITE, Sun, birds

_LAMP = rgb("#ffd782")
_SPOTS = (0.5, 0.32, 0.68, 0.18, 0.82, 0.42, 0.6)


def colours(brief: Brief, thing: Thing | None = None, near: float = 0.96) -> dict[str, Array]:
    """Return the colours of a figure's roles at `nearness`, in the picture's own light."""
    palette = brief.palette
    ink = palette.depth(near)
    coat = thing.coat() if thing else None
    dim = 0.3 if palette.dark else 0.08
    return {
        "ink": ink if thing is None or thing.colour is None else mix(thing.colour, ink, dim),
        "coat": mix(coat, ink, dim + 0.1) if coat is not None else mix(ink, palette.haze, 0.12),
        "pale": mix(mix(palette.light, WHITE, 0.35), ink, dim),
        "soft": mix(ink, palette.haze, 0.3),
        "dark": shade(ink, -0.08),
        "accent": mix(coat if coat is not None else palette.accent, ink, dim * 0.6),
        "window": _LAMP,
        "wall": mix(coat, ink, dim + 0.1) if coat is not None else mix(ink, palette.haze, 0.28),
        "wood": shade(ink, 0.02),
        "light": palette.light,
    }


def on_ground(canvas: Canvas, brief: Brief, rng: Rng, ridge: Array, sun: Sun, things: Sequence[Thing], *, scale: float = 1.0, near: float = 0.96, spot: float | None = None) -> None:
    """Stand things on the line `ridge`, the tallest first, spread over the picture's thirds."""
    base = min(canvas.height, canvas.width * 1.15) * scale
    places = [spot if spot is not None else float(rng.choice((0.34, 0.64))), *_SPOTS]
    for index, thing in enumerate(sorted(things, key=lambda t: -t.size)):
        middle = places[0] if index == 0 else places[0] + (0.27 if places[0] < 0.5 else -0.27) * index
        tall = base * thing.size * (0.86 if thing.count > 1 else 1.0)
        for k in range(min(thing.count, 9)):
            gap = tall / canvas.width * (1.05 if thing.size < 0.2 else 0.5)
            at = middle + (k - (min(thing.count, 9) - 1) / 2) * gap * float(rng.uniform(0.9, 1.15))
            x = float(np.clip(at, 0.06, 0.94)) * canvas.width
            y = float(ridge[int(x)]) + tall * 0.015
            one(canvas, brief, rng, thing, x, y, tall * (1 if k == 0 else float(rng.uniform(0.8, 1.0))), sun, near, flip=x > canvas.width / 2)


def one(canvas: Canvas, brief: Brief, rng: Rng, thing: Thing, x: float, y: float, tall: float, sun: Sun, near: float, *, flip: bool = False) -> None:
    """Print one thing with its shadow."""
    palette, side, ink = brief.palette, sun.side(x), brief.palette.depth(near)
    if thing.name == "pine":
        for dx, share in ((-0.3, 0.7), (0.32, 0.82), (0.0, 1.0)):
            drawn = canvas.polygons([conifer(rng, x + dx * tall, y + 3, tall * share)], mix(ink, palette.haze, 0.12 * (1 - share)))
            canvas.shade(drawn, mix(ink, palette.light, 0.35), side, 0.5)
    elif thing.name in ("tree", "blossomtree"):
        leaf = thing.coat()
        if leaf is None:
            leaf = palette.accent if palette.name in ("autumn", "spring", "crimson") else mix(rgb("#5f8f4e"), ink, 0.35)
        broadleaf(canvas, rng, x, y, tall, ink, mix(leaf, ink, 0.35 if palette.dark else 0.05), side, flat=brief.has("savanna"))
    elif thing.name == "palm":
        for dx, share in ((-0.22, 0.8), (0.1, 1.0)):
            canvas.polygons(palm(rng, x + dx * tall, y, tall * share), ink)
    elif thing.name == "pyramid":
        left, right = (x - tall * 0.85, y), (x + tall * 0.85, y)
        canvas.polygons([[left, (x, y - tall), right]], mix(palette.light, ink, 0.35))
        canvas.polygons([[(x - side * tall * 0.85, y), (x, y - tall), (x + side * tall * 0.12, y)]], mix(palette.haze, ink, 0.6))
    else:
        canvas.polygons([ellipse(x - side * tall * 0.12, y, tall * 0.42, tall * 0.035)], shade(ink, -0.06), 0.55)
        if thing.name in ("tent", "campfire", "cabin"):
            canvas.glow(x, y - tall * 0.3, tall * 1.5, _LAMP, 0.45 if palette.dark else 0.12)
        stand(canvas, thing.figure, x, y, tall, colours(brief, thing, near), flip=flip, side=side)


def on_water(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun, things: Sequence[Thing]) -> None:
    """Let things float, each with its mirror image; the further out, the smaller."""
    base = min(canvas.height, canvas.width * 1.15)
    at = 0.66 if sun.x < canvas.width / 2 else 0.34
    for thing in things:
        for k in range(min(thing.count, 7)):
            away = 0.2 + 0.16 * k * float(rng.uniform(0.7, 1.3)) if thing.name not in ("swan", "rowboat") else 0.42 + 0.1 * k
            y = horizon + (canvas.height - horizon) * float(np.clip(away, 0.05, 0.75))
            tall = base * thing.size * (0.75 + away * 0.6) * (1 if k == 0 else 0.7)
            x = canvas.width * float(np.clip(at + (0.2 * k if at < 0.5 else -0.2 * k), 0.1, 0.9))
            tones = colours(brief, thing)
            stand(canvas, thing.figure, x, y, tall, tones, flip=x > canvas.width / 2, mirrored=True, opacity=0.3)
            stand(canvas, thing.figure, x, y, tall, tones, flip=x > canvas.width / 2, side=sun.side(x))
            for line in range(3):
                wide = tall * (0.5 - 0.1 * line) * float(rng.uniform(0.7, 1.2))
                canvas.polygons([ellipse(x + tall * 0.1 * line, y + tall * 0.035 * line, wide, tall * 0.008)], mix(brief.palette.light, WHITE, 0.2), 0.5)
        at = 1 - at


def in_air(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun) -> None:
    """Let things fly: the nearest large, those behind it smaller and hazier."""
    base = min(canvas.height, canvas.width * 1.15)
    for thing in brief.at("sky", "birds"):
        if thing.home == "birds":
            birds(canvas, rng, max(5, thing.count), canvas.width * float(rng.uniform(0.35, 0.65)), horizon * 0.36, base * thing.size * 1.3, brief.palette.depth(0.9))
            continue
        at = 0.64 if sun.x < canvas.width / 2 else 0.36
        for k in range(min(thing.count, 7)):
            share = (1.0, 0.55, 0.38, 0.45, 0.3, 0.35, 0.25)[k]
            x = canvas.width * float(np.clip(at + (-1) ** k * 0.17 * ((k + 1) // 2) * float(rng.uniform(0.9, 1.5)), 0.1, 0.9))
            y = horizon * (0.66 if k == 0 else float(rng.uniform(0.3, 0.85)))
            tall = base * thing.size * share
            stand(canvas, thing.figure, x, max(y, tall * 1.05), tall, colours(brief, thing, 0.96 - 0.45 * (1 - share)), flip=x > canvas.width / 2, side=sun.side(x))
