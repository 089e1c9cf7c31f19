"""Pictures without a place: patterns, abstracts, type, portraits; and the two weightless worlds, space and sea floor."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sandbox.painter import cast, land, lettering, outdoors
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas, Polygon, cover
from sandbox.painter.colour import Array, luminance, mix, ramp, rgb, shade
from sandbox.painter.noise import Rng, enlarge, field, line, smoothstep
from sandbox.painter.shapes import ellipse, firs, stand, stroke
from sandbox.painter.sky import WHITE, Sun, stars


def _flat(canvas: Canvas, colour: Array) -> None:
    canvas.pixels[:] = colour[:, None, None]


def space(canvas: Canvas, brief: Brief) -> None:
    """Hang a planet, ringed if asked, in a cloud of light."""
    rng, h, w, palette = brief.rng("space"), canvas.height, canvas.width, brief.palette
    deep = shade(mix(palette.near, rgb("#080818"), 0.55), -0.02)
    _flat(canvas, deep)
    for colour, strength in ((palette.sky[2], 0.75), (palette.haze, 0.6), (palette.accent, 0.35)):
        cloud = field(rng, h, w, cell=min(w, h) * 0.55, octaves=5, ridged=True, coarse=4)
        canvas.add(np.clip(cloud * 0.8 + 0.1, 0, 1) ** 1.6 * np.float32(strength), colour)
    stars(canvas, rng, h / 0.96, 0.9)
    base, side = min(w, h), float(rng.choice((-1, 1)))
    radius = base * float(rng.uniform(0.25, 0.31))
    x, y = w * (0.5 + 0.1 * side), h * 0.42
    ringed = brief.has("planet") and ("saturn" in brief.words or rng.random() < 0.6)
    body = ramp((shade(palette.haze, -0.05), mix(palette.light, palette.haze, 0.3), palette.accent, palette.sky[2]), np.linspace(0, 1, 64, dtype=np.float32))
    rings = [(2.15, 1.86, 0.6), (1.8, 1.42, 0.85), (1.36, 1.26, 0.5)]
    tilt = -0.32 * side
    if ringed:
        _rings(canvas, x, y, radius, tilt, rings, mix(palette.light, WHITE, 0.2), front=False)
    canvas.glow(x, y, radius * 2.4, palette.haze, 0.35)
    mask, top, left = canvas.disc(x, y, radius, palette.haze)
    n = len(mask)
    ys, xs = np.mgrid[0:n, 0 : mask.shape[1]].astype(np.float32) / (n / 2) - 1
    along = ys * math.cos(tilt) - xs * math.sin(tilt)
    swirl = field(rng, n, mask.shape[1], cell=radius * 0.5, stretch=5, octaves=4)
    bands = np.clip((np.sin(along * 9 + swirl * 0.9 + np.sin(along * 23) * 0.5) * 0.5 + 0.5) * 62, 0, 63).astype(np.int64)
    canvas.blend(mask, body[bands].transpose(2, 0, 1), top, left)
    night = smoothstep(-0.25, 0.95, xs * side * 0.8 + ys * 0.55)
    canvas.blend(mask * night * np.float32(0.75), deep, top, left)
    canvas.spray(np.clip(night * 1.1, 0, 1), deep, top, left, mask)
    if ringed:
        _rings(canvas, x, y, radius, tilt, rings, mix(palette.light, WHITE, 0.2), front=True)
    for k in range(2):
        moon = base * float(rng.uniform(0.02, 0.05))
        mx, my = w * (0.5 - side * float(rng.uniform(0.24, 0.4))), h * float(rng.uniform(0.12, 0.3) + 0.45 * k)
        canvas.shade(canvas.disc(mx, my, moon, mix(palette.light, palette.haze, 0.4)), deep, side, 1.0)
    riders = brief.at("space")
    if brief.has("astronaut"):
        ridge = (h * 0.86 + h * 0.05 * line(rng, w, cell=w * 0.4, octaves=4)).astype(np.float32)
        land.layer(canvas, brief, ridge, Sun(x, y, 1), 0.7, h * 0.25, rng=rng, facets=True, kind="mesa")
    for thing in (t for t in riders if t.name != "planet"):
        if thing.name == "astronaut":
            at = w * (0.5 - 0.12 * side)
            stand(canvas, "astronaut", at, float(ridge[int(at)]) + 4, base * 0.2, cast.colours(brief), side=side)
        else:
            stand(canvas, thing.figure, w * (0.5 - 0.28 * side), h * 0.84, base * thing.size, cast.colours(brief, thing), tilt=0.5 * side, side=side)


def _rings(canvas: Canvas, x: float, y: float, radius: float, tilt: float, rings: list[tuple[float, float, float]], colour: Array, *, front: bool) -> None:
    turns = np.linspace(0, math.pi, 60) if front else np.linspace(math.pi, math.tau, 60)
    c, s = math.cos(tilt), math.sin(tilt)
    for outer, inner, opacity in rings:
        arcs = [(radius * r * math.cos(t), radius * r * 0.3 * math.sin(t)) for r, order in ((outer, turns), (inner, turns[::-1])) for t in order]
        canvas.polygons([[(x + a * c - b * s, y + a * s + b * c) for a, b in arcs]], colour, opacity)


def underwater(canvas: Canvas, brief: Brief) -> None:
    """Let light fall through water on a reef, with what swims there."""
    rng, h, w, palette = brief.rng("reef"), canvas.height, canvas.width, brief.palette
    top, deep = mix(palette.sky[3], rgb("#7fd3cf"), 0.45), mix(palette.near, rgb("#0b3a5c"), 0.5)
    canvas.fill_rows(ramp((mix(top, WHITE, 0.3), top, mix(top, deep, 0.6), deep), np.linspace(0, 1, h, dtype=np.float32)))
    x0 = w * float(rng.uniform(0.3, 0.7))
    rays = np.zeros((h // 4 + 1, w // 4 + 1), np.float32)
    ys, xs = np.mgrid[0 : rays.shape[0], 0 : rays.shape[1]].astype(np.float32) * 4
    angle = (xs - x0) / (ys + h * 0.35)
    rays = np.clip(np.sin(angle * 19 + 1) * np.sin(angle * 43) + 0.35 * np.sin(angle * 8), 0, 1) * np.exp(-ys / (h * 0.42))
    canvas.add(enlarge(rays * np.float32(0.55), h, w, smooth=False), mix(palette.light, WHITE, 0.5))
    sun = Sun(x0, 0, 0)
    sea = replace(brief, palette=replace(palette, haze=mix(top, deep, 0.45), near=shade(deep, -0.06), light=mix(top, WHITE, 0.2), dark=False))
    for k in range(3):
        ridge = land.crest(canvas, rng, "hills", h * (0.86 + 0.055 * k), h * (0.2 - 0.04 * k))
        land.layer(canvas, sea, ridge, sun, 0.25 + 0.3 * k, h * 0.3, rng=rng)
        _reef(canvas, sea, rng, ridge, k)
        if k == 1:
            _swimmers(canvas, sea, rng)
    for _ in range(26):
        canvas.disc(float(rng.uniform(0, w)), float(rng.uniform(0, h)), float(rng.uniform(1.5, 6)) * canvas.unit, WHITE, 0.22)


def _reef(canvas: Canvas, brief: Brief, rng: Rng, ridge: Array, k: int) -> None:
    """Grow corals and kelp on a ridge."""
    palette, u = brief.palette, canvas.unit * (0.6 + 0.45 * k)
    tones = [mix(c, palette.depth(0.25 + 0.3 * k), 0.55 - 0.17 * k) for c in (rgb("#ff7f61"), rgb("#f2b54a"), rgb("#d9679a"), palette.accent)]
    for index in range(9):
        x = float(rng.uniform(0, 1)) * canvas.width
        foot = float(ridge[int(min(x, canvas.width - 1))]) + 4
        kind, tone = int(rng.integers(0, 3)), tones[index % 4]
        shapes: list[Polygon] = []
        if kind == 0:
            for j in range(4):
                sway = [(x + (j * 12 - 18 + 16 * math.sin(t * 5 + j + index)) * u, foot - t * (130 + 34 * j) * u) for t in np.linspace(0, 1, 14)]
                shapes.append(stroke(sway, [(13 * math.sin(math.pi * min(1, 0.15 + t * 0.85)) + 1) * u for t in np.linspace(0, 1, 14)]))
            tone = mix(rgb("#3f8f6f"), palette.depth(0.3 + 0.3 * k), 0.5)
        elif kind == 1:
            _twig(shapes, rng, x, foot, 90, 34 * u, 11 * u, 4)
        else:
            shapes += [ellipse(x + dx * u, foot - 10 * u, 34 * u * s, 30 * u * s, 0, rng.uniform(-0.05, 0.05, 24)) for dx, s in ((-26, 0.8), (0, 1.1), (28, 0.75))]
        canvas.shade(canvas.polygons(shapes, tone), palette.near, 0.4, 0.5)


def _twig(shapes: list[Polygon], rng: Rng, x: float, y: float, degrees: float, reach: float, wide: float, depth: int) -> None:
    tip = (x + math.cos(math.radians(degrees)) * reach, y - math.sin(math.radians(degrees)) * reach)
    shapes += [stroke([(x, y), tip], [wide, wide * 0.8]), ellipse(*tip, wide * 0.42, wide * 0.42)]
    if depth:
        for turn in (-1, 1):
            _twig(shapes, rng, *tip, degrees + turn * float(rng.uniform(16, 38)), reach * 0.82, wide * 0.82, depth - 1)


def _swimmers(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    h, w, base = canvas.height, canvas.width, min(canvas.width, canvas.height)
    spots = [(0.5, 0.45), (0.3, 0.62), (0.68, 0.3)]
    things = brief.at("deep") + [t for t in brief.things if t.name == "whale"]
    for index, thing in enumerate(sorted(things, key=lambda t: t.name == "fish")):
        x, y = spots[index % 3]
        tones = cast.colours(brief, thing, 0.8)
        tones |= {"coat": thing.coat() if thing.coat() is not None else mix(brief.palette.near, brief.palette.haze, 0.2), "pale": mix(brief.palette.light, WHITE, 0.6), "ink": brief.palette.depth(0.9)}  # type: ignore[dict-item]
        if thing.name == "fish":
            count = thing.count if thing.count not in (1, 3) or len(things) == 1 else 9
            for k in range(max(count, 5 if "koi" not in brief.words else 4)):
                s = float(rng.uniform(0.6, 1.15)) * (1.5 if "koi" in brief.words else 1)
                px, py = w * x + float(rng.normal(0, 0.17)) * w, h * y + float(rng.normal(0, 0.12)) * h
                hue = tones | {"coat": mix(tones["coat"], brief.palette.accent, float(rng.uniform(0, 0.6)))}
                stand(canvas, "fish", px, py, base * thing.size * s * 1.6, hue, flip=x > 0.4, tilt=float(rng.uniform(-0.15, 0.15)))
        else:
            for k in range(min(thing.count, 5)):
                figure = "whale" if thing.name == "whale" else thing.figure
                stand(canvas, figure, w * (x + 0.22 * k * (-1) ** k), h * (y + 0.1 * k), base * thing.size * 1.5 * (0.8**k), tones, side=0.6)
    if not things:
        for _ in range(9):
            stand(canvas, "fish", w * float(rng.uniform(0.3, 0.7)), h * float(rng.uniform(0.35, 0.6)), base * 0.04, cast.colours(brief))


def portrait(canvas: Canvas, brief: Brief) -> None:
    """Print a head in profile before a disc, and inside it, as in a double exposure, the place the prompt speaks of."""
    rng, h, w, palette = brief.rng("portrait"), canvas.height, canvas.width, brief.palette
    paper = palette.inks[0] if not palette.dark else mix(palette.sky[1], palette.haze, 0.25)
    canvas.fill_rows(ramp((shade(paper, 0.01), mix(paper, palette.light, 0.35)), np.linspace(0, 1, h, dtype=np.float32)))
    tall = min(h * 0.86, w * 1.12)
    x, side = w * 0.47, float(rng.choice((-1, 1)))
    disc = canvas.disc(x + side * w * 0.06, h - tall * 0.62, tall * 0.42, palette.accent if not palette.dark else palette.sun)
    canvas.shade(disc, mix(palette.accent, palette.inks[2], 0.6), -side, 0.5)
    inner = Canvas(w, h)
    places = brief.places or (str(rng.choice(("mountains", "sea", "hills"))),)
    outdoor = replace(brief, places=places, things=(), details=brief.details - {"rain"})
    (outdoors.forest if places[0] in ("forest", "birches", "bamboo", "jungle") else outdoors.landscape)(inner, outdoor)
    head = outdoors.figure_polygons("profile", x, h + 4, tall, flip=side < 0)
    drawn = cover(head, (w, h))
    assert drawn is not None
    mask, top, left = drawn
    bottom, right = top + mask.shape[0], left + mask.shape[1]
    canvas.blend(mask, inner.pixels[:, top:bottom, left:right], top, left)
    fade = np.linspace(0, 1, mask.shape[1], dtype=np.float32)[None, :] * np.ones_like(mask)
    canvas.spray(np.clip((fade if side < 0 else 1 - fade) * 0.9 - 0.25, 0, 1), palette.depth(0.95), top, left, mask)


def pattern(canvas: Canvas, brief: Brief) -> None:
    """Lay tiles of arcs, discs and stripes; or free Bauhaus shapes."""
    rng, inks = brief.rng("pattern"), list(brief.palette.inks)
    _flat(canvas, inks[0])
    if "bauhaus" in brief.places:
        _bauhaus(canvas, brief, rng)
        return
    across = int(rng.integers(4, 6)) if canvas.width >= canvas.height else 4
    size = canvas.width / across
    for j in range(-(-canvas.height // int(size)) + 1):
        for i in range(across):
            _tile(canvas, rng, i * size, j * size, size, inks)


def _tile(canvas: Canvas, rng: Rng, x: float, y: float, s: float, inks: list[Array]) -> None:
    """Print one tile: its ground, and a motif in one or two other inks."""
    order = [inks[int(i)] for i in rng.permutation(len(inks))]
    ground, one, two = order[:3]
    box = [(x, y), (x + s + 1, y), (x + s + 1, y + s + 1), (x, y + s + 1)]
    canvas.polygons([box], ground)
    corner = [(x, y), (x + s, y), (x + s, y + s), (x, y + s)][int(rng.integers(0, 4))]
    motif, clip = int(rng.integers(0, 8)), (x, y, s)
    if motif <= 2:
        for radius, tone in ((1.0, one), (0.68, ground if motif else two), (0.36, two if motif != 2 else one)):
            drawn = canvas.polygons([_clipped(ellipse(*corner, s * radius, s * radius), clip)], tone)
            canvas.shade(drawn, mix(tone, inks[2], 0.35), 0.6, 0.35)
    elif motif == 3:
        for radius, tone in ((0.42, one), (0.22, two)):
            canvas.shade(canvas.polygons([ellipse(x + s / 2, y + s / 2, s * radius, s * radius)], tone), mix(tone, inks[2], 0.35), 0.6, 0.4)
    elif motif == 4:
        canvas.polygons([[(x, y + s * k / 6), (x + s, y + s * k / 6), (x + s, y + s * (k + 1) / 6), (x, y + s * (k + 1) / 6)] for k in (0, 2, 4)], one)
    elif motif == 5:
        canvas.polygons([[box[0], box[1], box[3]]], one)
        canvas.polygons([ellipse(x + s * 0.7, y + s * 0.7, s * 0.16, s * 0.16)], two)
    elif motif == 6:
        canvas.polygons([_clipped(ellipse(x + s / 2, y + s * k / 2, s * 0.5, s * 0.5), (x, y + s * (k - 1) / 2 if k else y, s)) for k in (1, 2)], one)
    else:
        canvas.polygons([ellipse(x + s * (i + 0.5) / 4, y + s * (j + 0.5) / 4, s * 0.065, s * 0.065) for i in range(4) for j in range(4)], one)


def _clipped(shape: Polygon, clip: tuple[float, float, float]) -> Polygon:
    x, y, s = clip
    return [(min(max(px, x), x + s), min(max(py, y), y + s)) for px, py in shape]


def _bauhaus(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Balance a few large shapes on a diagonal."""
    w, h, inks = canvas.width, canvas.height, brief.palette.inks
    base, ink = min(w, h), brief.palette.near
    big, bar, dot = inks[1], inks[2], inks[4]
    canvas.polygons([_turned(w * 0.52, h * 0.5, base * 1.25, base * 0.13, 38)], shade(inks[0], -0.08))
    canvas.shade(canvas.disc(w * 0.4, h * 0.38, base * 0.27, big), shade(big, -0.12), 1.0, 0.6)
    half = ellipse(w * 0.62, h * 0.62, base * 0.25, base * 0.25, -52)[:19]
    canvas.shade(canvas.polygons([half], bar), shade(bar, -0.12), -1.0, 0.6)
    canvas.shade(canvas.disc(w * 0.7, h * 0.27, base * 0.1, dot), shade(dot, -0.12), 1.0, 0.6)
    canvas.polygons([[(w * 0.14, h * 0.86), (w * 0.14 + base * 0.3, h * 0.86), (w * 0.14, h * 0.86 - base * 0.3)]], dot)
    for k in range(5):
        canvas.polygons([_turned(w * 0.52 + k * base * 0.032, h * 0.5 + k * base * 0.025, base * 0.9, base * 0.008, -52)], ink)
    for radius in (0.14, 0.11, 0.08):
        canvas.polygons([stroke(ellipse(w * 0.82, h * 0.8, base * radius, base * radius) + ellipse(w * 0.82, h * 0.8, base * radius, base * radius)[:1], [base * 0.007] * 37)], ink)
    canvas.polygons([_turned(w * 0.24, h * 0.64, base * 0.34, base * 0.035, 38)], bar)


