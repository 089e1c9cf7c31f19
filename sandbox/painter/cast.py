"""Puts a prompt's things where they belong: on the ground, on the water, in the air."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sandbox.painter.brief import Thing
from sandbox.painter.colour import WHITE, Array, mix, rgb, shade
from sandbox.painter.shapes import broadleaf, conifer, ellipse, stand
from sandbox.painter.sheet import Sheet
from sandbox.painter.sky import birds

LAMP = rgb("#ffd782")
_WIDE = ("camel", "elephant", "horse", "castle")


def colours(s: Sheet, thing: Thing | None = None, near: float = 0.96) -> dict[str, Array]:
    """Return the colours of a figure's roles at `nearness`, in the picture's own light."""
    palette, ink, dim = s.palette, s.palette.depth(near), 0.3 if s.palette.dark else 0.08
    coat = thing.coat() if thing else None
    return {
        "ink": ink if thing is None or thing.colour is None else mix(thing.colour, ink, dim),
        "coat": mix(ink, palette.haze, 0.12) if coat is None else mix(coat, ink, dim + 0.1),
        "pale": mix(mix(palette.light, WHITE, 0.35), ink, dim),
        "soft": mix(ink, palette.haze, 0.3),
        "dark": shade(ink, -0.08),
        "accent": mix(palette.accent if coat is None else coat, ink, dim * 0.6),
        "window": LAMP,
        "fire": rgb("#e8562a"),
        "flame": rgb("#ff9a3c"),
        "wall": mix(ink, palette.haze, 0.28) if coat is None else mix(coat, ink, dim + 0.1),
        "wood": shade(ink, 0.02),
        "light": palette.light,
    }


def on_ground(
    s: Sheet,
    ridge: Array,
    things: Sequence[Thing],
    *,
    scale: float = 1.0,
    near: float = 0.96,
    spot: float | None = None,
) -> None:
    """Stand things on the line `ridge`, the tallest first, spread over the picture's thirds."""
    base = min(s.h, s.w * 1.15) * scale
    first = s.pick(0.34, 0.64) if spot is None else spot
    for index, thing in enumerate(sorted(things, key=lambda t: -t.size)):
        count, tall = min(thing.count, 9), base * thing.size * (0.86 if thing.count > 1 else 1.0)
        middle, gap = (
            first + (0.27 if first < 0.5 else -0.27) * index,
            tall / s.w * (1.5 if thing.name in _WIDE else 1.05),
        )
        for k in range(count):
            x = s.w * float(np.clip(middle + (k - (count - 1) / 2) * gap * s.between(0.9, 1.1), 0.06, 0.94))
            one(s, thing, x, float(ridge[int(x)]) + tall * 0.015, tall * (s.between(0.8, 1.0) if k else 1), near)


def one(s: Sheet, thing: Thing, x: float, y: float, tall: float, near: float = 0.96) -> None:
    """Print one thing with its shadow; it looks into the picture."""
    palette, side, ink = s.palette, s.lit(x), s.palette.depth(near)
    if thing.name == "pine":
        for dx, share in ((-0.3, 0.7), (0.32, 0.82), (0.0, 1.0)):
            drawn = s.polygons(
                [conifer(s.rng, x + dx * tall, y + 3, tall * share)], mix(ink, palette.haze, 0.12 - 0.12 * share)
            )
            s.shade(drawn, mix(ink, palette.light, 0.35), side, 0.5)
    elif thing.name in ("tree", "blossomtree"):
        leaf = thing.coat()
        if leaf is None:
            leaf = palette.accent if palette.name in ("autumn", "spring") else mix(rgb("#5f8f4e"), ink, 0.35)
        broadleaf(s, x, y, tall, ink, mix(leaf, ink, 0.35 if palette.dark else 0.05), flat=s.brief.has("savanna"))
    else:
        s.polygons([ellipse(x - side * tall * 0.12, y, tall * 0.42, tall * 0.035)], shade(ink, -0.06), 0.55)
        if thing.name in ("tent", "campfire", "cabin"):
            s.glow(x, y - tall * 0.3, tall * 1.5, LAMP, 0.45 if palette.dark else 0.12)
        if thing.name == "lighthouse" and palette.dark:
            lamp, reach = (x, y - tall * 0.86), -s.w if x > s.w / 2 else s.w
            s.polygons([[lamp, (x + reach, lamp[1] - tall * 0.5), (x + reach, lamp[1] + tall * 0.1)]], LAMP, 0.16)
            s.glow(*lamp, tall * 0.5, LAMP, 0.8)
        stand(s, thing.figure, x, y, tall, colours(s, thing, near), flip=x > s.w / 2)


def on_water(s: Sheet, horizon: float, things: Sequence[Thing]) -> None:
    """Let things float, each with its mirror image; the further out, the smaller."""
    at = 0.66 if s.sun[0] < s.w / 2 else 0.34
    for thing in things:
        for k in range(min(thing.count, 7)):
            away = 0.42 + 0.1 * k if thing.name in ("swan", "rowboat") else 0.2 + 0.16 * k * s.between(0.7, 1.3)
            y = horizon + (s.h - horizon) * float(np.clip(away, 0.05, 0.75))
            tall = min(s.h, s.w * 1.15) * thing.size * (0.75 + away * 0.6) * (0.7 if k else 1)
            x, tones = s.w * float(np.clip(at + (0.2 if at < 0.5 else -0.2) * k, 0.1, 0.9)), colours(s, thing)
            stand(s, thing.figure, x, y, tall, tones, flip=x > s.w / 2, mirrored=True, opacity=0.3)
            stand(s, thing.figure, x, y, tall, tones, flip=x > s.w / 2)
            wake = [
                ellipse(x + tall * 0.1 * j, y + tall * 0.035 * j, tall * (0.5 - 0.1 * j), tall * 0.008)
                for j in range(3)
            ]
            s.polygons(wake, mix(s.palette.light, WHITE, 0.2), 0.5)
        at = 1 - at


def in_air(s: Sheet, horizon: float) -> None:
    """Let things fly: the nearest large, those behind it smaller and hazier."""
    base, at = min(s.h, s.w * 1.15), 0.64 if s.sun[0] < s.w / 2 else 0.36
    for thing in s.brief.at("sky", "birds"):
        if thing.home == "birds":
            birds(s, max(5, thing.count), s.w * at, horizon * 0.36, base * thing.size * 1.3, s.palette.depth(0.9))
            continue
        for k, share in enumerate((1.0, 0.55, 0.38, 0.45, 0.3, 0.35, 0.25)[: thing.count]):
            x = s.w * float(np.clip(at + (-1) ** k * 0.17 * ((k + 1) // 2) * s.between(0.9, 1.5), 0.1, 0.9))
            y, tall = horizon * (s.between(0.3, 0.85) if k else 0.66), base * thing.size * share
            tones = colours(s, thing, 0.96 - 0.45 * (1 - share))
            stand(s, thing.figure, x, max(y, tall * 1.05), tall, tones, flip=x > s.w / 2)
