"""Pictures without a place: patterns, abstracts and portraits; and the two weightless worlds, space and sea floor."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sandbox.painter import cast, land, lettering, outdoors
from sandbox.painter.colour import WHITE, Array, luminance, mix, ramp, rgb, shade
from sandbox.painter.noise import enlarge, field, line, smoothstep
from sandbox.painter.shapes import ellipse, figures, placed, stand, stroke
from sandbox.painter.sheet import Sheet, cover
from sandbox.painter.sky import stars


def space(s: Sheet) -> None:
    """Hang a planet, ringed if asked, in a cloud of light."""
    brief, palette, h, w, base = s.brief, s.palette, s.h, s.w, min(s.w, s.h)
    deep = shade(mix(palette.near, rgb("#080818"), 0.55), -0.02)
    s.fill(deep, deep)
    for colour, strength in ((palette.sky[2], 0.75), (palette.haze, 0.6), (palette.accent, 0.35)):
        cloud = field(s.rng, h, w, cell=base * 0.55, octaves=4, ridged=True)
        s.add(np.clip(cloud * 0.8 + 0.1, 0, 1) ** 1.6 * np.float32(strength), colour)
    stars(s, h / 0.96, 0.9)
    side, radius = s.pick(-1, 1), base * s.between(0.25, 0.31)
    x, y, tilt = w * (0.5 + 0.1 * side), h * 0.42, -0.32 * side
    s.sun = (x - side * w, 0.0, 1.0)
    ringed = brief.has("planet") and ("saturn" in brief.words or s.between() < 0.6)
    if ringed:
        _rings(s, x, y, radius, tilt, math.pi)
    s.glow(x, y, radius * 2.4, palette.haze, 0.35)
    mask, top, left = s.disc(x, y, radius, palette.haze)
    ys, xs = np.mgrid[-1 : 1 : len(mask) * 1j, -1 : 1 : len(mask) * 1j].astype(np.float32)
    along = ys * math.cos(tilt) - xs * math.sin(tilt)
    swirl = field(s.rng, *mask.shape, cell=radius * 0.5, stretch=5) * 0.9 + np.sin(along * 23) * 0.5
    body = ramp((shade(palette.haze, -0.05), mix(palette.light, palette.haze, 0.3), palette.accent, palette.sky[2]), 64)
    bands = np.clip((np.sin(along * 9 + swirl) * 0.5 + 0.5) * 62, 0, 63).astype(np.int64)
    s.blend(mask, body[bands].transpose(2, 0, 1), top, left)
    night = smoothstep(-0.25, 0.95, xs * side * 0.8 + ys * 0.55)
    s.blend(mask * night * np.float32(0.75), deep, top, left)
    s.spray(night * 1.1, deep, top, left, mask)
    if ringed:
        _rings(s, x, y, radius, tilt, 0.0)
    for thing in (t for t in brief.at("space") if t.name != "planet"):
        if thing.name == "astronaut":
            ridge = (h * 0.86 + h * 0.05 * line(s.rng, w, cell=w * 0.4, octaves=4)).astype(np.float32)
            land.layer(s, ridge, 0.7, h * 0.25, kind="mesa")
            x = w * (0.5 - 0.12 * side)
            stand(s, "astronaut", x, float(ridge[int(x)]) + 4, base * 0.2, cast.colours(s))
        else:
            at = w * (0.5 - 0.28 * side), h * 0.84
            stand(s, thing.figure, *at, base * thing.size, cast.colours(s, thing), tilt=0.5 * side)


def _rings(s: Sheet, x: float, y: float, radius: float, tilt: float, start: float) -> None:
    """Print the half of a planet's rings that begins at the angle `start`: behind it or before it."""
    turns = np.linspace(start, start + math.pi, 60).tolist()
    for outer, inner, opacity in ((2.15, 1.86, 0.6), (1.8, 1.42, 0.85), (1.36, 1.26, 0.5)):
        way = [(outer, t) for t in turns] + [(inner, t) for t in reversed(turns)]
        arc = [[(r * math.cos(t), r * 0.3 * math.sin(t)) for r, t in way]]
        s.polygons(placed(arc, x, y, radius, radius, tilt), mix(s.palette.light, WHITE, 0.2), opacity)


