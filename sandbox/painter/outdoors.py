"""Scenes under the sky: landscape, forest, and a single figure before a huge disc."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter import cast, land
from sandbox.painter.brief import Brief, Thing
from sandbox.painter.canvas import Canvas, Polygon
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.land import SNOW
from sandbox.painter.noise import Rng, line
from sandbox.painter.shapes import conifer, ellipse, figures, firs, stand, stroke
from sandbox.painter.sky import WHITE, Sun, birds, paint_sky, stars

_BACKDROPS = {"mountains": "alps", "volcano": "cone", "dunes": "dunes", "canyon": "mesa"}
_FIELDS = ("lavender", "wheat", "sunflowers", "tulips", "poppies", "meadow", "vines", "field")


def landscape(canvas: Canvas, brief: Brief) -> None:
    """Stack sky, ridges and what lies before them: water, a field, sand, snow or grass."""
    rng, h = brief.rng("landscape"), canvas.height
    tall = h > canvas.width
    wet = next((p for p in brief.places if p in ("sea", "lake")), None) or ("lake" if brief.at("water", "shallow") else None)
    crop = next((p for p in brief.places if p in _FIELDS and "rice" not in brief.places), None)
    backdrop = next((_BACKDROPS[p] for p in brief.places if p in _BACKDROPS), "hills")
    lone = "mountains" in brief.places and not wet and not crop
    horizon = h * float(rng.uniform(0.5, 0.56) + (0.08 if tall else 0) + (0.12 if lone else 0.0))
    if crop or "rice" in brief.places:
        horizon = h * float(rng.uniform(0.36, 0.44))
    sun = paint_sky(canvas, brief, horizon)
    ridge = _behind(canvas, brief, rng, sun, backdrop, horizon, wet=wet, crop=crop)
    if brief.has("waterfall"):
        _cascade(canvas, brief, rng, horizon)
    if brief.has("fog", "clouds") and not wet:
        land.mist(canvas, brief, horizon + h * 0.05, h * 0.12, 0.75)
    if wet:
        ridge = _shore(canvas, brief, rng, sun, horizon, wet)
    elif crop:
        land.crops(canvas, brief, crop, horizon, sun)
        ridge = np.full(canvas.width, horizon + (h - horizon) * 0.12, np.float32)
    elif "rice" in brief.places:
        land.terraces(canvas, brief, rng, sun, horizon)
        ridge = np.full(canvas.width, h * 0.7, np.float32)
    else:
        ridge = _front(canvas, brief, rng, sun, backdrop, horizon, ridge)
    cast.in_air(canvas, brief, rng, horizon, sun)
    if not brief.at("sky", "birds") and not brief.palette.dark and rng.random() < 0.45:
        birds(canvas, rng, int(rng.integers(4, 9)), canvas.width * (0.36 if sun.x > canvas.width / 2 else 0.64), horizon * 0.4, canvas.unit * 15, brief.palette.depth(0.75))


def _behind(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun, backdrop: str, horizon: float, *, wet: str | None, crop: str | None) -> Array:
    """Print what stands at the horizon; return its nearest crest."""
    h = canvas.height
    if wet == "sea" and backdrop == "hills":
        ridge = np.full(canvas.width, horizon, np.float32)
        if rng.random() < 0.7:
            for k in range(2):
                isle = land.crest(canvas, rng, "hills", horizon + h * 0.03, h * (0.1 - 0.03 * k))
                land.layer(canvas, brief, isle, sun, 0.1 + 0.16 * k, h * 0.12, rng=rng)
        return ridge
    height = {"alps": 0.4, "cone": 0.34, "dunes": 0.17, "mesa": 0.24}.get(backdrop, 0.17) * h
    if crop:
        height *= 0.45
    n = {"alps": 4, "cone": 3, "dunes": 3, "mesa": 3}.get(backdrop, 4) - (1 if wet or crop else 0)
    return land.ridges(canvas, brief, rng, sun, backdrop, horizon + (h * 0.02 if wet else 0), height, n)


def _shore(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun, horizon: float, wet: str) -> Array:
    """Fill in the water and what stands at its edges; return the bank in front."""
    h, w = canvas.height, canvas.width
    waiting = [t for t in brief.at("ground") if t.name != "pine"]
    lighthouse = [t for t in waiting if t.size > 0.2]
    if wet == "lake":
        edge = (horizon - h * 0.012 + h * 0.012 * line(rng, w, cell=w * 0.3)).astype(np.float32)
        land.treeline(canvas, brief, rng, edge, h * 0.05, 0.62)
        if lighthouse:
            cast.on_ground(canvas, brief, rng, np.full(w, horizon, np.float32), sun, lighthouse, near=0.8, scale=0.8)
    tint = brief.colours[0] if brief.colours and len(brief.places) == 1 else None
    if brief.has("bridge"):
        bridge(canvas, brief, rng, horizon, sun)
    land.water(canvas, brief, horizon, sun, calm=wet == "lake", tint=tint)
    cast.on_water(canvas, brief, rng, horizon, sun, [t for t in brief.at("water") if t.name != "bridge"])
    side = -1 if sun.x > w / 2 else 1
    rise = np.clip((np.arange(w) / w - 0.5) * side * 2.6 - 0.25, 0, 1) ** 1.4
    rocky = wet == "sea" and bool(lighthouse)
    top = horizon + h * 0.02 if rocky else h * 0.84
    bank = (h * 1.02 - (h * 1.02 - top) * (np.minimum(rise * 1.3, 1) if rocky else rise) + h * 0.012 * line(rng, w, cell=w * 0.1, sharp=rocky)).astype(np.float32)
    standing = lighthouse if wet == "sea" else []
    standing = [*standing, *(t for t in waiting if t not in lighthouse), *brief.at("shallow")]
    if standing or brief.at("ground") or rng.random() < 0.5:
        if standing and not rocky:
            bank = (h * 0.86 + h * 0.02 * line(rng, w, cell=w * 0.6, octaves=2)).astype(np.float32)
            sand = mix(rgb("#e8cf9f"), brief.palette.haze, 0.4) if wet == "sea" else None
            land.layer(canvas, brief, bank, sun, 0.75 if wet == "sea" else 0.94, h * 0.2, rng=rng, tint=sand)
        else:
            land.layer(canvas, brief, bank, sun, 0.93, h * 0.3, rng=rng, facets=rocky, kind="mesa")
            if not rocky:
                land.grasses(canvas, brief, rng, bank, h * 0.05)
        spot = (0.86 if side > 0 else 0.14) if rocky else None
        cast.on_ground(canvas, brief, rng, bank, sun, standing, spot=spot)
        if brief.has("pine"):
            cast.on_ground(canvas, brief, rng, bank, sun, [t for t in brief.things if t.name == "pine"], spot=0.88 if side > 0 else 0.12)
    if brief.has("blossoms") or brief.palette.name == "spring":
        branch(canvas, brief, rng)
    return bank


def _front(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun, backdrop: str, horizon: float, ridge: Array) -> Array:
    """Print the ground before us and stand things on it."""
    h = canvas.height
    things = brief.at("ground", "perch", "shallow")
    snowy = brief.has("snow") or brief.palette.name == "winter"
    tint = SNOW if snowy else None
    if "village" in brief.places:
        _village(canvas, brief, rng, ridge, sun, snowy)
    if backdrop in ("dunes", "mesa"):
        ridge = land.crest(canvas, rng, "dunes" if backdrop == "dunes" else "hills", h * 0.86, h * 0.16)
        land.layer(canvas, brief, ridge, sun, 0.72, h * 0.4, rng=rng, facets=backdrop == "dunes", kind="dunes")
    elif things and things[0].name in ("pine",) and len(things) == 1:
        ridge = np.full(canvas.width, h * 0.92, np.float32)
    else:
        if backdrop == "alps" or brief.has("pine"):
            mid = land.ground(canvas, brief, rng, h * 0.8, sun, tint=mix(SNOW, brief.palette.haze, 0.3) if snowy else None)
            land.treeline(canvas, brief, rng, mid, h * 0.085, 0.74)
            land.mist(canvas, brief, h * 0.83, h * 0.06, 0.5)
        ridge = land.ground(canvas, brief, rng, h * float(rng.uniform(0.84, 0.89)), sun, tint=tint)
        if not snowy and brief.palette.name != "noir":
            land.grasses(canvas, brief, rng, ridge, h * 0.03)
    cast.on_ground(canvas, brief, rng, ridge, sun, [t for t in things if t.name != "pine"] or [t for t in things if t.count < 4])
    if brief.has("pine"):
        for x, tall in ((0.04, 0.62), (0.15, 0.42), (0.9, 0.5), (0.985, 0.68), (0.8, 0.3)):
            x += float(rng.uniform(-0.02, 0.02))
            drawn = canvas.polygons([conifer(rng, x * canvas.width, h * 1.0, tall * h * 0.8)], brief.palette.depth(0.97))
            canvas.shade(drawn, brief.palette.depth(0.7), sun.side(x * canvas.width), 0.4)
    return ridge


def _village(canvas: Canvas, brief: Brief, rng: Rng, ridge: Array, sun: Sun, snowy: bool) -> None:
    palette, h = brief.palette, canvas.height
    for row in range(3):
        y = float(ridge.mean()) + h * (0.02 + 0.055 * row)
        line_ = (y + h * 0.02 * line(rng, canvas.width, cell=canvas.width * 0.5, octaves=2)).astype(np.float32)
        land.layer(canvas, brief, line_, sun, 0.55 + 0.12 * row, h * 0.2, rng=rng, tint=mix(SNOW, palette.haze, 0.4 - 0.1 * row) if snowy else None)
        x = canvas.width * float(rng.uniform(0.0, 0.08))
        while x < canvas.width:
            size = h * (0.06 + 0.02 * row) * float(rng.uniform(0.8, 1.2))
            foot = float(line_[int(min(x, canvas.width - 1))]) + size * 0.2
            wide, eaves = size * float(rng.uniform(0.45, 0.7)), size * 0.55
            wall = mix(palette.depth(0.6 + 0.1 * row), palette.accent if rng.random() < 0.3 else palette.light, 0.25)
            canvas.polygons([[(x - wide, foot), (x - wide, foot - eaves), (x, foot - size), (x + wide, foot - eaves), (x + wide, foot)]], wall)
            roof = [(x - wide * 1.15, foot - eaves * 0.9), (x, foot - size * 1.12), (x + wide * 1.15, foot - eaves * 0.9), (x, foot - size * 0.94)]
            canvas.polygons([roof], SNOW if snowy else palette.depth(0.9))
            panes = [(x + wide * dx, foot - eaves * 0.55) for dx in (-0.5, 0.0, 0.5) if rng.random() < 0.75]
            s = size * 0.075
            canvas.polygons([[(a - s, b - s), (a + s, b - s), (a + s, b + s * 1.3), (a - s, b + s * 1.3)] for a, b in panes], rgb("#ffd782"))
            x += wide * float(rng.uniform(2.1, 3.6))
        for _ in range(5):
            px = float(rng.uniform(0, canvas.width))
            canvas.polygons([conifer(rng, px, float(line_[int(min(px, canvas.width - 1))]) + 6, h * 0.1)], palette.depth(0.85))


def _cascade(canvas: Canvas, brief: Brief, rng: Rng, horizon: float) -> None:
    x, h = canvas.width * float(rng.choice((0.42, 0.58))), canvas.height
    _fall(canvas, brief, rng, x, horizon - h * 0.22, horizon + h * 0.1, canvas.width * 0.05)


def _fall(canvas: Canvas, brief: Brief, rng: Rng, x: float, top: float, foot: float, wide: float) -> None:
    pale = mix(brief.palette.light, WHITE, 0.6)
    canvas.polygons([[(x - wide * 0.7, top), (x + wide * 0.7, top), (x + wide, foot), (x - wide, foot)]], mix(pale, brief.palette.haze, 0.25), 0.92)
    threads = []
    for _ in range(26):
        at, t0 = float(rng.uniform(-0.9, 0.9)) * wide, float(rng.uniform(0, 0.6))
        y0, y1 = top + (foot - top) * t0, top + (foot - top) * min(1, t0 + float(rng.uniform(0.2, 0.6)))
        threads.append(stroke([(x + at * 0.75, y0), (x + at, y1)], [wide * 0.03, wide * 0.05]))
    canvas.polygons(threads, WHITE, 0.8)
    land.mist(canvas, brief, foot, wide * 1.6, 0.6)


def bridge(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun) -> None:
    """Hang a suspension bridge across, from far on one side to near on the other."""
    thing = next(t for t in brief.things if t.name == "bridge")
    w, h, ink = canvas.width, canvas.height, mix(thing.coat() if thing.colour is not None else brief.palette.accent, brief.palette.near, 0.35)  # type: ignore[arg-type]
    deck, u = horizon - h * 0.075, canvas.unit
    shapes: list[Polygon] = [stroke([(-5, deck + h * 0.02), (w + 5, deck - h * 0.005)], [9 * u, 6 * u])]
    towers = [w * 0.26, w * 0.76]
    tops = []
    for x in towers:
        tall = h * 0.34 if x < w / 2 else h * 0.27
        top = deck - tall * 0.75
        for dx in (-9, 9):
            shapes.append(stroke([(x + dx * u, horizon + 2), (x + dx * u * 0.8, top)], [8 * u, 6 * u]))
        shapes += [[(x - 10 * u, top + tall * s), (x + 10 * u, top + tall * s), (x + 10 * u, top + tall * s + 5 * u), (x - 10 * u, top + tall * s + 5 * u)] for s in (0, 0.18, 0.36, 0.54)]
        tops.append((x, top))
    anchors = [(-w * 0.12, deck), tops[0], tops[1], (w * 1.12, deck)]
    for (ax, ay), (bx, by) in zip(anchors, anchors[1:], strict=False):
        inner = (ax, ay) in tops and (bx, by) in tops
        sag = [(ax + (bx - ax) * t, ay + (by - ay) * t + (h * 0.22 * 4 * t * (1 - t) * 0.93 if inner else h * 0.05 * 4 * t * (1 - t))) for t in np.linspace(0, 1, 30)]
        shapes.append(stroke(sag, [3.4 * u] * 30))
        shapes += [[(x - 0.8 * u, y), (x + 0.8 * u, y), (x + 0.8 * u, deck), (x - 0.8 * u, deck)] for x, y in sag[1:-1] if y < deck]
    canvas.shade(canvas.polygons(shapes, ink), brief.palette.near, 0.0, 0.5)
    if brief.has("fog"):
        land.mist(canvas, brief, horizon - h * 0.02, h * 0.08, 0.9)
        land.mist(canvas, brief, horizon - h * 0.19, h * 0.04, 0.35)


def branch(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Let a blossoming branch reach in from a corner."""
    w, h, u = canvas.width, canvas.height, canvas.unit
    ink, flower = brief.palette.depth(0.92), mix(rgb("#f5a6bf"), brief.palette.light, 0.2)
    for k in range(3):
        y = h * (0.03 + 0.09 * k)
        spine = [(w * (1.03 - 0.62 * t * (1 - 0.22 * k)), y + h * 0.09 * t + h * 0.02 * math.sin(t * 7 + k)) for t in np.linspace(0, 1, 16)]
        canvas.polygons([stroke(spine, [float(s) * u for s in np.linspace(15 - 4 * k, 2.5, 16)])], ink)
        for tone, size, count in ((shade(flower, -0.1), 15, 26), (flower, 13, 30), (mix(flower, WHITE, 0.6), 8, 24)):
            shapes = []
            for _ in range(count):
                px, py = spine[int(rng.integers(2, 16))]
                s = size * u * float(rng.uniform(0.6, 1.2))
                petals = 0.2 * np.cos(np.arange(40) * math.tau * 5 / 40)
                shapes.append(ellipse(px + float(rng.normal(0, 20)) * u, py + float(rng.normal(4, 17)) * u, s, s, float(rng.uniform(0, 72)), petals))
            canvas.polygons(shapes, tone)


