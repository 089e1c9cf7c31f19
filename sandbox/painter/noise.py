"""Seeded noise, made by enlarging small random grids: Pillow's resampling is the fastest smooth interpolation here."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sandbox.painter.colour import Array

Rng = np.random.Generator


def enlarge(
    grid: Array, height: int, width: int, box: tuple[float, float, float, float] | None = None, *, smooth: bool = True
) -> Array:
    """Return `grid` (h, w) resampled to (height, width)."""
    method = Image.Resampling.BICUBIC if smooth else Image.Resampling.BILINEAR
    image = Image.fromarray(np.ascontiguousarray(grid, np.float32)).resize((width, height), method, box)
    return np.array(image, np.float32)


def field(
    rng: Rng, height: int, width: int, *, cell: float, stretch: float = 1.0, octaves: int = 4, ridged: bool = False
) -> Array:
    """Return fractal noise around 0, about -1 to 1.

    `cell` is the largest feature in pixels, `stretch` how much wider than high it is. A field of large features is made
    smaller and enlarged, which nobody sees and saves most of the time.
    """
    coarse = 4 if cell > 60 else 1
    h, w = -(-height // coarse), -(-width // coarse)
    total = np.zeros((h, w), np.float32)
    for octave in range(octaves):
        size = max(cell / coarse / 2**octave, 1.5)
        across = size * stretch
        rows, columns = int(h / size) + 4, int(w / across) + 4
        grid = rng.random((rows, columns), dtype=np.float32) * 2 - 1
        left, top = (1 + float(start) for start in rng.random(2))
        box = (left, top, min(left + w / across, columns), min(top + h / size, rows))
        layer = enlarge(grid, h, w, box)
        total += 0.5**octave * ((1 - 2 * np.abs(layer)) if ridged else layer)
    total *= 1.6 / (2 - 0.5 ** (octaves - 1))
    return enlarge(total, height, width, smooth=False) if coarse > 1 else total


def line(rng: Rng, n: int, *, cell: float, octaves: int = 5, sharp: bool = False) -> Array:
    """Return one-dimensional fractal noise of length `n`, about -1 to 1; `sharp` gives crags instead of swells."""
    x = np.arange(n, dtype=np.float32)
    total, reach = np.zeros(n, np.float32), 0.0
    for octave in range(octaves):
        size = max(cell / 2**octave, 2)
        knots = rng.random(int(n / size) + 4, dtype=np.float32) * 2 - 1
        place = x / size + float(rng.random())
        index = place.astype(np.int64)
        part = place - index
        if not sharp:
            part = part * part * (3 - 2 * part)
        total += 0.5**octave * (knots[index] * (1 - part) + knots[index + 1] * part)
        reach += 0.5**octave
    result: Array = total * np.float32(1.5 / reach)
    return result


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Return 0 below `low`, 1 above `high` and a soft step between; `low` may exceed `high` to turn it round."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    result: Array = t * t * (3 - 2 * t)
    return result