def underwater(s: Sheet) -> None:
    """Let light fall through water on a reef, with what swims there."""
    palette, h, w = s.palette, s.h, s.w
    top, deep = mix(palette.sky[3], rgb("#7fd3cf"), 0.45), mix(palette.near, rgb("#0b3a5c"), 0.5)
    s.fill(mix(top, WHITE, 0.3), top, mix(top, deep, 0.6), deep)
    ys, xs = np.mgrid[0 : h + 4 : 4, 0 : w + 4 : 4].astype(np.float32)
    x0 = w * s.between(0.3, 0.7)
    angle = (xs - x0) / (ys + h * 0.35)
    rays = np.clip(np.sin(angle * 19 + 1) * np.sin(angle * 43) + 0.35 * np.sin(angle * 8), 0, 1) * np.exp(
        -ys / (h * 0.42)
    )
    s.add(enlarge(rays * np.float32(0.55), h, w, smooth=False), mix(palette.light, WHITE, 0.5))
    sea = replace(palette, haze=mix(top, deep, 0.45), near=shade(deep, -0.06), light=mix(top, WHITE, 0.2), dark=False)
    s.palette, s.sun = sea, (x0, 0.0, 0.0)
    for k in range(3):
        ridge = land.crest(s, "hills", h * (0.86 + 0.055 * k), h * (0.2 - 0.04 * k))
        land.layer(s, ridge, 0.25 + 0.3 * k, h * 0.3)
        tones = [rgb("#ff7f61"), rgb("#f2b54a"), rgb("#d9679a"), sea.accent]
        for i, x in enumerate(s.rng.uniform(0, w - 1, 9).tolist()):
            name, tone = ("kelp", "coral", "sponge")[int(s.between(0, 3))], tones[i % 4]
            size = s.u * (0.6 + 0.45 * k) * s.between(0.8, 1.1) * {"kelp": 240, "coral": 120, "sponge": 80}[name]
            tone = mix(rgb("#3f8f6f") if name == "kelp" else tone, sea.depth(0.25 + 0.3 * k), 0.55 - 0.17 * k)
            stand(s, name, x, float(ridge[int(x)]) + 4, size, {"ink": sea.near, "coat": tone}, flip=i % 2 == 1)
        if k == 1:
            _swimmers(s)
    for x, y, size in s.rng.uniform((0, 0, 1.5), (w, h, 6), (26, 3)).tolist():
        s.disc(x, y, size * s.u, WHITE, 0.22)


def _swimmers(s: Sheet) -> None:
    things = s.brief.at("deep") + [t for t in s.brief.things if t.name == "whale"]
    base, koi = min(s.w, s.h), "koi" in s.brief.words
    for index, thing in enumerate(sorted(things, key=lambda t: t.name == "fish")):
        x, y = ((0.5, 0.45), (0.3, 0.62), (0.68, 0.3))[index % 3]
        coat = thing.coat()
        tones = cast.colours(s, thing, 0.8) | {"pale": mix(s.palette.light, WHITE, 0.6), "ink": s.palette.depth(0.9)}
        tones["coat"] = mix(s.palette.near, s.palette.haze, 0.2) if coat is None else coat
        school = thing.count if thing.count not in (1, 3) else 4 if koi else 7
        for k in range(school if thing.name == "fish" else min(thing.count, 5)):
            if thing.name == "fish":
                at = s.w * (x + float(s.rng.normal(0, 0.16))), s.h * (y + float(s.rng.normal(0, 0.12)))
                size, flip = base * thing.size * s.between(1.0, 1.8) * (1.5 if koi else 1), x > 0.4
                hue = {"coat": mix(tones["coat"], s.palette.accent, s.between(0, 0.6))}
                stand(s, "fish", *at, size, tones | hue, flip=flip, tilt=s.between(-0.15, 0.15))
            else:
                figure = "whale" if thing.name == "whale" else thing.figure
                at = s.w * (x + 0.22 * k * (-1) ** k), s.h * (y + 0.1 * k)
                stand(s, figure, *at, base * thing.size * 1.5 * 0.8**k, tones)