def _turned(x: float, y: float, wide: float, tall: float, degrees: float) -> Polygon:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [(x + a * wide / 2 * c - b * tall / 2 * s, y + a * wide / 2 * s + b * tall / 2 * c) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]


def abstract(canvas: Canvas, brief: Brief) -> None:
    """What has no name the painter knows: colour, rhythm and weight from the words, in one of five manners."""
    rng = brief.rng("abstract")
    manners = [_currents, _arches, _discs, _strata, _bloom]
    words = [w for w in brief.words if w.isascii()]
    if not brief.quotes and 1 <= len(words) <= 2 and max(map(len, words)) <= 12:
        lettering.specimen(canvas, brief, rng)
        return
    if "fluid" in brief.words or "flowing" in brief.words or "liquid" in brief.words:
        manners = [_currents, _bloom]
    manners[int(rng.integers(0, len(manners)))](canvas, brief, rng)


def _sorted_inks(brief: Brief) -> list[Array]:
    return sorted(brief.palette.inks, key=luminance, reverse=True)


def _currents(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Folds of colour, like poured paint: a warped field cut into bands, each shaded along its edge."""
    h, w = canvas.height, canvas.width
    cell = min(w, h) * 0.6
    warp = field(rng, h, w, cell=cell, octaves=2, coarse=4)
    bands = 5.2 * (0.5 + 0.5 * field(rng, h, w, cell=cell * 1.5, octaves=1, coarse=4) + 0.36 * np.sin(warp * 3.1))
    inks = [brief.palette.inks[i] for i in (0, 1, 2, 3, 4)]
    order = [inks[int(i)] for i in rng.permutation(5)]
    _flat(canvas, order[0])
    steep = 1 / np.maximum(np.hypot(*np.gradient(bands)), 1e-4)
    for k in range(1, 7):
        tone = order[k % 5]
        inside = np.clip((bands - k * 0.82 + 0.3) * steep + 0.5, 0, 1).astype(np.float32)
        rim = np.clip((bands - k * 0.82 + 0.3 + 0.42) / 0.42, 0, 1) * (1 - inside)
        canvas.spray((rim**2 * 0.55).astype(np.float32), mix(order[(k - 1) % 5], brief.palette.near, 0.5))
        canvas.blend(inside, tone)
        shine = np.clip(1 - (bands - k * 0.82 + 0.3) / 0.3, 0, 1) * inside
        canvas.spray((shine * 0.5).astype(np.float32), mix(tone, WHITE, 0.5), mask=inside)


def _arches(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Nested arches, as in a colonnade of colour."""
    h, w, inks = canvas.height, canvas.width, _sorted_inks(brief)
    _flat(canvas, inks[0])
    n = 3 if w > h * 1.2 else 2
    for k in range(n):
        x, foot = w * (k + 0.5) / n, h * (1.0 if k % 2 == 0 else 0.86)
        radius = w / n * 0.47
        turn = [inks[1 + int(i)] for i in rng.permutation(4)]
        for step in range(5):
            r = radius * (1 - 0.19 * step)
            crown = h * (0.3 + 0.16 * ((k + 1) % 2)) + r * 0.0
            arch = [(x + r, foot), *[(x + r * math.cos(t), crown + radius * 0.5 - r * math.sin(t)) for t in np.linspace(0, math.pi, 40)], (x - r, foot)]
            tone = turn[step % 4] if step < 4 else inks[0]
            canvas.shade(canvas.polygons([arch], tone), mix(tone, brief.palette.near, 0.4), 1.0 if step % 2 else -1.0, 0.5)
    sun = brief.palette.accent
    canvas.shade(canvas.disc(w * float(rng.uniform(0.3, 0.7)), h * 0.17, min(w, h) * 0.1, sun), mix(sun, brief.palette.near, 0.3), 1.0, 0.5)
    canvas.polygons([[(0, h * 0.94), (w, h * 0.94), (w, h), (0, h)]], brief.palette.near)


def _discs(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Large discs and halves that overlap as inks do, darkening where they meet."""
    h, w, inks = canvas.height, canvas.width, _sorted_inks(brief)
    _flat(canvas, inks[0])
    base = min(w, h)
    for k in range(5):
        tone = inks[1 + k % 4]
        x, y = w * (0.16 + 0.17 * k + float(rng.uniform(-0.06, 0.06))), h * float(rng.uniform(0.25, 0.75))
        radius = base * float(rng.uniform(0.17, 0.34))
        shape = ellipse(x, y, radius, radius, float(rng.choice((0, 45, 90, 135))), np.zeros(90))
        drawn = cover([shape[: 46 if rng.random() < 0.4 else 90]], (w, h))
        if drawn is None:
            continue
        mask, top, left = drawn
        under = canvas.pixels[:, top : top + mask.shape[0], left : left + mask.shape[1]]
        printed = under * (0.25 + 0.75 * tone[:, None, None]) * 0.75 + tone[:, None, None] * 0.25
        canvas.blend(mask, printed.astype(np.float32), top, left)
        canvas.shade(drawn, mix(tone, brief.palette.near, 0.45), float(rng.choice((-1, 1))), 0.6)
    y = h * float(rng.uniform(0.3, 0.7))
    for k in range(7):
        canvas.polygons([stroke([(w * 0.08, y + k * base * 0.02), (w * 0.92, y + k * base * 0.02)], [base * 0.0035] * 2)], brief.palette.near, 0.8)


def _strata(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Cut-paper waves, one behind another, each with the shadow that it throws."""
    h, w = canvas.height, canvas.width
    inks = _sorted_inks(brief)
    _flat(canvas, inks[0])
    tones = ramp(inks, np.linspace(0.08, 1, 8, dtype=np.float32))
    slope = float(rng.uniform(-0.25, 0.25))
    for k in range(8):
        ridge = h * (0.12 + 0.115 * k) + h * 0.11 * line(rng, w, cell=w * float(rng.uniform(0.35, 0.8)), octaves=2, gain=0.35) + slope * (np.arange(w) - w / 2) * h / w
        top = int(np.clip(ridge.min() - h * 0.04, 0, h - 1))
        above = (ridge[None, :] - canvas.rows(top)).astype(np.float32)
        canvas.spray(np.clip(1 - above / (h * 0.045), 0, 1) ** 2 * (above > 0) * np.float32(0.55), mix(tones[k], brief.palette.near, 0.6), top)
        mask, top = canvas.land(ridge.astype(np.float32), tones[k], mix(tones[k], inks[-1], 0.12), h * 0.3)
        below = (canvas.rows(top) - ridge[None, :]).astype(np.float32)
        canvas.spray(np.clip(0.5 - below / (h * 0.12), 0, 0.5), mix(tones[k], WHITE, 0.4), top, mask=mask)


def _bloom(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Soft light of several colours, grained, with one clear disc in it."""
    h, w, inks = canvas.height, canvas.width, _sorted_inks(brief)
    _flat(canvas, inks[1])
    coarse = (h // 16 + 1, w // 16 + 1)
    ys, xs = np.mgrid[0 : coarse[0], 0 : coarse[1]].astype(np.float32) * 16
    for k in range(7):
        x, y, r = w * float(rng.random()), h * float(rng.random()), max(w, h) * float(rng.uniform(0.22, 0.45))
        light = np.exp(-(((xs - x) ** 2 + (ys - y) ** 2) / np.float32(r * r)) * 2.2)
        canvas.spray(enlarge(light * np.float32(0.9), h, w), inks[(k * 2) % 5])
        canvas.blend(enlarge(light * np.float32(0.55), h, w), inks[(k * 2) % 5])
    radius = min(w, h) * float(rng.uniform(0.16, 0.24))
    x, y = w * float(rng.choice((0.36, 0.5, 0.64))), h * float(rng.uniform(0.38, 0.6))
    drawn = canvas.disc(x, y, radius, brief.palette.accent)
    canvas.shade(drawn, inks[0], -1.0, 0.9)
