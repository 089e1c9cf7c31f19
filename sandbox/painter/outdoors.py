"""Scenes under the sky: landscape, forest, and a single figure before a huge disc."""

from __future__ import annotations

import numpy as np

from sandbox.painter import cast, land
from sandbox.painter.brief import Thing
from sandbox.painter.colour import WHITE, Array, mix, rgb, shade
from sandbox.painter.land import SNOW
from sandbox.painter.noise import line
from sandbox.painter.shapes import conifer, ellipse, figures, firs, placed, stand, stroke
from sandbox.painter.sheet import Sheet
from sandbox.painter.sky import birds, paint_sky, stars

_BACKDROPS = {"mountains": ("alps", 0.4), "volcano": ("cone", 0.34), "dunes": ("dunes", 0.17), "canyon": ("mesa", 0.24)}
_FIELDS = ("lavender", "wheat", "sunflowers", "tulips", "poppies", "meadow", "vines", "field")


def landscape(s: Sheet) -> None:
    """Stack sky, ridges and what lies before them: water, a field, sand, snow or grass."""
    brief, h, places = s.brief, s.h, s.brief.places
    wet = next((p for p in places if p in ("sea", "lake")), "lake" if brief.at("water", "shallow") else "")
    crop = next((p for p in places if p in _FIELDS and "rice" not in places), "")
    backdrop, tall = next((_BACKDROPS[p] for p in places if p in _BACKDROPS), ("hills", 0.17))
    lone = "mountains" in places and not wet and not crop
    horizon = h * (s.between(0.5, 0.56) + (0.08 if h > s.w else 0) + (0.12 if lone else 0.0))
    if crop or "rice" in places:
        horizon = h * s.between(0.36, 0.44)
    paint_sky(s, horizon)
    if wet == "sea" and backdrop == "hills":
        for k in range(2 if s.between() < 0.7 else 0):
            land.layer(s, land.crest(s, "hills", horizon + h * 0.03, h * (0.1 - 0.03 * k)), 0.1 + 0.16 * k, h * 0.12)
        ridge = np.full(s.w, horizon, np.float32)
    else:
        count = 4 - bool(wet or crop) - (backdrop != "hills")
        ridge = land.ridges(
            s, backdrop, horizon + (h * 0.02 if wet else 0), h * tall * (0.45 if crop else 1), max(count, 2)
        )
    if brief.has("waterfall"):
        _fall(s, s.w * s.pick(0.42, 0.58), horizon - h * 0.22, horizon + h * 0.1, s.w * 0.05)
    if brief.has("fog", "clouds") and not wet:
        land.mist(s, horizon + h * 0.05, h * 0.12, 0.75)
    if wet:
        _shore(s, horizon, wet)
    elif crop:
        land.crops(s, crop, horizon)
        edge = np.full(s.w, horizon + (h - horizon) * 0.1, np.float32)
        cast.on_ground(s, edge, brief.at("ground", "shallow"), near=0.9, scale=0.95)
    elif "rice" in places:
        land.terraces(s, horizon)
        cast.on_ground(s, np.full(s.w, h * 0.7, np.float32), brief.at("ground", "shallow"))
    else:
        _front(s, backdrop, ridge)
    cast.in_air(s, horizon)
    if not brief.at("sky", "birds") and not s.palette.dark and s.between() < 0.45:
        x = s.w * (0.36 if s.sun[0] > s.w / 2 else 0.64)
        birds(s, int(s.between(4, 9)), x, horizon * 0.4, s.u * 15, s.palette.depth(0.75))


