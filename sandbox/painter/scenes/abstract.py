"""Abstract pictures: cut paper, silk, soft gradients, geometry, glass discs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, ramp, rgb, shade, turn
from sandbox.painter.noise import Rng, enlarge, field, line, smoothstep
from sandbox.painter.scenes import geometry

_WORDS = {
    "geometry": "geometric bauhaus pattern shape logo icon poster mandala tile mosaic cubism typography",
    "silk": "wave flowing silk music sound motion energy line ribbon data aurora flow dance",
    "paper": "paper topographic contour layers layer marble fluid liquid ink texture papercut swirl psychedelic",
    "glass": "minimal minimalist minimalism glass circle sphere orb bubble calm zen balance",
    "mesh": "gradient background wallpaper blur soft dream aura emotion mesh",
}


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint without a subject; words choose the manner, else the seed does."""
    rng = brief.rng("abstract")
    hits = {name: len(brief.words & set(listed.split())) for name, listed in _WORDS.items()}
    best = max(hits, key=lambda name: hits[name])
    manner = best if hits[best] else str(rng.choice(sorted(_WORDS)))
    _MANNERS[manner](canvas, brief, rng)


def _tones(brief: Brief, n: int) -> Array:
    """Return `n` colours from dark to light through the palette, the accent among them."""
    palette = brief.palette
    stops = [
        shade(palette.near, 0.02),
        palette.sky[0],
        palette.sky[1],
        palette.sky[2],
        mix(palette.accent, palette.sky[3], 0.35),
        palette.sky[-1],
    ]
    if brief.colour is not None:
        stops = [
            shade(brief.colour, -0.3),
            shade(brief.colour, -0.14),
            brief.colour,
            mix(brief.colour, palette.sky[-2], 0.4),
            turn(shade(brief.colour, 0.12), 25),
            mix(brief.colour, rgb("#fff8ee"), 0.8),
        ]
    return ramp(stops, np.linspace(0, 1, n, dtype=np.float32))


def _warped(canvas: Canvas, rng: Rng, cell: float) -> Array:
    """Return slow noise warped by itself, at full size, about 0 to 1."""
    step = 2
    h, w = canvas.height // step, canvas.width // step
    size = cell * canvas.unit / step
    x = field(rng, h, w, cell=size, octaves=2, coarse=4) * size * 0.55
    y = field(rng, h, w, cell=size, octaves=2, coarse=4) * size * 0.55
    base = field(rng, h, w, cell=size, octaves=2, gain=0.3, coarse=4)
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    warped = base[np.clip(ys + y, 0, h - 1).astype(np.int32), np.clip(xs + x, 0, w - 1).astype(np.int32)]
    low, high = float(warped.min()), float(warped.max())
    return enlarge((warped - low) / (high - low), canvas.height, canvas.width)


