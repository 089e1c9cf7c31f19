"""Land and water as layers: ridges that fade with distance, fields in perspective, mirrors and waves."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter.colour import Array, mix, ramp, rgb, shade
from sandbox.painter.noise import enlarge, field, line, smoothstep
from sandbox.painter.shapes import ellipse, stroke
from sandbox.painter.sheet import Polygon, Sheet

SNOW = rgb("#f7f8fb")
_SNOWY = ("winter", "aurora", "night", "day", "dawn")


def crest(s: Sheet, kind: str, base: float, height: float) -> Array:
    """Return a ridge line (y per column) that rises up to `height` px above `base`."""
    rng, w = s.rng, s.w
    x = np.arange(w, dtype=np.float32) / w
    if kind == "alps":
        rise = 0.14 * line(rng, w, cell=w * 0.13, sharp=True)
        for _ in range(int(rng.integers(3, 5))):
            crag = 0.13 * line(rng, w, cell=w * 0.1, sharp=True)
            flank = s.between(0.55, 1.0) - np.abs(x - s.between(-0.05, 1.05)) / s.between(0.16, 0.34)
            rise = np.maximum(rise, flank + crag)
    elif kind == "cone":
        away = np.abs(x - s.pick(0.36, 0.5, 0.62)) * w / height
        rise = np.maximum(0.96 - away * 0.62 + 0.1 * away**2, 0) * (away < 3.1)
        rise = np.minimum(rise, 0.93 + 0.02 * line(rng, w, cell=w * 0.05)) + 0.012 * line(rng, w, cell=w * 0.06)
    elif kind == "dunes":
        t = (x * s.between(1.3, 2.4) + s.between() + 0.12 * line(rng, w, cell=w * 0.6, octaves=2)) % 1
        rise = np.where(t < 0.68, (t / 0.68) ** 1.7, ((1 - t) / 0.32) ** 1.25)
        rise = rise * (0.55 + 0.3 * line(rng, w, cell=w * 0.9, octaves=1))
    elif kind == "mesa":
        raw = 0.5 + 0.75 * line(rng, w, cell=w * 0.3, octaves=2)
        rise = smoothstep(0.42, 0.5, raw) * 0.6 + smoothstep(0.62, 0.68, raw) * 0.3 + 0.1 * smoothstep(0.2, 0.4, raw)
        rise = rise + 0.02 * line(rng, w, cell=w * 0.02, octaves=3, sharp=True)
    else:
        rise = 0.5 + 0.5 * line(rng, w, cell=w * s.between(0.4, 0.7), octaves=2)
    result: Array = (base - height * rise).astype(np.float32)
    return result


def ridges(s: Sheet, kind: str, horizon: float, height: float, n: int = 4) -> Array:
    """Print `n` ridges from far to near, mist between them; return the nearest crest."""
    ridge = np.full(s.w, horizon, np.float32)
    snowy = kind == "alps" and (s.palette.name in _SNOWY or s.brief.has("snow"))
    for k in range(n):
        share = k / max(n - 1, 1)
        tall = height * (1.0 - 0.55 * share) * s.between(0.85, 1.1)
        own = "hills" if kind == "cone" and k else kind
        ridge = crest(s, own, horizon + s.h * 0.035 * k, tall * (0.55 if own != kind else 1.0))
        layer(s, ridge, 0.14 + 0.66 * share**1.1, tall * 1.15, kind=own, snow=snowy or own == "cone")
    return ridge


def layer(
    s: Sheet,
    ridge: Array,
    near: float,
    depth: float,
    *,
    kind: str = "hills",
    snow: bool = False,
    tint: Array | None = None,
) -> None:
    """Print the land under `ridge`: ink at the crest, mist at the foot, grain where the light falls."""
    palette, ink = s.palette, s.palette.depth(near)
    if tint is not None:
        ink = mix(ink, tint, 0.6)
    foot = mix(ink, palette.haze, 0.55 * (1 - near) + 0.12)
    bottom = min(s.h, int(float(ridge.max()) + depth * 0.9) + 2)
    mask, top, _ = s.land(ridge, ink, foot, max(depth, float(np.ptp(ridge))), bottom)
    s.fill(foot, foot, top=bottom)
    if not len(mask):
        return
    below = (s.rows(top, bottom) - ridge[None, :]) / np.float32(max(depth, 1))
    bright = mix(ink, palette.light, 0.45)
    if kind == "hills":
        n = int(float(ridge.max()) - top + depth / 3) + 1  # below, nothing is lit any more
        s.spray(np.clip(0.5 - below[:n] * 1.6, 0, 1) * np.float32(0.5 if s.sun[2] else 0.25), bright, top, mask=mask)
        if near > 0.5:
            s.spray(np.clip(below * 0.8 - 0.35, 0, 0.5) * np.float32(near), shade(ink, -0.06), top, mask=mask)
        return
    lit = _faces(s, ridge, below, kind)
    if snow:
        ragged = (0.24 if kind == "cone" else 0.34) + 0.2 * line(s.rng, s.w, cell=s.w * 0.05, octaves=4, sharp=True)
        cap = smoothstep(0.04, -0.04, below - ragged[None, :]) * mask
        snow_ink = mix(mix(SNOW, palette.light, 0.25), ink, 0.1 + 0.25 * (1 - near))
        s.blend(cap * np.float32(0.6 if palette.dark else 0.9), snow_ink, top)
        s.spray((1 - lit) * cap * np.float32(0.8), mix(ink, palette.haze, 0.35), top)
    s.spray(np.clip((1 - lit) * (0.55 - 0.6 * below), 0, 1), shade(ink, -0.09), top, mask=mask)
    s.spray(np.clip(lit * (0.6 - below * 0.8), 0, 1) * (0.3 + 0.4 * near), bright, top, mask=mask)


def _faces(s: Sheet, ridge: Array, below: Array, kind: str) -> Array:
    """Return where flanks face the sun: the crest's slopes, carried down along jagged ribs."""
    reach = max(3, s.w // 60)
    slope = np.convolve(
        np.pad(np.gradient(ridge), reach, mode="edge"), np.ones(2 * reach + 1) / (2 * reach + 1), "valid"
    )
    ribs = 0.5 * line(s.rng, len(below), cell=s.h * 0.05, octaves=3, sharp=True) + 0.15
    drift = (0.3 - 0.02 * ribs if kind == "dunes" else 0.09 * ribs) * s.w
    columns = np.clip(below, 0, 1) * drift[:, None].astype(np.float32) + np.arange(s.w, dtype=np.float32)
    lit = np.clip(slope * s.lit(s.w / 2) * 3 + 0.5, 0, 1).astype(np.float32)
    result: Array = lit.take(columns.astype(np.int32), mode="clip")
    return result


def mist(s: Sheet, y: float, height: float, strength: float = 0.6) -> None:
    """Lay a bank of mist across the sheet."""
    top = int(max(y - height, 0))
    rows = (s.rows(top, min(s.h, int(y + height) + 1)) - np.float32(y)) / np.float32(height)
    if len(rows):
        drift = field(s.rng, len(rows), s.w, cell=max(height * 1.2, 61), stretch=5, octaves=1)
        thick = np.clip((1 - rows * rows) * (0.75 + 0.5 * drift), 0, 1) * np.float32(strength)
        s.blend(thick, mix(s.palette.haze, s.palette.sky[-1], 0.5), top)


def water(s: Sheet, horizon: float, *, calm: bool, tint: Array | None = None) -> None:
    """Mirror what stands above `horizon`: clear in a lake, broken into strokes of light at sea."""
    palette, top = s.palette, int(horizon)
    n = s.h - top
    depth = np.arange(n, dtype=np.float32)[:, None] / n
    source = np.clip(top - 1 - np.arange(n) * min(1.0, top / n) * 0.98, 0, top).astype(np.int64)
    ripple = line(s.rng, n, cell=max(n * 0.02, 4), octaves=2) * (2 + 16 * depth[:, 0]) * (0.35 if calm else 1.4) * s.u
    columns = np.clip(np.arange(s.w)[None, :] + ripple.astype(np.int64)[:, None], 0, s.w - 1)
    body = mix(mix(palette.sky[1], palette.near, 0.35), palette.haze, 0.1) if tint is None else tint
    share = 0.2 + 0.35 * depth if calm else 0.34 + 0.42 * depth
    for plane, ink in zip(s.pixels, body, strict=True):
        mirrored = plane[source[:, None], columns]
        plane[top:] = mirrored + share * (ink - mirrored)
    # Strokes of light: long and thin far out, short and thick in front of us.
    rows = (np.log(0.05 + depth) * 26 + s.between(0, 3)).astype(np.float32)
    xs = np.arange(0, s.w + 1, 2, dtype=np.float32)[None, :]
    across = (xs - s.w / 2) * (0.012 / (0.05 + depth) / s.u) ** 0.6
    strokes = np.sin(rows * 2.4 + 1.7 * np.sin(across * 0.9 + rows * 1.9)) * np.sin(across * 0.55 + rows * 4.1)
    away = (xs - s.sun[0]) / (s.w * (0.04 + 0.16 * depth))
    path = np.exp(-away * away) * (0.85 if s.sun[2] else 0.2) + (0.02 if calm else 0.07)
    light, way = (enlarge(half, n, s.w, smooth=False) for half in (strokes, path))  # half the columns are enough
    s.blend(smoothstep(0.55, 0.75, light) * np.float32(0.1 if calm else 0.26), shade(body, -0.07), top)
    s.blend(smoothstep(0.3, 0.5, -light) * np.clip(way, 0, 1), mix(palette.sun, palette.light, 0.3), top)
    shine = np.exp(-depth[: n // 8] * 60) * np.float32(0.35)  # where water meets land
    s.blend(np.repeat(shine, s.w, axis=1), palette.sky[-1], top)


_CROPS = {
    "lavender": ("#8b6fc0", "#5a4a94", "#c9b3ea"), "wheat": ("#e6b84f", "#c98f35", ""),
    "tulips": ("#e0455f", "#3f7f55", "#f2b23f"), "poppies": ("#7f9f55", "#5f8245", "#d8402f"),
    "meadow": ("#8fae55", "#6a8f48", "#f3e3b0"), "vines": ("#7f9648", "#8d6a45", ""),
    "field": ("#c9a855", "#a98a45", ""), "sunflowers": ("#7f9440", "#5a7332", "#ffc22e"),
}  # fmt: skip
"""Of each crop the rows, the furrows between them, and the flowers."""


def crops(s: Sheet, kind: str, horizon: float) -> None:
    """Plant a field whose rows run to the horizon."""
    palette, top = s.palette, int(horizon)
    n = s.h - top
    ripe, furrow = (mix(rgb(c), palette.depth(0.8), 0.5 if palette.dark else 0.2) for c in _CROPS[kind][:2])
    depth = np.arange(1, n + 1, dtype=np.float32)[:, None] / n
    across = (np.arange(s.w, dtype=np.float32)[None, :] - s.w * s.between(0.3, 0.7)) / (s.w * (depth + 0.035))
    rows = np.sin((across + 0.35 * np.sin(depth * 2.2 + s.between(0, 6))) * (17 if kind == "tulips" else 26))
    soft = np.clip(depth * 7, 0, 1) * (0.0 if kind in ("meadow", "poppies") else 1.0)
    s.fill(mix(mix(ripe, furrow, 0.5), palette.haze, 0.55), mix(ripe, furrow, 0.35), top=top)
    s.blend(smoothstep(-0.35, 0.5, rows) * soft, ramp((mix(ripe, palette.haze, 0.4), ripe), n).T[:, :, None], top)
    s.blend(smoothstep(-0.25, -0.8, rows) * soft * np.float32(0.8), mix(furrow, palette.near, 0.15), top)
    tufts = field(s.rng, n, s.w, cell=9 * s.u, octaves=2, stretch=1.3) * np.clip(depth * 7, 0, 1)
    s.spray(np.clip(tufts * 0.8, 0, 0.6), mix(ripe, palette.light, 0.45), top)
    s.spray(np.clip(-tufts * 0.6 - 0.05, 0, 0.5), mix(furrow, palette.near, 0.4), top)
    if _CROPS[kind][2]:
        _blooms(s, kind, horizon, rgb(_CROPS[kind][2]))
    if kind in ("wheat", "field", "meadow"):
        grasses(s, np.full(s.w, s.h * 0.97, np.float32), n * 0.16, mix(furrow, palette.near, 0.35))
        grasses(s, np.full(s.w, s.h * 1.01, np.float32), n * 0.16, mix(ripe, palette.light, 0.3))


def _blooms(s: Sheet, kind: str, horizon: float, colour: Array) -> None:
    """Scatter flowers, small and many far away, few and large in front."""
    palette, n = s.palette, s.h - horizon
    scale, wealth = {"sunflowers": (2.1, 0.6), "lavender": (0.3, 0.5)}.get(kind, (0.5, 0.5))
    for band in range(9):
        share = ((band + 1) / 9) ** 2.1
        size = n * (0.006 + 0.05 * share) * scale
        heads, hearts, stems = list[Polygon](), list[Polygon](), list[Polygon]()
        for _ in range(int(min(150, s.w / size * wealth))):
            x = s.between(0, s.w)
            y = horizon + n * (0.02 + share) + n * 0.09 * (0.2 + share) * s.between(-1, 1)
            if band > 4:
                stems.append(stroke([(x, y), (x + size * 0.2, y + size * 3)], size * 0.16, size * 0.2))
            if kind == "sunflowers":
                heads.append(ellipse(x, y, size, size * 0.94, n=84 if band > 3 else 28, petals=14))
                hearts.append(ellipse(x, y, size * 0.4, size * 0.37, n=16))
            else:
                heads.append(ellipse(x, y, size, size * 0.8, -90, n=24, petals=3 if kind == "tulips" else 5))
        s.polygons(stems, mix(rgb("#4f6f35"), palette.near, 0.45))
        tone = mix(mix(colour, palette.haze, 0.45 * (1 - share)), palette.near, s.between(0, 0.12))
        s.shade(s.polygons(heads, tone), mix(tone, rgb("#c8642a"), 0.6), 0.4, 0.25)
        s.polygons(hearts, mix(rgb("#4a2c1a"), palette.near, 0.3))


def terraces(s: Sheet, horizon: float) -> None:
    """Step down a hillside of rice: each terrace a band of green with a rim of water that holds the sky."""
    palette, y, k = s.palette, horizon, 0
    step, bend = (s.h - horizon) / 26, line(s.rng, s.w, cell=s.w * 0.55, octaves=2)
    while y < s.h + step * 6:
        share = min(1.0, (y - horizon) / (s.h - horizon))
        bend = bend * 0.86 + 0.3 * line(s.rng, s.w, cell=s.w * 0.35, octaves=2)
        ridge = (y + bend * step * (1.2 + 2.6 * share)).astype(np.float32)
        pale = mix(palette.sky[3 if k % 2 else 4], palette.light, 0.3)
        s.land(ridge, mix(pale, palette.haze, 0.3 * (1 - share)), mix(pale, palette.sky[1], 0.4), step * 2)
        green = mix(rgb("#7fa052"), rgb("#4f7a46"), 0.5 + 0.5 * math.sin(k * 2.4))
        thick = step * (0.35 + 0.8 * share) * (1 + 0.45 * line(s.rng, s.w, cell=s.w * 0.2, octaves=2))
        layer(s, (ridge + thick).astype(np.float32), 0.5 + 0.4 * share, step * 3, tint=green)
        y, k = y + step * (0.75 + 1.9 * share), k + 1


def ground(s: Sheet, y: float, *, tint: Array | None = None, near: float = 0.93) -> Array:
    """Print the ground in front of us; return its crest."""
    ridge = (y + s.h * 0.03 * line(s.rng, s.w, cell=s.w * 0.7, octaves=2)).astype(np.float32)
    layer(s, ridge, near, s.h * 0.4, tint=tint)
    return ridge


def grasses(s: Sheet, ridge: Array, height: float, tone: Array | None = None) -> None:
    """Let blades stand against the light along a crest."""
    blades: list[Polygon] = []
    for x, tall, lean in s.rng.uniform((0, 0.3, -0.4), (s.w, 1, 0.4), (s.w // 7, 3)).tolist():
        foot, reach = float(ridge[int(min(x, s.w - 1))]) + 3, height * tall
        blades.append([(x - 1.2, foot), (x + 1.2, foot), (x + lean * reach, foot - reach)])
    s.polygons(blades, s.palette.depth(0.94) if tone is None else tone)