def portrait(s: Sheet) -> None:
    """Print a head in profile before a disc, and inside it, as in a double exposure, the place the prompt speaks of."""
    brief, palette, h, w = s.brief, s.palette, s.h, s.w
    paper = mix(palette.sky[1], palette.haze, 0.25) if palette.dark else palette.inks[0]
    s.fill(paper, mix(paper, palette.light, 0.35))
    tall, side = min(h * 0.86, w * 1.12), s.pick(-1, 1)
    disc = s.disc(
        w * (0.47 + 0.06 * side), h - tall * 0.62, tall * 0.42, palette.sun if palette.dark else palette.accent
    )
    s.shade(disc, mix(palette.accent, palette.inks[2], 0.6), -side, 0.5)
    places = brief.places or (("mountains", "sea", "hills")[int(s.between(0, 3))],)
    inner = Sheet(replace(brief, places=places, things=(), details=brief.details - {"rain"}, quotes=()), (w, h))
    (outdoors.forest if places[0] in ("forest", "birches", "bamboo", "jungle") else outdoors.landscape)(inner)
    head = cover(placed(figures()["profile"][0][1], w * 0.47, h + 4, tall * side, tall), (w, h))
    if head is not None:
        mask, top, left = head
        s.blend(mask, inner.pixels[:, top : top + mask.shape[0], left : left + mask.shape[1]], top, left)
        s.shade(head, palette.depth(0.95), -side, 0.7)


def pattern(s: Sheet) -> None:
    """Lay tiles of arcs, discs and stripes; or balance a few Bauhaus shapes on a diagonal."""
    palette, inks, w, h = s.palette, list(s.palette.inks), s.w, s.h
    s.fill(inks[0], inks[0])
    if "bauhaus" in s.brief.places:
        tones = {"ink": palette.near, "soft": shade(inks[0], -0.08), "one": inks[1], "two": inks[2], "three": inks[4]}
        stand(s, "bauhaus", w * 0.5, h * 0.5, min(w, h), tones, flip=s.between() < 0.5)
        return
    size = w / (int(s.between(4, 6)) if w >= h else 4)
    for top in np.arange(0, h, size).tolist():
        for left in np.arange(0, w - 1, size).tolist():
            _tile(s, left, top, size, inks)


def _tile(s: Sheet, x: float, y: float, size: float, inks: list[Array]) -> None:
    """Print one tile: its ground, and a motif in one or two inks that stand out from it."""
    ground = inks[int(s.rng.integers(0, len(inks)))]
    others = sorted((i for i in inks if i is not ground), key=lambda i: -abs(luminance(i) - luminance(ground)))
    one, two = others[:2] if s.between() < 0.5 else others[1::-1]
    s.box(x, y, x + size + 1, y + size + 1, ground)
    corner, motif = (x + size * s.pick(0, 1), y + size * s.pick(0, 1)), int(s.rng.integers(0, 7))
    middle = (x + size / 2, y + size / 2)
    if motif <= 2:
        for radius, tone in ((1.0, one), (0.68, ground if motif else two), (0.36, two)):
            arc = ellipse(*corner, size * radius, size * radius, n=96)
            quarter = [(min(max(a, x), x + size), min(max(b, y), y + size)) for a, b in arc]
            s.shade(s.polygons([quarter], tone), mix(tone, inks[2], 0.35), 0.6, 0.35)
    elif motif == 3:
        for radius, tone in ((0.42, one), (0.22, two)):
            s.shade(s.disc(*middle, size * radius, tone), mix(tone, inks[2], 0.35), 0.6, 0.4)
    elif motif == 4:
        for k in (0, 2, 4):
            s.box(x, y + size * k / 6, x + size, y + size * (k + 1) / 6, one)
    elif motif == 5:
        s.polygons([[(x, y), (x + size, y), (x, y + size)]], one)
        s.disc(x + size * 0.7, y + size * 0.7, size * 0.16, two)
    else:
        spots = [(x + size * (i + 0.5) / 4, y + size * (j + 0.5) / 4) for i in range(4) for j in range(4)]
        s.polygons([ellipse(*spot, size * 0.065, size * 0.065) for spot in spots], one)


