"""Land: ranges in mist, faceted peaks with snow, rolling hills, drifting fog."""

from __future__ import annotations

import numpy as np

from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix
from sandbox.painter.noise import Rng, enlarge, field, line, smoothstep
from sandbox.painter.sky import Sun


def crags(rng: Rng, canvas: Canvas, base: float, height: float, cell: float) -> Array:
    """Return a craggy range's outline: y per column, rising up to about `height` above `base`."""
    shape = line(rng, canvas.width, cell=cell, octaves=8, gain=0.47, sharp=True)
    swell = line(rng, canvas.width, cell=cell * 2.5, octaves=2)
    result: Array = base - height * (0.5 + 0.42 * shape + 0.2 * swell)
    return result


def hills(rng: Rng, canvas: Canvas, base: float, height: float, cell: float) -> Array:
    """Return soft rolling hills."""
    result: Array = base - height * (0.5 + 0.5 * line(rng, canvas.width, cell=cell, octaves=3, gain=0.32))
    return result


def peak(rng: Rng, canvas: Canvas, centre: float, base: float, height: float, spread: float) -> Array:
    """Return one great peak with shoulders, `spread` px wide on each side."""
    x = canvas.columns()
    away = np.abs(x - centre) / spread
    rough = line(rng, canvas.width, cell=spread * 0.42, octaves=7, gain=0.5, sharp=True)
    body = np.clip(1 - away**0.92, -0.5, 1)
    shoulder = 0.62 * np.clip(
        1 - np.abs(x - centre - spread * float(rng.choice([-0.62, 0.62]))) / (spread * 0.6), -0.5, 1
    )
    profile = np.maximum(body, shoulder) + rough * (0.05 + 0.11 * np.clip(away, 0, 1))
    result: Array = (base - height * np.clip(profile, -0.4, 1.2)).astype(np.float32)
    return result


def rock(
    canvas: Canvas,
    rng: Rng,
    ridge: Array,
    sun: Sun,
    *,
    lit: Array,
    dark: Array,
    foot: Array,
    depth: float,
    snow: tuple[Array, Array] | None = None,
    snowline: float = 0.0,
) -> None:
    """Paint a mountain under `ridge` with sunlit and shaded faces, fading into `foot` (mist) over `depth` px.

    The faces follow the outline's own slopes, carried down the flank along wandering lines, the way spurs do.
    `snow` is (lit, shaded); it lies above the y `snowline` with a ragged edge.
    """
    top = max(int(ridge.min()) - 2, 0)
    bottom = min(canvas.height, int(ridge.max() + depth) + 2)
    if bottom - top < 4:
        return
    mask = canvas.under(ridge, top)[: bottom - top]
    deep = canvas.rows(top, bottom) - ridge[None]
    faces = _faces(canvas, rng, ridge, deep, top, bottom, sun)
    fade = smoothstep(0.1, 1.0, deep / np.float32(depth))
    tones = (lit, dark) if snow is None else (mix(lit, dark, 0.15), dark)
    colour = tones[1][:, None, None] + (tones[0] - tones[1])[:, None, None] * faces[None]
    if snow is not None:
        ragged = line(rng, canvas.width, cell=64 * canvas.unit, octaves=5, gain=0.6, sharp=True)[None]
        edge = (
            np.float32(snowline) + ragged * np.float32(44 * canvas.unit) + (faces - 0.5) * np.float32(70 * canvas.unit)
        )
        cover = smoothstep(2, -2, canvas.rows(top, bottom) - edge)
        white = snow[1][:, None, None] + (snow[0] - snow[1])[:, None, None] * faces[None]
        colour = colour + (white - colour) * cover[None]
    colour += (foot[:, None, None] - colour) * fade[None]
    canvas.blend(mask, colour.astype(np.float32), top)


def _faces(canvas: Canvas, rng: Rng, ridge: Array, deep: Array, top: int, bottom: int, sun: Sun) -> Array:
    """Return how much light each point of the flank gets, 0 to 1."""
    smooth = np.convolve(np.pad(ridge, 4, mode="edge"), np.ones(9, np.float32) / 9, "valid")
    slope = np.gradient(smooth).astype(np.float32)
    toward = (
        np.sign(sun.x - canvas.columns()).astype(np.float32) if not sun.moon else np.full(canvas.width, 1.0, np.float32)
    )
    wander = field(rng, bottom - top, canvas.width, cell=210 * canvas.unit, stretch=0.34, octaves=4, gain=0.5, coarse=2)
    shift = (wander * np.clip(deep, 0, None) * np.float32(0.42)).astype(np.int32)
    column = np.clip(np.arange(canvas.width, dtype=np.int32)[None] + shift, 0, canvas.width - 1)
    # A flank that falls away to the right (positive slope) faces right.
    facing = (slope * toward)[column] + wander * np.float32(0.3)
    return smoothstep(-0.3, 0.42, facing)


def mist(canvas: Canvas, rng: Rng, y: float, spread: float, colour: Array, strength: float) -> None:
    """Let a bank of fog drift at height `y`, about `spread` px thick."""
    top, bottom = max(int(y - spread), 0), min(int(y + spread), canvas.height)
    if bottom - top < 8:
        return
    step = 4
    h, w = (bottom - top) // step + 1, canvas.width // step + 1
    drift = field(rng, h, w, cell=spread / step, stretch=4, octaves=3, coarse=1)
    across = np.linspace(-1, 1, h, dtype=np.float32)[:, None]
    band = (1 - across * across) ** 2
    mask = np.clip(band * (0.6 + 0.55 * drift), 0, 1) * np.float32(strength)
    canvas.blend(enlarge(mask, bottom - top, canvas.width).clip(0, 1), colour, top)