def forest(canvas: Canvas, brief: Brief) -> None:
    """Stand trunks or firs in ever lighter rows before a light."""
    rng, h, w, palette = brief.rng("forest"), canvas.height, canvas.width, brief.palette
    kind = next((p for p in brief.places if p in ("birches", "jungle", "bamboo")), "forest")
    sun = paint_sky(canvas, brief, h * 0.9, disc=1.2)
    sun = Sun(sun.x, h * 0.42, sun.radius)
    if not palette.dark:
        canvas.glow(sun.x, sun.y, w * 0.5, palette.light, 0.6)
    leaf = palette.accent if palette.name in ("autumn", "spring", "rose") else mix(rgb("#6f9a58"), palette.haze, 0.3)
    for k in range(5):
        near = 0.12 + 0.2 * k
        ink = mix(palette.depth(near), leaf if kind == "jungle" else palette.near, 0.12)
        y = np.full(w, h * (0.66 + 0.055 * k), np.float32) + h * 0.02 * line(rng, w, cell=w * 0.5, octaves=2)
        if kind in ("birches", "bamboo"):
            _trunks(canvas, brief, rng, k, near, kind, leaf)
        elif kind == "jungle":
            _leaves(canvas, brief, rng, k, ink, leaf)
            if k == 2 and brief.has("waterfall"):
                _fall(canvas, brief, rng, w * 0.5, h * 0.12, h * 0.75, w * 0.085)
        else:
            firs(canvas, rng, y, h * (0.34 + 0.15 * k), ink, 0.34 if k < 4 else 0.8)
        if kind != "jungle":
            land.layer(canvas, brief, y, sun, near, h * 0.12, rng=rng, tint=leaf if kind == "birches" else None)
        if k < 4:
            land.mist(canvas, brief, h * (0.7 + 0.05 * k), h * 0.12, 0.5 if brief.has("fog") else 0.26)
    if brief.has("lake"):
        land.water(canvas, brief, h * 0.78, sun, calm=True)
    front = land.ground(canvas, brief, rng, h * 0.9, sun, tint=leaf if kind == "birches" else None)
    land.grasses(canvas, brief, rng, front, h * 0.05)
    clear = [t for t in brief.things if t.home in ("ground", "perch", "shallow") and t.name not in ("pine", "tree")]
    if clear:
        canvas.glow(w * 0.5, h * 0.72, w * 0.3, palette.light, 0.4)
    cast.on_ground(canvas, brief, rng, front, sun, clear, scale=1.25)
    cast.in_air(canvas, brief, rng, h * 0.5, sun)


