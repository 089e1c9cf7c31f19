"""Solid things: bodies of revolution shaded round, with contact shadows. Cups, bottles and fruit are made of these."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sandbox.painter.canvas import Canvas, Point
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.figures.kit import curve
from sandbox.painter.noise import enlarge, smoothstep

WHITE = rgb("#ffffff")


def turned(
    canvas: Canvas,
    profile: Sequence[Point],
    x: float,
    foot: float,
    height: float,
    colour: Array,
    *,
    side: float,
    gloss: float = 0.3,
    opacity: float = 1.0,
    smooth: bool = True,
    mouth: Array | None = None,
) -> None:
    """Paint a turned body standing at (x, foot).

    `profile` lists (radius, height) from foot to top in units of `height`; `side` is where the light
    comes from (-1 left). `mouth` is the colour seen inside an open top.
    """
    path = _path(profile, smooth)
    top = int(foot - max(p[1] for p in path) * height) - 3
    bottom = int(foot) + 3
    rows = np.arange(top, bottom, dtype=np.float32)
    heights = np.array([p[1] for p in path], np.float32) * height
    radii = np.array([p[0] for p in path], np.float32) * height
    radius = np.interp(foot - rows, heights, radii, left=0, right=0).astype(np.float32)[:, None]
    reach = int(radii.max()) + 4
    left = int(x) - reach
    across = np.arange(left, left + 2 * reach + 1, dtype=np.float32)[None] - np.float32(x)
    # The foot and the rim are seen from a little above: both bow downwards.
    flat = np.float32(0.12)
    bow = np.sqrt(np.clip(1 - (across / max(float(radii[0]), 1.0)) ** 2, 0, 1)) * radii[0] * flat
    mask = np.clip(radius - np.abs(across) + 0.5, 0, 1) * np.clip(
        (foot - radii[0] * flat + bow) - rows[:, None] + 0.5, 0, 1
    )
    u = np.clip(across / np.maximum(radius, 1), -1, 1)
    canvas.blend((mask * opacity).astype(np.float32), _round(colour, u, side, gloss), top, left)
    if mouth is not None:
        _mouth(canvas, x, foot - float(heights[-1]), float(radii[-1]), colour, mouth)


def _path(profile: Sequence[Point], smooth: bool) -> list[Point]:
    path = curve(profile, closed=False, steps=10) if smooth else list(profile)
    rising: list[Point] = []
    for radius, height in path:
        if not rising or height > rising[-1][1]:
            rising.append((max(radius, 0.0), height))
    return rising


def _round(colour: Array, u: Array, side: float, gloss: float) -> Array:
    """Return the colours across a round body: core shadow, bounced light, a streak of gloss."""
    lit = u * np.float32(side)
    dark, mid, pale = (
        mix(shade(colour, -0.2), rgb("#1b1530"), 0.12),
        colour,
        mix(shade(colour, 0.09), WHITE, 0.12),
    )
    shadow = smoothstep(0.35, -0.85, lit)
    light = smoothstep(-0.1, 0.75, lit) * smoothstep(1.12, 0.72, lit)
    bounce = smoothstep(-0.78, -1.0, lit)
    tone = mid[:, None, None] + (pale - mid)[:, None, None] * light[None]
    tone = tone + (dark[:, None, None] - tone) * (shadow * (1 - 0.45 * bounce) * 0.85)[None]
    streak = np.exp(-(((lit - 0.56) / 0.085) ** 2)) * gloss
    result: Array = (tone + (1 - tone) * streak[None]).astype(np.float32)
    return result


def _mouth(canvas: Canvas, x: float, y: float, radius: float, colour: Array, inside: Array) -> None:
    reach = int(radius) + 4
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    for share, tone in ((1.0, mix(shade(colour, 0.06), WHITE, 0.25)), (0.9, inside)):
        away = np.sqrt((xs / (radius * share)) ** 2 + (ys / (radius * share * 0.2)) ** 2)
        canvas.blend(
            np.clip((1 - away) * radius * 0.2 + 0.5, 0, 1).astype(np.float32),
            tone,
            int(y) - reach,
            int(x) - reach,
        )


def ball(
    canvas: Canvas,
    x: float,
    y: float,
    rx: float,
    ry: float,
    colour: Array,
    *,
    side: float,
    gloss: float = 0.5,
) -> None:
    """Paint a shaded ellipsoid."""
    reach = int(max(rx, ry)) + 4
    top, left = int(y) - reach, int(x) - reach
    ys = (np.arange(top, top + 2 * reach + 1, dtype=np.float32)[:, None] - np.float32(y)) / np.float32(ry)
    xs = (np.arange(left, left + 2 * reach + 1, dtype=np.float32)[None] - np.float32(x)) / np.float32(rx)
    away = np.sqrt(xs * xs + ys * ys)
    depth = np.sqrt(np.clip(1 - away * away, 0, 1))
    facing = xs * np.float32(side * 0.5) - ys * 0.6 + depth * 0.62
    lit, dark, pale = (
        smoothstep(-0.35, 0.95, facing),
        mix(shade(colour, -0.2), rgb("#1b1530"), 0.12),
        mix(shade(colour, 0.08), WHITE, 0.1),
    )
    tone = dark[:, None, None] + (pale - dark)[:, None, None] * lit[None]
    spot = np.exp(-(((xs - side * 0.36) / 0.2) ** 2) - ((ys + 0.42) / 0.15) ** 2) * gloss
    tone = tone + (1 - tone) * spot[None]
    canvas.blend(np.clip((1 - away) * min(rx, ry) + 0.5, 0, 1).astype(np.float32), tone.astype(np.float32), top, left)


def contact(canvas: Canvas, x: float, y: float, rx: float, colour: Array, *, side: float, length: float = 1.6) -> None:
    """Lay the shadow something casts on the table: dark where it touches, long away from the light."""
    reach_x, reach_y = int(rx * (1.4 + length)) + 4, int(rx * 0.6) + 4
    step = 3
    ys = np.arange(-reach_y, reach_y, step, dtype=np.float32)[:, None]
    xs = np.arange(-reach_x, reach_x, step, dtype=np.float32)[None]
    away = -xs * np.float32(side)
    stretch = np.where(away > 0, rx * (1.0 + length), rx * 1.06)
    cast_shadow = np.exp(-(((xs / stretch) ** 2) + (ys / (rx * 0.24)) ** 2) * 1.7) * 0.5
    close = np.exp(-(((xs / (rx * 1.05)) ** 2) + (ys / (rx * 0.15)) ** 2) * 1.5) * 0.5
    mask = enlarge((1 - (1 - cast_shadow) * (1 - close)).astype(np.float32), 2 * reach_y, 2 * reach_x)
    canvas.blend(mask.clip(0, 1), colour, int(y) - reach_y, int(x) - reach_x)