def paper(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Stack sheets of cut paper, each casting a soft shadow on the one below."""
    layers = int(rng.integers(7, 12))
    tones = _tones(brief, layers)
    if rng.random() < 0.5:
        tones = tones[::-1]
    height = _warped(canvas, rng, float(rng.uniform(430, 700)))
    canvas.pixels[:] = tones[0][:, None, None]
    drop = max(3, int(9 * canvas.unit))
    fibres = field(rng, canvas.height, canvas.width, cell=5, octaves=2, coarse=1) * np.float32(0.012)
    slope = float(np.abs(np.gradient(height[::8], axis=1)).mean()) * 1.6
    for layer in range(1, layers):
        level = layer / layers
        sheet = smoothstep(level - slope * 0.5, level + slope * 0.5, height)
        shadow = smoothstep(level - 0.055, level + 0.012, np.roll(height, (drop, drop // 2), axis=(0, 1)))
        canvas.blend(shadow * (1 - sheet) * np.float32(0.42), shade(tones[layer - 1], -0.22))
        canvas.blend(sheet, tones[layer])
    canvas.pixels += fibres[None]


def silk(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Let veils of fine lines flow across a dark or pale ground."""
    palette = brief.palette
    tones = _tones(brief, 6)
    dark = palette.dark or rng.random() < 0.6
    ground = (
        [shade(tones[0], -0.06), tones[0], tones[1]]
        if dark
        else [tones[5], mix(tones[5], tones[4], 0.25), mix(tones[5], tones[3], 0.3)]
    )
    canvas.fill_rows(ramp(ground, np.linspace(0, 1, canvas.height, dtype=np.float32)))
    x = canvas.columns() / canvas.width
    for veil in range(4):
        a, b = (
            line(rng, canvas.width, cell=canvas.width * float(rng.uniform(0.35, 0.6)), octaves=2, gain=0.35)
            for _ in range(2)
        )
        middle = canvas.height * (0.2 + 0.2 * veil + float(rng.uniform(-0.06, 0.06)))
        first = middle + a * canvas.height * 0.24 - canvas.height * 0.1
        second = middle + b * canvas.height * 0.3 + canvas.height * 0.12
        _veil(canvas, first, second, tones[1 + veil], tones[min(5, 2 + veil)], x, dark)


def _veil(canvas: Canvas, first: Array, second: Array, start: Array, end: Array, x: Array, dark: bool) -> None:
    low, high = np.minimum(first, second), np.maximum(first, second)
    top, bottom = max(int(low.min()) - 3, 0), min(int(high.max()) + 3, canvas.height)
    if bottom - top < 4:
        return
    across = (canvas.rows(top, bottom) - first[None]) / np.where(np.abs(second - first) < 2, 2, second - first)[None]
    inside = smoothstep(-0.004, 0.004, across) * smoothstep(1.004, 0.996, across)
    lines = 0.5 + 0.5 * np.cos(across * np.float32(math.tau * 26))
    width = np.clip(np.abs(second - first)[None] / np.float32(canvas.height * 0.3), 0.05, 1)
    body = inside * (0.26 + 0.5 * (1 - across.clip(0, 1)) ** 1.5)
    crisp = inside * lines**4 * (0.65 - 0.4 * width)
    colour = start[:, None, None] + (end - start)[:, None, None] * x[None, None, :]
    canvas.blend((body * (0.75 - 0.3 * width)).astype(np.float32), colour.astype(np.float32), top)
    bright = mix(end, rgb("#ffffff"), 0.45) if dark else shade(start, -0.1)
    canvas.blend(crisp.astype(np.float32), bright, top)
    fold = np.exp(-(((canvas.rows(top, bottom) - first[None]) / (2.2 * canvas.unit)) ** 2)) * 0.7
    canvas.blend(fold.astype(np.float32), bright, top)


def mesh(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Melt a few colours into one another, with a light fold or two."""
    tones = _tones(brief, 12)
    rows, columns = 4, 4
    pick = rng.permutation(rows * columns) % 12
    grid = tones[pick].reshape(rows, columns, 3)
    step = 2
    h, w = canvas.height // step, canvas.width // step
    planes = [enlarge(np.ascontiguousarray(grid[:, :, c]), h, w) for c in range(3)]
    size = 560 * canvas.unit / step
    x = field(rng, h, w, cell=size, octaves=2, gain=0.3, coarse=4) * size * 0.42
    y = field(rng, h, w, cell=size, octaves=2, gain=0.3, coarse=4) * size * 0.42
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    row, column = np.clip(ys + y, 0, h - 1).astype(np.int32), np.clip(xs + x, 0, w - 1).astype(np.int32)
    for channel in range(3):
        canvas.pixels[channel] = enlarge(planes[channel][row, column], canvas.height, canvas.width).clip(0, 1)
    folds = field(rng, canvas.height, canvas.width, cell=620 * canvas.unit, octaves=2, gain=0.25, coarse=4)
    canvas.add((smoothstep(0.5, 0.0, np.abs(folds)) * 0.16).astype(np.float32), mix(tones[11], rgb("#ffffff"), 0.5))


def glass(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Float translucent discs over a quiet gradient, like a mobile in the sun."""
    tones = _tones(brief, 6)
    canvas.fill_rows(
        ramp(
            [mix(tones[5], rgb("#fffaf2"), 0.45), mix(tones[5], tones[4], 0.35)],
            np.linspace(0, 1, canvas.height, dtype=np.float32),
        )
    )
    base = min(canvas.width, canvas.height)
    angle = float(rng.uniform(-0.7, 0.7))
    for k in range(int(rng.integers(5, 8))):
        along = (k / 6 - 0.45) * 1.05
        x = canvas.width * (0.5 + along * math.cos(angle)) + float(rng.normal(0, base * 0.05))
        y = canvas.height * (0.5 + along * math.sin(angle)) + float(rng.normal(0, base * 0.12))
        radius = base * float(rng.choice([0.07, 0.13, 0.2, 0.28]))
        _lens(canvas, x, y, radius, tones[int(rng.integers(1, 5))], tones[int(rng.integers(2, 6))])
    canvas.disc(
        canvas.width * float(rng.uniform(0.3, 0.7)),
        canvas.height * float(rng.uniform(0.25, 0.75)),
        base * 0.045,
        brief.palette.accent,
    )


def _lens(canvas: Canvas, x: float, y: float, radius: float, first: Array, second: Array) -> None:
    reach = int(radius * 1.3) + 4
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    away = np.sqrt(xs * xs + ys * ys) / np.float32(radius)
    below = np.sqrt((xs - radius * 0.08) ** 2 + (ys - radius * 0.14) ** 2) / np.float32(radius)
    top, left = int(y) - reach, int(x) - reach
    canvas.blend((smoothstep(1.2, 0.8, below) * (away > 1) * 0.14).astype(np.float32), shade(first, -0.2), top, left)
    share = ((xs + ys) / (2.4 * radius) + 0.5).clip(0, 1)
    colour = first[:, None, None] + (second - first)[:, None, None] * share[None]
    inside = np.clip((1 - away) * radius + 0.5, 0, 1)
    canvas.blend((inside * (0.66 + 0.22 * away**3)).astype(np.float32), colour.astype(np.float32), top, left)
    gleam = inside * smoothstep(0.55, 0.0, np.sqrt((xs / radius + 0.36) ** 2 + (ys / radius + 0.42) ** 2)) * 0.34
    canvas.blend(gleam.astype(np.float32), rgb("#ffffff"), top, left)


_MANNERS: dict[str, Callable[[Canvas, Brief, Rng], None]] = {
    "paper": paper,
    "silk": silk,
    "mesh": mesh,
    "geometry": lambda canvas, brief, rng: geometry.paint(canvas, brief, rng, _tones(brief, 7)),
    "glass": glass,
}