def _trunks(canvas: Canvas, brief: Brief, rng: Rng, k: int, near: float, kind: str, leaf: Array) -> None:
    """Stand stems from top to bottom, with the crowns' leaves hanging in."""
    palette, w, h = brief.palette, canvas.width, canvas.height
    bark = mix(WHITE if kind == "birches" else rgb("#8fae5a"), palette.haze if k < 3 else palette.near, (0.75, 0.55, 0.38, 0.2, 0.06)[k])
    wide = w * 0.008 * (k + 1) ** 1.35 * (1 if w < h else 0.7)
    tufts = [ellipse(float(rng.uniform(0, w)), float(rng.uniform(-0.02, 0.36)) * h, wide * 2.6, wide * 1.7, float(rng.uniform(0, 180)))[::2] for _ in range(90 - 12 * k)]
    canvas.shade(canvas.polygons(tufts, mix(leaf, palette.haze, 0.55 - 0.12 * k), 0.85), mix(leaf, palette.near, 0.5 * near), 0.5, 0.4)
    x = float(rng.uniform(0, 0.06)) * w
    while x < w:
        lean = float(rng.uniform(-0.02, 0.02)) * w
        stem = canvas.polygons([stroke([(x, h), (x + lean * 0.4, h * 0.5), (x + lean, -5)], [wide * 1.15, wide, wide * 0.8])], bark)
        canvas.shade(stem, mix(bark, palette.near, 0.45), 1.0, 0.7)
        marks = []
        for _ in range(int(h / wide / 3) if k > 0 else 0):
            y, s = float(rng.uniform(0, h)), wide * float(rng.uniform(0.15, 0.55))
            px = x + lean * (1 - y / h) + float(rng.choice((-1, 1))) * (wide * 0.5 - s * 0.5)
            marks.append(ellipse(px, y, s, s * 0.22)[::2] if kind == "birches" else [(x - wide / 2, y), (x + wide / 2, y), (x + wide / 2, y + 2), (x - wide / 2, y + 2)])
        canvas.polygons(marks, palette.depth(near), 0.9 if kind == "birches" else 0.5)
        x += wide * float(rng.uniform(2.5, 8.0))


