"""Land and water as layers: ridges that fade with distance, fields in perspective, mirrors and waves."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas, Polygon
from sandbox.painter.colour import Array, mix, ramp, rgb, shade
from sandbox.painter.noise import Rng, field, line, smoothstep
from sandbox.painter.shapes import ellipse, firs, stroke
from sandbox.painter.sky import Sun

SNOW = rgb("#f7f8fb")


def crest(canvas: Canvas, rng: Rng, kind: str, base: float, height: float) -> Array:
    """Return a ridge line (y per column) that rises up to `height` px above `base`."""
    w = canvas.width
    x = np.arange(w, dtype=np.float32) / w
    if kind == "alps":
        rise = 0.12 * line(rng, w, cell=w * 0.5, octaves=2) + 0.14 * line(rng, w, cell=w * 0.13, octaves=5, sharp=True)
        for _ in range(int(rng.integers(3, 5))):
            top, wide = float(rng.uniform(-0.05, 1.05)), float(rng.uniform(0.16, 0.34))
            rise = np.maximum(rise, float(rng.uniform(0.55, 1.0)) - np.abs(x - top) / wide + 0.13 * line(rng, w, cell=w * 0.1, octaves=5, sharp=True))
    elif kind == "cone":
        away = np.abs(x - float(rng.choice((0.36, 0.5, 0.62)))) * w / height
        rise = np.maximum(1.0 - 0.04 - away * 0.62 + 0.1 * away**2, 0) * (away < 3.1)
        rise = np.minimum(rise, 0.93 + 0.02 * line(rng, w, cell=w * 0.05)) + 0.012 * line(rng, w, cell=w * 0.06)
    elif kind == "dunes":
        rise = np.zeros(w, np.float32)
        phase, count = float(rng.random()), float(rng.uniform(1.3, 2.4))
        t = (x * count + phase + 0.12 * line(rng, w, cell=w * 0.6, octaves=2)) % 1
        rise = np.where(t < 0.68, (t / 0.68) ** 1.7, ((1 - t) / 0.32) ** 1.25) * (0.55 + 0.3 * line(rng, w, cell=w * 0.9, octaves=1))
    elif kind == "mesa":
        raw = 0.5 + 0.75 * line(rng, w, cell=w * 0.3, octaves=2)
        stepped = smoothstep(0.42, 0.5, raw) * 0.6 + smoothstep(0.62, 0.68, raw) * 0.3 + 0.1 * smoothstep(0.2, 0.4, raw)
        rise = stepped + 0.02 * line(rng, w, cell=w * 0.02, octaves=3, sharp=True)
    else:
        rise = 0.5 + 0.5 * line(rng, w, cell=w * float(rng.uniform(0.4, 0.7)), octaves=2, gain=0.3)
    result: Array = (base - height * rise).astype(np.float32)
    return result


def ridges(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun, kind: str, horizon: float, height: float, n: int = 4) -> Array:
    """Print `n` ridges from far to near, mist between them; return the nearest crest."""
    ridge = np.full(canvas.width, horizon, np.float32)
    snowy = kind == "alps" and (brief.palette.name in ("winter", "aurora", "night", "day", "dawn") or brief.has("snow"))
    for k in range(n):
        share = k / max(n - 1, 1)
        tall = height * (1.0 - 0.62 * share) * float(rng.uniform(0.85, 1.1))
        own = kind if kind not in ("alps", "cone") or (k < n - 1 and (kind == "alps" or k == 0)) else "hills"
        ridge = crest(canvas, rng, own, horizon + canvas.height * 0.035 * k, tall if own != "hills" or kind == "hills" else tall * 0.55)
        layer(canvas, brief, ridge, sun, 0.14 + 0.66 * share**1.1, tall * 1.15, snow=snowy or own == "cone", facets=own in ("alps", "cone", "dunes", "mesa"), rng=rng, kind=own)
    return ridge


def layer(
    canvas: Canvas, brief: Brief, ridge: Array, sun: Sun, near: float, depth: float, *,
    rng: Rng, snow: bool = False, facets: bool = False, kind: str = "hills", tint: Array | None = None,
) -> None:  # fmt: skip
    """Print the land under `ridge`: ink at the crest, mist at the foot, grain where the light falls."""
    palette = brief.palette
    ink = palette.depth(near)
    if tint is not None:
        ink = mix(ink, tint, 0.6)
    foot = mix(ink, palette.haze, 0.55 * (1 - near) + 0.12)
    bottom = min(canvas.height, int(float(ridge.max()) + depth) + 2)
    mask, top = canvas.land(ridge, ink, foot, max(depth, float(ridge.max()) - float(ridge.min())), bottom)
    if bottom < canvas.height:
        canvas.fill_rows(np.repeat(foot[None], canvas.height - bottom, axis=0), bottom)
    if not len(mask):
        return
    below = (canvas.rows(top, bottom) - ridge[None, :]) / np.float32(max(depth, 1))
    slope = np.gradient(ridge)
    if facets:
        reach = max(3, canvas.width // 60)
        smooth = np.convolve(np.pad(slope, reach, mode="edge"), np.ones(2 * reach + 1) / (2 * reach + 1), "valid")
        zig = 0.5 * line(rng, len(mask), cell=canvas.height * 0.05, octaves=3, sharp=True) + 0.15
        shift = (np.clip(below, 0, 1) * (zig * canvas.width * (0.09 if kind != "dunes" else 0.0))[:, None]).astype(np.int64)
        columns = np.clip(np.arange(canvas.width)[None, :] + shift, 0, canvas.width - 1)
        faces = np.sign(sun.x - canvas.width / 2) or 1.0
        lit = np.clip(smooth * faces * 3 + 0.5, 0, 1).astype(np.float32)[columns]
        if snow:
            ragged = 0.34 + 0.2 * line(rng, canvas.width, cell=canvas.width * 0.05, octaves=4, sharp=True)
            cap = smoothstep(0.04, -0.04, below - ragged[None, :].astype(np.float32)) * mask
            canvas.blend(cap * np.float32(0.9 if not palette.dark else 0.6), mix(mix(SNOW, palette.light, 0.25), ink, 0.1 + 0.25 * (1 - near)), top)
            canvas.spray((1 - lit) * 0.8, mix(ink, palette.haze, 0.35), top, mask=cap)
        shadow = np.clip((1 - lit) * (0.75 - 0.5 * below), 0, 1)
        canvas.spray(shadow * 0.7, shade(ink, -0.09), top, mask=mask)
        canvas.spray(np.clip(lit * (0.6 - below * 0.8), 0, 1) * (0.3 + 0.4 * near), mix(ink, palette.light, 0.5), top, mask=mask)
    else:
        canvas.spray(np.clip(0.5 - below * 1.6, 0, 1) * (0.5 if sun.radius else 0.25), mix(ink, palette.light, 0.4), top, mask=mask)
        canvas.spray(np.clip(below * 0.8 - 0.35, 0, 0.5) * near, shade(ink, -0.06), top, mask=mask)


def mist(canvas: Canvas, brief: Brief, y: float, height: float, strength: float = 0.6) -> None:
    """Lay a bank of mist across the sheet."""
    top = int(max(y - height, 0))
    rows = (canvas.rows(top, min(canvas.height, int(y + height) + 1)) - np.float32(y)) / np.float32(height)
    drift = field(brief.rng(f"mist{int(y)}"), len(rows), canvas.width, cell=height * 1.2, stretch=5, octaves=2, coarse=8)
    thick = np.clip((1 - rows * rows) * (0.75 + 0.5 * drift), 0, 1) * np.float32(strength)
    canvas.blend(thick, mix(brief.palette.haze, brief.palette.sky[-1], 0.5), top)


def water(canvas: Canvas, brief: Brief, horizon: float, sun: Sun, *, calm: bool, tint: Array | None = None, bottom: int | None = None) -> None:
    """Mirror what stands above `horizon`: clear in a lake, broken into strokes of light at sea."""
    rng, palette = brief.rng("water"), brief.palette
    top, low = int(horizon), canvas.height if bottom is None else bottom
    n = low - top
    if n < 2:
        return
    depth = np.arange(n, dtype=np.float32) / n
    source = np.clip(top - 1 - (np.arange(n) * min(1.0, top / max(n, 1)) * 0.98).astype(np.int64), 0, top)
    ripple = line(rng, n, cell=max(n * 0.02, 4), octaves=2) * (2 + 16 * depth) * (0.35 if calm else 1.4) * canvas.unit
    columns = np.arange(canvas.width)[None, :] + ripple.astype(np.int64)[:, None]
    np.clip(columns, 0, canvas.width - 1, out=columns)
    body = mix(mix(palette.sky[1], palette.near, 0.35), palette.haze, 0.1) if tint is None else tint
    share = ((0.2 + 0.35 * depth) if calm else (0.34 + 0.42 * depth))[:, None]
    for channel in range(3):
        mirrored = canvas.pixels[channel][source[:, None], columns]
        canvas.pixels[channel, top:low] = mirrored + share * (body[channel] - mirrored)
    # Strokes: long and thin far out, short and thick in front of us.
    far = 1 / (0.05 + depth)
    rows = (np.log(0.05 + depth) * 26 + 3 * rng.random()).astype(np.float32)
    across = (np.arange(canvas.width, dtype=np.float32)[None, :] - canvas.width / 2) * (far[:, None] * 0.012 / canvas.unit) ** 0.6
    strokes = np.sin(rows[:, None] * 2.4 + 1.7 * np.sin(across * 0.9 + rows[:, None] * 1.9)) * np.sin(across * 0.55 + rows[:, None] * 4.1)
    away = np.abs(np.arange(canvas.width, dtype=np.float32)[None, :] - sun.x) / (canvas.width * (0.04 + 0.16 * depth[:, None]))
    path = np.exp(-away * away) * (1.0 if sun.radius else 0.25)
    canvas.blend(smoothstep(0.55, 0.75, strokes) * (0.1 if calm else 0.26), shade(body, -0.07), top)
    canvas.blend(smoothstep(0.3, 0.5, -strokes) * np.clip(path * 0.85 + (0.02 if calm else 0.07), 0, 1), mix(palette.sun, palette.light, 0.3), top)
    canvas.blend(np.exp(-depth * 60)[:, None] * np.ones((1, canvas.width), np.float32) * np.float32(0.35), palette.sky[-1], top)


def _fade(first: Array, last: Array, n: int) -> Array:
    return ramp((first, last), np.linspace(0, 1, n, dtype=np.float32))


_CROPS = {
    "lavender": ("#8b6fc0", "#5a4a94", "#6f8f5a"), "wheat": ("#e6b84f", "#c98f35", "#a86f2a"), "tulips": ("#e0455f", "#3f7f55", "#f2b23f"),
    "poppies": ("#7f9f55", "#5f8245", "#d8402f"), "meadow": ("#8fae55", "#6a8f48", "#f3e3b0"), "vines": ("#7f9648", "#8d6a45", "#566f35"),
    "field": ("#c9a855", "#a98a45", "#8a7038"), "sunflowers": ("#7f9440", "#5a7332", "#f2b52a"),
}  # fmt: skip


def crops(canvas: Canvas, brief: Brief, kind: str, horizon: float, sun: Sun) -> None:
    """Plant a field whose rows run to the horizon."""
    rng, palette = brief.rng("field"), brief.palette
    top = int(horizon)
    n = canvas.height - top
    light, dark, dot = (mix(rgb(c), palette.depth(0.8), 0.5 if palette.dark else 0.2) for c in _CROPS[kind])
    depth = np.arange(1, n + 1, dtype=np.float32)[:, None] / n
    vanish = canvas.width * float(rng.uniform(0.3, 0.7))
    across = (np.arange(canvas.width, dtype=np.float32)[None, :] - vanish) / (canvas.width * (depth + 0.035))
    bend = 0.35 * np.sin(depth * 2.2 + float(rng.uniform(0, 6)))
    rows = np.sin((across + bend) * (26 if kind != "tulips" else 17)) if kind not in ("meadow", "poppies") else np.zeros_like(across)
    softened = np.clip(depth * 7, 0, 1)
    far = mix(mix(light, dark, 0.5), palette.haze, 0.55)
    canvas.fill_rows(_fade(far, mix(light, dark, 0.35), n), top)
    ridge = smoothstep(-0.35, 0.5, rows) * softened
    canvas.blend(ridge, _fade(mix(light, palette.haze, 0.4), light, n).T[:, :, None], top)
    canvas.blend(smoothstep(-0.25, -0.8, rows) * softened * np.float32(0.8), _fade(mix(dark, palette.haze, 0.4), mix(dark, palette.near, 0.25), n).T[:, :, None], top)
    tufts = field(rng, n, canvas.width, cell=26 * canvas.unit, octaves=3, stretch=1.4, coarse=2)
    canvas.spray(np.clip(tufts * 0.9 - 0.1, 0, 0.75) * softened, mix(light, palette.light, 0.45), top)
    canvas.spray(np.clip(-tufts * 0.9 - 0.15, 0, 0.7) * softened, mix(dark, palette.near, 0.4), top)
    if kind in ("tulips", "poppies", "meadow", "sunflowers", "lavender"):
        blooms(canvas, brief, rng, kind, horizon, dot if kind != "lavender" else mix(light, palette.light, 0.35))


def blooms(canvas: Canvas, brief: Brief, rng: Rng, kind: str, horizon: float, colour: Array) -> None:
    """Scatter flowers, small and many far away, few and large in front."""
    n = canvas.height - horizon
    for band in range(9):
        share = ((band + 1) / 9) ** 2.1
        y = horizon + n * (0.02 + 1.0 * share)
        size = n * (0.006 + 0.05 * share) * (2.1 if kind == "sunflowers" else 0.75 if kind != "lavender" else 0.35)
        heads: list[Polygon] = []
        hearts: list[Polygon] = []
        stems: list[Polygon] = []
        for _ in range(int(min(150, canvas.width / size * (0.75 if kind == "sunflowers" else 0.5)))):
            x, py = float(rng.uniform(0, canvas.width)), y + n * 0.09 * (0.2 + share) * float(rng.uniform(-1, 1))
            if band > 4:
                stems.append(stroke([(x, py), (x + size * 0.2, py + size * 3)], [size * 0.16, size * 0.2]))
            if kind == "sunflowers":
                petals = 0.16 * np.cos(np.arange(48) * math.tau * 13 / 48)
                heads.append(ellipse(x, py, size, size * 0.94, 0, petals))
                hearts.append(ellipse(x, py, size * 0.45, size * 0.42))
            elif kind == "tulips":
                heads.append([(x - size * 0.5, py - size * 0.5), (x - size * 0.25, py - size * 0.2), (x, py - size * 0.7), (x + size * 0.25, py - size * 0.2), (x + size * 0.5, py - size * 0.5), (x + size * 0.4, py + size * 0.4), (x, py + size * 0.65), (x - size * 0.4, py + size * 0.4)])
            else:
                heads.append(ellipse(x, py, size * 0.5, size * 0.4, 0, 0.12 * np.cos(np.arange(30) * math.tau * 5 / 30)))
        canvas.polygons(stems, mix(rgb("#4f6f35"), brief.palette.near, 0.45))
        tone = mix(mix(colour, brief.palette.haze, 0.45 * (1 - share)), brief.palette.near, float(rng.uniform(0, 0.12)))
        canvas.shade(canvas.polygons(heads, tone), mix(tone, brief.palette.near, 0.5), 0.4, 0.25)
        canvas.polygons(hearts, mix(rgb("#4a2c1a"), brief.palette.near, 0.3))


def terraces(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun, horizon: float) -> None:
    """Step down a hillside of rice: each terrace a band of green with a rim of water that holds the sky."""
    palette, y = brief.palette, horizon
    step, k = (canvas.height - horizon) / 26, 0
    bend = line(rng, canvas.width, cell=canvas.width * 0.55, octaves=2)
    while y < canvas.height + step * 6:
        share = min(1.0, (y - horizon) / (canvas.height - horizon))
        bend = bend * 0.86 + 0.3 * line(rng, canvas.width, cell=canvas.width * 0.35, octaves=2)
        ridge = (y + bend * step * (1.2 + 2.6 * share)).astype(np.float32)
        pale = mix(palette.sky[3 if k % 2 else 4], palette.light, 0.3)
        canvas.land(ridge, mix(pale, palette.haze, 0.3 * (1 - share)), mix(pale, palette.sky[1], 0.4), step * 2)
        green = mix(mix(rgb("#7fa052"), rgb("#4f7a46"), 0.5 + 0.5 * math.sin(k * 2.4)), palette.depth(0.35 + 0.5 * share), 0.4)
        thick = step * (0.35 + 0.8 * share) * (1 + 0.45 * line(rng, canvas.width, cell=canvas.width * 0.2, octaves=2))
        layer(canvas, brief, (ridge + thick).astype(np.float32), sun, 0.5 + 0.4 * share, step * 3, rng=rng, tint=green)
        y += step * (0.75 + 1.9 * share)
        k += 1


def ground(canvas: Canvas, brief: Brief, rng: Rng, y: float, sun: Sun, *, tint: Array | None = None, swell: float = 0.03) -> Array:
    """Print the ground in front of us and its grasses; return its crest."""
    ridge = (y + canvas.height * swell * line(rng, canvas.width, cell=canvas.width * 0.7, octaves=2)).astype(np.float32)
    layer(canvas, brief, ridge, sun, 0.93, canvas.height * 0.4, rng=rng, tint=tint)
    return ridge


def grasses(canvas: Canvas, brief: Brief, rng: Rng, ridge: Array, height: float) -> None:
    """Let blades stand against the light along a crest."""
    blades: list[Polygon] = []
    for _ in range(int(canvas.width / 7)):
        x = float(rng.uniform(0, canvas.width))
        foot, tall, lean = float(ridge[int(min(x, canvas.width - 1))]) + 3, height * float(rng.uniform(0.3, 1)), float(rng.uniform(-0.4, 0.4))
        blades.append([(x - 1.2, foot), (x + 1.2, foot), (x + lean * tall, foot - tall)])
    canvas.polygons(blades, brief.palette.depth(0.94))


def treeline(canvas: Canvas, brief: Brief, rng: Rng, ridge: Array, height: float, near: float) -> None:
    """Fringe a ridge with firs."""
    firs(canvas, rng, ridge, height, brief.palette.depth(near))