def abstract(s: Sheet) -> None:
    """What has no name the painter knows: colour, rhythm and weight from the words, in one of several manners."""
    words = [w for w in s.brief.words if w.isascii()]
    if not s.brief.quotes and 1 <= len(words) <= 2 and max(map(len, words)) <= 12:
        lettering.specimen(s)
        return
    manners = [_currents, _arches, _discs, _strata, _lines, pattern]
    if not {"fluid", "flowing", "liquid", "marble"}.isdisjoint(s.brief.words):
        manners = [_currents]
    manners[int(s.rng.integers(0, len(manners)))](s)


def _inks(s: Sheet) -> list[Array]:
    """Return the palette's inks from light to dark."""
    return sorted(s.palette.inks, key=luminance, reverse=True)


def _currents(s: Sheet) -> None:
    """Folds of colour, like poured paint: a warped field cut into bands, each shaded along its edge."""
    h, w, cell = s.h, s.w, min(s.w, s.h) * 0.6
    bands = field(s.rng, h, w, cell=cell * 1.5, octaves=1) + 0.8 * np.sin(
        field(s.rng, h, w, cell=cell, octaves=2) * 2.6
    )
    bands = (3.9 * (bands - bands.min()) / np.ptp(bands)).astype(np.float32)
    order = [s.palette.inks[int(i)] for i in s.rng.permutation(5)]
    s.fill(order[0], order[0])
    slope: Array = np.hypot(*np.gradient(bands[::4, ::4]))
    steep = enlarge(4 / np.maximum(slope, 4e-4), h, w, smooth=False)
    for k in range(1, 5):
        tone, over = order[k % 5], bands - np.float32(k * 0.82 - 0.3)
        inside = np.clip(over * steep + np.float32(0.5), 0, 1)
        shadow = np.clip(over / np.float32(0.42) + 1, 0, 1) ** 2 * (1 - inside)
        s.spray(shadow * np.float32(0.55), mix(order[(k - 1) % 5], s.palette.near, 0.5))
        s.blend(inside, tone)
        s.spray(np.clip(np.float32(0.5) - over / np.float32(0.6), 0, 0.5), mix(tone, WHITE, 0.5), mask=inside)


def _arches(s: Sheet) -> None:
    """Nested arches, as in a colonnade of colour."""
    h, w, inks, accent = s.h, s.w, _inks(s), s.palette.accent
    s.fill(inks[0], mix(inks[0], inks[1], 0.25))
    n = 3 if w > h * 1.2 else 2
    for k in range(n):
        x, foot, radius = w * (k + 0.5) / n, h * (0.86 if k % 2 else 1.0), w / n * 0.47
        turn, crown = s.rng.permutation(4), h * (0.46 if k % 2 == 0 else 0.3) + radius * 0.5
        for step in range(5):
            r, tone = radius * (1 - 0.19 * step), inks[1 + int(turn[step % 4])] if step < 4 else inks[0]
            arch = [(x + r * math.cos(t), crown - r * math.sin(t)) for t in np.linspace(0, math.pi, 40)]
            drawn = s.polygons([[(x + r, foot), *arch, (x - r, foot)]], tone)
            s.shade(drawn, mix(tone, s.palette.near, 0.4), 1.0 if step % 2 else -1.0, 0.5)
    s.shade(
        s.disc(w * s.between(0.3, 0.7), h * 0.17, min(w, h) * 0.1, accent), mix(accent, s.palette.near, 0.3), 1.0, 0.5
    )
    s.box(0, h * 0.94, w, h, s.palette.near)