def _leaves(canvas: Canvas, brief: Brief, rng: Rng, k: int, ink: Array, leaf: Array) -> None:
    """Frame the view with large leaves, darker and larger the nearer they are."""
    w, h = canvas.width, canvas.height
    tone = mix(mix(leaf, brief.palette.haze, 0.5 - 0.1 * k), ink, 0.25 + 0.13 * k)
    shapes = []
    for _ in range(46 - 6 * k):
        edge = float(rng.choice((-1, 1)))
        x = w / 2 + edge * w * (0.16 + 0.09 * k + 0.4 * abs(float(rng.normal(0, 0.5))))
        y = h * float(rng.uniform(0.0, 1.05))
        reach, angle = h * (0.07 + 0.035 * k) * float(rng.uniform(0.7, 1.3)), math.radians(90 + edge * float(rng.uniform(10, 110)))
        spine = [(x + math.cos(angle) * reach * t, y - math.sin(angle) * reach * t * 0.7 + reach * 0.5 * t * t) for t in np.linspace(0, 1, 10)]
        shapes.append(stroke(spine, [reach * 0.3 * math.sin(math.pi * min(1, t * 0.92 + 0.06)) for t in np.linspace(0, 1, 10)]))
    canvas.shade(canvas.polygons(shapes, tone), mix(tone, brief.palette.near, 0.55), 0.2, 0.7)