def _shore(s: Sheet, horizon: float, wet: str) -> None:
    """Fill in the water, what floats on it and what stands at its edges."""
    brief, palette, h, w = s.brief, s.palette, s.h, s.w
    tall = [t for t in brief.at("ground") if t.size > 0.25 and t.name not in ("pine", "palm")]
    small = [t for t in brief.at("ground", "shallow") if t not in tall and t.name != "pine"]
    if wet == "lake":
        edge = (horizon - h * 0.012 + h * 0.012 * line(s.rng, w, cell=w * 0.3)).astype(np.float32)
        firs(s, edge, h * 0.05, palette.depth(0.62))
        cast.on_ground(s, np.full(w, horizon, np.float32), tall, near=0.8, scale=0.8)
    if brief.has("bridge"):
        span = min(h * 0.42, w * 0.3)
        iron = next(t for t in brief.things if t.name == "bridge").colour
        tone = mix(palette.accent if iron is None else iron, palette.near, 0.35)
        stand(s, "bridge", w * 0.5, horizon, span, {"ink": tone, "accent": tone})
        for up, thick in ((0.02, 0.9), (0.19, 0.35)) if brief.has("fog") else ():
            land.mist(s, horizon - h * up, h * 0.06, thick)
    land.water(
        s, horizon, calm=wet == "lake", tint=brief.colours[0] if brief.colours and len(brief.places) == 1 else None
    )
    cast.on_water(s, horizon, [t for t in brief.at("water") if t.name != "bridge"])
    side, rocky = -s.lit(w / 2), wet == "sea" and bool(tall)
    rise = np.clip((np.arange(w) / w - 0.5) * side * 2.6 - 0.25, 0, 1) ** 1.4
    rough = h * 0.012 * line(s.rng, w, cell=w * 0.1, sharp=rocky)
    if rocky:
        bank = (h * 1.02 - (h - horizon) * np.minimum(rise * 1.3, 1) + rough).astype(np.float32)
        land.layer(s, bank, 0.93, h * 0.3, kind="mesa")
        cast.on_ground(s, bank, [*tall, *small], spot=0.86 if side > 0 else 0.14)
    elif small:
        bank = (h * 0.86 + h * 0.02 * line(s.rng, w, cell=w * 0.6, octaves=2)).astype(np.float32)
        sand = mix(rgb("#e8cf9f"), palette.haze, 0.4) if wet == "sea" else None
        land.layer(s, bank, 0.94 if sand is None else 0.75, h * 0.2, tint=sand)
        cast.on_ground(s, bank, small)
    elif brief.at("ground") or s.between() < 0.5:
        bank = (h * 1.02 - h * 0.18 * rise + rough).astype(np.float32)
        land.layer(s, bank, 0.93, h * 0.3)
        land.grasses(s, bank, h * 0.05)
        cast.on_ground(s, bank, [t for t in brief.things if t.name == "pine"], spot=0.88 if side > 0 else 0.12)
    if brief.has("blossoms"):
        flower, right = mix(rgb("#f5a6bf"), palette.light, 0.2), s.sun[0] < w / 2
        tones = {
            "ink": palette.depth(0.92),
            "coat": shade(flower, -0.1),
            "petal": flower,
            "pale": mix(flower, WHITE, 0.6),
        }
        stand(s, "blossoms", w if right else 0, 0, min(w, h) * 0.7, tones, flip=not right)


def _front(s: Sheet, backdrop: str, ridge: Array) -> None:
    """Print the ground before us and stand things on it."""
    brief, palette, h = s.brief, s.palette, s.h
    things = [t for t in brief.at("ground", "perch", "shallow") if t.name != "pine"]
    snow = SNOW if brief.has("snow") or palette.name == "winter" else None
    if "village" in brief.places:
        _village(s, float(ridge.mean()), snow)
    if backdrop in ("dunes", "mesa"):
        ridge = land.crest(s, "dunes" if backdrop == "dunes" else "hills", h * 0.86, h * 0.16)
        land.layer(s, ridge, 0.72, h * 0.4, kind="dunes" if backdrop == "dunes" else "hills")
    else:
        if backdrop == "alps" or brief.has("pine"):
            middle = land.ground(s, h * 0.8, tint=None if snow is None else mix(snow, palette.haze, 0.3))
            firs(s, middle, h * 0.085, palette.depth(0.74))
            land.mist(s, h * 0.83, h * 0.06, 0.5)
        ridge = land.ground(s, h * s.between(0.84, 0.89), tint=snow)
        if snow is None:
            land.grasses(s, ridge, h * 0.03)
    cast.on_ground(s, ridge, things)
    for x, tall in ((0.04, 0.5), (0.15, 0.34), (0.9, 0.4), (0.985, 0.55), (0.8, 0.24)) if brief.has("pine") else ():
        x = (x + s.between(-0.02, 0.02)) * s.w
        s.shade(s.polygons([conifer(s.rng, x, h, tall * h)], palette.depth(0.97)), palette.depth(0.7), s.lit(x), 0.4)


def _village(s: Sheet, y: float, snow: Array | None) -> None:
    palette, h = s.palette, s.h
    for row in range(3):
        hill = (y + h * (0.02 + 0.055 * row) + h * 0.02 * line(s.rng, s.w, cell=s.w * 0.5, octaves=2)).astype(
            np.float32
        )
        white = None if snow is None else mix(snow, palette.haze, 0.4 - 0.1 * row)
        land.layer(s, hill, 0.55 + 0.12 * row, h * 0.2, tint=white)
        roof = palette.depth(0.9) if snow is None else snow
        x = s.w * s.between(0.0, 0.08)
        while x < s.w:
            size, foot = h * (0.06 + 0.02 * row) * s.between(0.8, 1.2), float(hill[int(min(x, s.w - 1))])
            wall = mix(palette.depth(0.6 + 0.1 * row), palette.accent if s.between() < 0.3 else palette.light, 0.25)
            tones = {"ink": palette.near, "wall": wall, "roof": roof, "window": cast.LAMP}
            stand(s, "cottage", x, foot + size * 0.2, size, tones)
            x += size * s.between(1.3, 2.6)
        xs = s.rng.uniform(0, s.w - 1, 5).tolist()
        s.polygons([conifer(s.rng, x, float(hill[int(x)]) + 6, h * 0.1) for x in xs], palette.depth(0.85))