def _discs(s: Sheet) -> None:
    """Large discs and halves that overlap as inks do, darkening where they meet."""
    h, w, base, inks = s.h, s.w, min(s.w, s.h), _inks(s)
    s.fill(inks[0], inks[0])
    for k in range(5):
        tone, radius = inks[1 + k % 4], base * s.between(0.17, 0.34)
        at = w * (0.16 + 0.17 * k + s.between(-0.06, 0.06)), h * s.between(0.25, 0.75)
        shape = ellipse(*at, radius, radius, s.pick(0, 45, 90, 135), n=90)
        drawn = cover([shape[: 46 if s.between() < 0.4 else 90]], (w, h))
        if drawn is None:
            continue
        mask, top, left = drawn
        under = s.pixels[:, top : top + mask.shape[0], left : left + mask.shape[1]]
        s.blend(mask, under * (0.19 + 0.56 * tone[:, None, None]) + tone[:, None, None] * np.float32(0.25), top, left)
        s.shade(drawn, mix(tone, s.palette.near, 0.45), s.pick(-1, 1), 0.6)
    y = h * s.between(0.3, 0.7)
    for k in range(7):
        s.box(w * 0.08, y + k * base * 0.02, w * 0.92, y + k * base * 0.02 + base * 0.0035, s.palette.near, 0.8)


def _strata(s: Sheet) -> None:
    """Cut-paper waves, one behind another, each with the shadow that it throws."""
    h, w, inks = s.h, s.w, _inks(s)
    s.fill(inks[0], inks[0])
    tilt = s.between(-0.25, 0.25) * (np.arange(w) - w / 2) * h / w
    for k, tone in enumerate(ramp(inks, 9)[1:]):
        wave = h * 0.11 * line(s.rng, w, cell=w * s.between(0.35, 0.8), octaves=2)
        ridge = (h * (0.12 + 0.115 * k) + wave + tilt).astype(np.float32)
        top = int(np.clip(ridge.min() - h * 0.04, 0, h - 1))
        above = (ridge[None, :] - s.rows(top)) / np.float32(h * 0.045)
        s.spray(np.clip(1 - above, 0, 1) ** 2 * (above > 0) * np.float32(0.55), mix(tone, s.palette.near, 0.6), top)
        mask, top, _ = s.land(ridge, tone, mix(tone, inks[-1], 0.12), h * 0.3)
        below = (s.rows(top) - ridge[None, :]) / np.float32(h * 0.12)
        s.spray(np.clip(0.5 - below, 0, 0.5), mix(tone, WHITE, 0.4), top, mask=mask)


def _lines(s: Sheet) -> None:
    """Fine lines that swell past one another over a deep ground, as sound would look."""
    h, w, inks = s.h, s.w, _inks(s)
    deep = mix(inks[4], s.palette.near, 0.5)
    s.fill(mix(deep, inks[3], 0.25), deep)
    s.glow(w * s.between(0.3, 0.7), h * 0.5, min(w, h) * 0.6, inks[2], 0.4)
    xs = np.linspace(-10, w + 10, 70)
    waves = s.rng.uniform((0.6, 0, 0.05), (1.8, 6, 0.13), (3, 3)).tolist()
    for band, tone in enumerate((inks[0], inks[1], s.palette.accent)):
        threads = []
        for t in np.linspace(0, 1, 24).tolist():
            y = h * (0.3 + 0.2 * band) + h * (t - 0.5) * 0.34 * np.sin(xs / w * 3.1 + band * 2)
            for rate, phase, size in waves:
                y = y + h * size * np.sin(xs / w * rate * 6.3 + phase + t * 1.5 + band * 1.3)
            threads.append(stroke(list(zip(xs.tolist(), y.tolist(), strict=True)), 1.5 * s.u))
        s.polygons(threads, tone, 0.75)