def hero(canvas: Canvas, brief: Brief) -> None:
    """Stand the subject before a disc that fills the sky."""
    rng, h, w, palette = brief.rng("hero"), canvas.height, canvas.width, brief.palette
    thing = brief.things[0] if brief.things else Thing("bird")
    canvas.fill_rows(palette.sky_ramp(h))
    if palette.dark:
        stars(canvas, rng, h * 0.8, 0.7)
    radius = min(w, h) * float(rng.uniform(0.33, 0.38))
    x, y = w * (0.5 if w < h * 1.2 else float(rng.choice((0.42, 0.58)))), h * 0.47
    sun = Sun(x + w * 0.1, y, radius)
    for ring, opacity in ((1.5, 0.08), (1.22, 0.12)):
        canvas.disc(x, y, radius * ring, palette.sun, opacity)
    mask, top, left = canvas.disc(x, y, radius, palette.sun)
    fade = np.linspace(-0.25, 0.75, len(mask), dtype=np.float32)[:, None] * np.ones_like(mask)
    canvas.spray(fade, mix(palette.sun, palette.accent if not palette.dark else palette.haze, 0.55), top, left, mask)
    if thing.home == "perch":
        bough = [(w * 1.03 - w * 0.8 * t, h * 0.7 - h * 0.02 * math.sin(t * 5)) for t in np.linspace(0, 1, 20)]
        ink = palette.depth(0.96)
        twigs = [stroke([bough[i], (bough[i][0] - w * 0.08, bough[i][1] - h * 0.07 * s)], [7 * canvas.unit, 1.5]) for i, s in ((6, 1), (10, -1), (16, 1), (13, -0.6))]
        canvas.polygons([stroke(bough, [float(s) * canvas.unit for s in np.linspace(26, 3, 20)]), *twigs], ink)
        for k in range(thing.count):
            at = bough[min(18, int(20 * (1.03 - x / w) / 0.8) + 3 * k)]
            stand(canvas, thing.figure, at[0], at[1], min(w, h) * (0.4 if thing.count == 1 else 0.24), cast.colours(brief, thing), side=-1, flip=k % 2 == 1)
        return
    hill = (h * 0.8 + h * 0.05 * np.abs(np.linspace(-1, 1, w) + 1 - 2 * x / w) ** 2 + h * 0.006 * line(rng, w, cell=w * 0.2)).astype(np.float32)
    back = (hill - h * 0.06 - h * 0.03 * line(rng, w, cell=w * 0.4, octaves=3)).astype(np.float32)
    land.layer(canvas, brief, back, sun, 0.45, h * 0.2, rng=rng)
    snowy = brief.has("snow") or palette.name == "winter"
    land.layer(canvas, brief, hill, sun, 0.94, h * 0.3, rng=rng, tint=SNOW if snowy else None)
    big = Thing(thing.name, thing.count, thing.colour)
    cast.on_ground(canvas, brief, rng, hill, sun, [big], scale=0.42 / max(big.size, 0.05) if big.count == 1 else 0.24 / max(big.size, 0.05), spot=x / w)
    if not snowy:
        land.grasses(canvas, brief, rng, hill, h * 0.06)


def figure_polygons(name: str, x: float, y: float, height: float, *, flip: bool) -> list[Polygon]:
    """Return a figure's outlines where it would stand."""
    across = -height if flip else height
    return [[(x + px * across, y + py * height) for px, py in shape] for _, shapes in figures()[name].parts for shape in shapes]
