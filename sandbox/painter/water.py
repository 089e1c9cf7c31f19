"""Water: what stands above it, mirrored and broken by ripples, and the path of light the sun lays on it."""

from __future__ import annotations

import numpy as np

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, shade
from sandbox.painter.noise import Rng, enlarge, field, smoothstep
from sandbox.painter.sky import Sun


def lay(
    canvas: Canvas,
    brief: Brief,
    shore: int,
    sun: Sun | None,
    *,
    calm: float = 0.5,
    bottom: int | None = None,
    tint: float = 0.32,
) -> None:
    """Fill the rows from `shore` down with water mirroring what is above; `calm` 1 is a mirror, 0 open sea."""
    rng = brief.rng("water")
    end = canvas.height if bottom is None else bottom
    depth = end - shore
    if depth < 4 or shore < 4:
        return
    near = np.linspace(0, 1, depth, dtype=np.float32)[:, None]
    ripple = _ripples(rng, canvas, depth)
    canvas.pixels[:, shore:end] = _mirrored(canvas, shore, depth, ripple * (1.15 - calm), near)
    deep = shade(mix(brief.palette.near, brief.palette.sky[0], 0.55), 0.03 if brief.palette.dark else 0.1)
    pale = mix(brief.palette.haze, brief.palette.sky[-1], 0.6)
    canvas.blend(
        np.broadcast_to((tint + (0.5 - 0.34 * calm) * near), (depth, canvas.width)).astype(np.float32),
        deep,
        shore,
    )
    crest = smoothstep(0.25, 0.9, ripple) * (0.1 + 0.16 * (1 - calm)) * (1.1 - 0.95 * near)
    canvas.blend(crest.astype(np.float32), pale, shore)
    if sun is not None:
        light_path(canvas, brief, rng, shore, depth, sun, ripple)
    shine = np.exp(-np.linspace(0, 26, depth, dtype=np.float32))[:, None] * np.float32(0.4)
    canvas.blend(np.broadcast_to(shine, (depth, canvas.width)), pale, shore)


def _ripples(rng: Rng, canvas: Canvas, depth: int) -> Array:
    """Return ripples that grow towards the viewer: a flat pattern, seen in perspective."""
    rows = depth
    flat = field(rng, 512, canvas.width // 2, cell=13, stretch=6.5, octaves=3, gain=0.62, coarse=1)
    # Far rows pack the pattern's lines together, near rows spread them: y = 1 / distance.
    distance = 1 / (np.linspace(0, 1, rows, dtype=np.float32) + 0.3)
    line_of = (distance - distance.min()) / (distance.max() - distance.min()) * 505
    low = line_of.astype(np.int32)
    part = (line_of - low)[:, None].astype(np.float32)
    return enlarge(flat[low] * (1 - part) + flat[low + 1] * part, rows, canvas.width, smooth=False)


def _mirrored(canvas: Canvas, shore: int, depth: int, ripple: Array, near: Array) -> Array:
    sway = ripple * (4 + 26 * near) * np.float32(canvas.unit)
    row = np.arange(depth, dtype=np.float32)[:, None] * np.float32(min(1.0, shore / depth))
    source = np.clip(shore - 1 - row - sway, 0, shore - 1).astype(np.int32)
    column = np.clip(np.arange(canvas.width, dtype=np.float32)[None] + sway * 0.5, 0, canvas.width - 1).astype(np.int32)
    flat = source * canvas.width + column
    planes = canvas.pixels.reshape(3, -1)
    return np.stack([planes[channel].take(flat) for channel in range(3)])


def light_path(canvas: Canvas, brief: Brief, rng: Rng, shore: int, depth: int, sun: Sun, ripple: Array) -> None:
    """Scatter the sun's glitter on the water under it, wider towards the viewer."""
    near = np.linspace(0, 1, depth, dtype=np.float32)[:, None]
    x = canvas.columns()[None]
    reach = sun.radius * (1.0 + 2.4 * near) + 14 * canvas.unit
    away = (x - np.float32(sun.x)) / reach
    band = np.exp(-away * away)
    glitter = smoothstep(0.1, 0.42, ripple + band * 0.42 - 0.28 * near)
    strength = 0.62 if sun.moon else 0.85
    path = band * (0.2 + 0.8 * glitter) * (1 - 0.55 * near) * np.float32(strength)
    canvas.add(path.astype(np.float32), mix(brief.palette.sun, brief.palette.light, 0.45), shore)
