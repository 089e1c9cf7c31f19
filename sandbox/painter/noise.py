"""Seeded noise, made by enlarging small random grids: Pillow's resampling is the fastest smooth interpolation here."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sandbox.painter.colour import Array

Rng = np.random.Generator


def enlarge(
    grid: Array,
    height: int,
    width: int,
    box: tuple[float, float, float, float] | None = None,
    *,
    smooth: bool = True,
) -> Array:
    """Return `grid` (h, w) resampled to (height, width)."""
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.BILINEAR
    image = Image.fromarray(np.ascontiguousarray(grid, np.float32)).resize((width, height), method, box)
    return np.array(image, np.float32)


def field(
    rng: Rng,
    height: int,
    width: int,
    *,
    cell: float,
    stretch: float = 1.0,
    octaves: int = 4,
    gain: float = 0.5,
    ridged: bool = False,
    coarse: int = 2,
) -> Array:
    """Return fractal noise around 0, about -1 to 1.

    `cell` is the largest feature in pixels, `stretch` how much wider than high it is. The field is made `coarse` times
    smaller and enlarged, which nobody sees in clouds and saves most of the time.
    """
    h, w = -(-height // coarse), -(-width // coarse)
    total = np.zeros((h, w), np.float32)
    strength, reach = 1.0, 0.0
    for octave in range(octaves):
        size = cell / coarse / 2**octave
        if size < 1.5:
            break
        layer = _smooth_grid(rng, h, w, size, size * stretch)
        total += strength * ((1 - 2 * np.abs(layer)) if ridged else layer)
        reach += strength
        strength *= gain
    total *= 1.6 / max(reach, 1e-6)
    return enlarge(total, height, width, smooth=coarse > 2) if coarse > 1 else total


def _smooth_grid(rng: Rng, h: int, w: int, cell_y: float, cell_x: float) -> Array:
    rows, columns = int(h / cell_y) + 4, int(w / cell_x) + 4
    grid = rng.random((rows, columns), dtype=np.float32) * 2 - 1
    left, top = rng.random(2)
    box = (1 + left, 1 + top, 1 + left + w / cell_x, 1 + top + h / cell_y)
    return enlarge(grid, h, w, (float(box[0]), float(box[1]), min(box[2], columns), min(box[3], rows)))


def line(rng: Rng, n: int, *, cell: float, octaves: int = 5, gain: float = 0.5, sharp: bool = False) -> Array:
    """Return one-dimensional fractal noise of length `n`, about -1 to 1; `sharp` gives crags instead of swells."""
    x = np.arange(n, dtype=np.float32)
    total = np.zeros(n, np.float32)
    strength, reach = 1.0, 0.0
    for octave in range(octaves):
        size = cell / 2**octave
        if size < 2:
            break
        knots = rng.random(int(n / size) + 4, dtype=np.float32) * 2 - 1
        place = x / size + float(rng.random())
        index = place.astype(np.int64)
        part = place - index
        if not sharp:
            part = part * part * (3 - 2 * part)
        total += strength * (knots[index] * (1 - part) + knots[index + 1] * part)
        reach += strength
        strength *= gain
    result: Array = total * np.float32(1.5 / max(reach, 1e-6))
    return result


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Return 0 below `low`, 1 above `high` and a soft step between; `low` may exceed `high` to turn it round."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    result: Array = t * t * (3 - 2 * t)
    return result