def _fall(s: Sheet, x: float, top: float, foot: float, wide: float) -> None:
    """Let water fall in threads."""
    pale = mix(mix(s.palette.light, WHITE, 0.6), s.palette.haze, 0.25)
    s.polygons([[(x - wide * 0.7, top), (x + wide * 0.7, top), (x + wide, foot), (x - wide, foot)]], pale, 0.92)
    threads = []
    for at, start, reach in s.rng.uniform((-0.9, 0, 0.2), (0.9, 0.6, 0.6), (26, 3)).tolist():
        y0, y1 = top + (foot - top) * start, top + (foot - top) * min(1, start + reach)
        threads.append(stroke([(x + at * wide * 0.75, y0), (x + at * wide, y1)], wide * 0.03, wide * 0.05))
    s.polygons(threads, WHITE, 0.8)
    land.mist(s, foot, wide * 1.6, 0.6)


def forest(s: Sheet) -> None:
    """Stand trunks or firs in ever lighter rows before a light."""
    brief, palette, h, w = s.brief, s.palette, s.h, s.w
    kind = next((p for p in brief.places if p in ("birches", "jungle", "bamboo")), "forest")
    paint_sky(s, h * 0.9, disc=1.2)
    s.sun = (s.sun[0], h * 0.42, s.sun[2])
    if not palette.dark:
        s.glow(*s.sun[:2], w * 0.5, palette.light, 0.6)
    leaf = palette.accent if palette.name in ("autumn", "spring") else mix(rgb("#6f9a58"), palette.haze, 0.3)
    for k in range(5):
        near = 0.12 + 0.2 * k
        floor = (h * (0.66 + 0.055 * k) + h * 0.02 * line(s.rng, w, cell=w * 0.5, octaves=2)).astype(np.float32)
        if kind in ("birches", "bamboo"):
            _stems(s, k, near, kind, leaf)
        elif kind == "jungle":
            if k == 1 and brief.has("waterfall"):
                lip = h * 0.27 - h * 0.3 * np.abs(np.linspace(-1, 1, w)) ** 0.6
                rough = h * 0.03 * line(s.rng, w, cell=w * 0.16, octaves=3)
                land.layer(s, (lip + rough).astype(np.float32), 0.35, h * 0.6, kind="mesa", tint=leaf)
                _fall(s, w * 0.5, h * 0.27, h * 0.76, w * 0.085)
            _fans(s, k, near, leaf)
        else:
            firs(s, floor, h * (0.34 + 0.15 * k), mix(palette.depth(near), palette.near, 0.12), 0.34 if k < 4 else 0.8)
        if kind != "jungle":
            land.layer(s, floor, near, h * 0.12, tint=leaf if kind == "birches" else None)
        if k == 2:
            s.glow(w * 0.5, h * 0.7, w * 0.3, palette.light, 0.4)
        if k < 4:
            land.mist(s, h * (0.7 + 0.05 * k), h * 0.12, 0.5 if brief.has("fog") else 0.26)
    front = land.ground(s, h * 0.9, tint=leaf if kind == "birches" else None)
    land.grasses(s, front, h * 0.05)
    clear = [t for t in brief.at("ground", "perch", "shallow") if t.name not in ("pine", "tree")]
    cast.on_ground(s, front, clear, scale=1.25)
    cast.in_air(s, h * 0.5)


def _stems(s: Sheet, k: int, near: float, kind: str, leaf: Array) -> None:
    """Stand stems from top to bottom, with the crowns' leaves hanging in."""
    palette, w, h = s.palette, s.w, s.h
    stem = WHITE if kind == "birches" else rgb("#8fae5a")
    bark = mix(stem, palette.haze if k < 3 else palette.near, (0.75, 0.55, 0.38, 0.2, 0.06)[k])
    wide = w * 0.008 * (k + 1) ** 1.35 * (1 if w < h else 0.7)
    tufts = []
    for x, y, size, angle in s.rng.uniform((0, -0.02, 0.4, 0), (w, 0.36, 1.3, 180), (200 - 30 * k, 4)).tolist():
        tufts.append(ellipse(x, y * h, wide * 0.8 * size, wide * 0.5 * size, angle, n=12))
    crown = s.polygons(tufts, mix(leaf, palette.haze, 0.55 - 0.12 * k), 0.85)
    s.shade(crown, mix(leaf, palette.near, 0.5 * near), 0.5, 0.4)
    x = s.between(0, 0.06) * w
    while x < w:
        lean = s.between(-0.02, 0.02) * w
        trunk = stroke([(x, h), (x + lean * 0.4, h * 0.5), (x + lean, -5)], wide * 1.15, wide, wide * 0.8)
        s.shade(s.polygons([trunk], bark), mix(bark, palette.near, 0.45), 1.0, 0.7)
        marks = []
        for y in s.rng.uniform(0, h, int(h / wide / 3) if k > 1 else 0).tolist():
            size, at = wide * s.between(0.15, 0.5), x + lean * (1 - y / h)
            edge = s.pick(-1, 1) * (wide * 0.5 - size * 0.6)
            marks.append(
                ellipse(at + edge, y, size, size * 0.22, n=14) if kind == "birches" else ellipse(at, y, wide / 2, 1.2)
            )
        s.polygons(marks, palette.depth(near), 0.9 if kind == "birches" else 0.5)
        x += wide * s.between(2.5, 8.0)


def _fans(s: Sheet, k: int, near: float, leaf: Array) -> None:
    """Frame the view with fans of leaves, darker and larger the nearer they are."""
    tone = mix(mix(leaf, s.palette.haze, 0.5 - 0.1 * k), s.palette.depth(near), 0.25 + 0.13 * k)
    shapes = []
    for out, y, size, tilt in s.rng.uniform((0.24, -0.02, 0.8, -0.3), (0.44, 1.02, 1.3, 0.3), (15 - k, 4)).tolist():
        side, reach = s.pick(-1, 1), s.h * (0.1 + 0.035 * k) * size
        x = s.w * (0.5 + side * (out + 0.08 * k))
        shapes += placed(figures()["fan"][0][1], x, y * s.h, -side * reach, reach, tilt)
    s.shade(s.polygons(shapes, tone), mix(tone, s.palette.near, 0.55), 0.2, 0.7)


def hero(s: Sheet) -> None:
    """Stand the subject before a disc that fills the sky."""
    palette, h, w = s.palette, s.h, s.w
    thing = s.brief.things[0] if s.brief.things else Thing("bird")
    s.fill(*palette.sky)
    if palette.dark:
        stars(s, h * 0.8, 0.7)
    radius = min(w, h) * s.between(0.33, 0.38)
    x, y = w * (0.5 if w < h * 1.2 else s.pick(0.42, 0.58)), h * 0.47
    s.sun = (x + w * 0.1, y, radius)
    s.disc(x, y, radius * 1.5, palette.sun, 0.08)
    s.disc(x, y, radius * 1.22, palette.sun, 0.12)
    mask, top, left = s.disc(x, y, radius, palette.sun)
    fade = np.linspace(-0.25, 0.75, len(mask), dtype=np.float32)[:, None] * np.ones_like(mask)
    s.spray(fade, mix(palette.sun, palette.haze if palette.dark else palette.accent, 0.55), top, left, mask)
    if thing.home == "perch":
        stand(s, "bough", x, h * 0.7, min(w, h) * 0.42, {"ink": palette.depth(0.96)})
        for k in range(min(thing.count, 5)):
            tall = min(w, h) * (0.4 if thing.count == 1 else 0.24)
            stand(
                s,
                thing.figure,
                x + (k - (thing.count - 1) / 2) * tall,
                h * 0.705,
                tall,
                cast.colours(s, thing),
                flip=k % 2 == 1,
            )
        return
    bowl = h * 0.05 * np.abs(np.linspace(-1, 1, w) + 1 - 2 * x / w) ** 2
    hill = (h * 0.8 + bowl + h * 0.006 * line(s.rng, w, cell=w * 0.2)).astype(np.float32)
    back = (hill - h * 0.06 - h * 0.03 * line(s.rng, w, cell=w * 0.4, octaves=3)).astype(np.float32)
    snow = SNOW if s.brief.has("snow") or palette.name == "winter" else None
    land.layer(s, back, 0.45, h * 0.2)
    land.layer(s, hill, 0.94, h * 0.3, tint=snow)
    cast.on_ground(s, hill, [thing], scale=(0.42 if thing.count == 1 else 0.24) / thing.size, spot=x / w)
    if snow is None:
        land.grasses(s, hill, h * 0.06)
