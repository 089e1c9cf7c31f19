"""Scenes that people built: a city, a room with a window, a table with things on it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sandbox.painter import cast, land, outdoors
from sandbox.painter.brief import Brief, Thing
from sandbox.painter.canvas import Canvas, Polygon
from sandbox.painter.colour import Array, mix, ramp, rgb, shade
from sandbox.painter.noise import Rng, line
from sandbox.painter.shapes import ellipse, stand, stroke
from sandbox.painter.sky import WHITE, Sun, paint_sky

_LIT = rgb("#ffd98a")


def city(canvas: Canvas, brief: Brief) -> None:
    """Stack rows of towers into the haze; below them a street or water that mirrors their lights."""
    rng, h, w, palette = brief.rng("city"), canvas.height, canvas.width, brief.palette
    street = "street" in brief.places
    wet = street or brief.has("rain", "reflection", "sea", "lake")
    horizon = h * (0.74 if wet else 0.95)
    sun = paint_sky(canvas, brief, horizon, at=0.5 if street else None, disc=1.5 if not brief.has("rain") else 1)
    for k in range(4):
        near = 0.2 + 0.25 * k
        _row(canvas, brief, rng, k, near, horizon, street)
        if k < 3:
            canvas.glow(sun.x, horizon, w * 0.55, palette.haze, 0.16)
            land.mist(canvas, brief, horizon - h * 0.03, h * (0.16 - 0.03 * k), 0.38 if not brief.has("fog") else 0.75)
    if street:
        _signs(canvas, brief, rng, horizon)
    if wet:
        land.water(canvas, brief, horizon, sun, calm=True, tint=mix(palette.near, palette.haze, 0.12))
        quay = np.full(w, horizon, np.float32)
        cast.on_water(canvas, brief, rng, horizon, sun, [t for t in brief.at("water") if t.name != "bridge"])
    else:
        quay = np.full(w, h * 0.955, np.float32)
        land.layer(canvas, brief, quay, sun, 0.97, h * 0.1, rng=rng)
    cast.on_ground(canvas, brief, rng, quay, sun, brief.at("ground"), scale=0.8)
    cast.in_air(canvas, brief, rng, horizon * 0.7, sun)


def _row(canvas: Canvas, brief: Brief, rng: Rng, k: int, near: float, horizon: float, street: bool) -> None:
    """Print one row of towers and switch on some of their windows."""
    w, h, palette = canvas.width, canvas.height, brief.palette
    ink = palette.depth(near)
    dark = palette.dark or palette.name in ("sunset", "rose", "vintage")
    blocks: list[Polygon] = []
    panes: list[Polygon] = []
    x = -w * float(rng.uniform(0.0, 0.05))
    while x < w:
        wide = w * float(rng.uniform(0.035, 0.075)) * (1 + 0.3 * k) * (1.0 if w > h else 1.5)
        middle = abs((x + wide / 2) / w - 0.5) * 2
        rise = (0.66 - 0.13 * k) * float(rng.uniform(0.45, 1.0)) * (1 - 0.35 * middle if not street else 0.25 + 0.95 * middle)
        if k == 3 and not street:
            rise *= 0.8
        top = horizon - horizon * rise
        blocks.append([(x, horizon + 2), (x, top), (x + wide, top), (x + wide, horizon + 2)])
        kind = int(rng.integers(0, 6))
        if kind == 0:
            blocks.append([(x + wide * 0.2, top), (x + wide * 0.2, top - wide * 0.35), (x + wide * 0.8, top - wide * 0.35), (x + wide * 0.8, top)])
            blocks.append(stroke([(x + wide / 2, top), (x + wide / 2, top - wide * 1.3)], [wide * 0.06, 1]))
        elif kind == 1:
            blocks.append([(x, top), (x + wide / 2, top - wide * 0.8), (x + wide, top)])
        elif kind == 2:
            blocks.append([(x, top), (x + wide, top - wide * 0.45), (x + wide, top)])
        elif kind == 3:
            blocks.append([(x + wide * 0.25, top), (x + wide * 0.3, top - wide * 0.5), (x + wide * 0.7, top - wide * 0.5), (x + wide * 0.75, top)])
        if k:
            panes += _panes(rng, x, top, wide, horizon, canvas.unit * (2.2 + 1.5 * k), 0.34 if dark else 0.2)
        x += wide * float(rng.uniform(1.0, 1.28))
    drawn = canvas.polygons(blocks, ink)
    if drawn is not None:
        mask, top_, left = drawn
        rows = np.linspace(0, 1, len(mask), dtype=np.float32)[:, None] * np.ones_like(mask)
        canvas.spray(np.clip(0.5 - rows, 0, 0.4), mix(ink, palette.light, 0.3), top_, left, mask)
    glow = [mix(_LIT, ink, 0.25), mix(palette.accent, ink, 0.15), mix(palette.light, ink, 0.3)] if dark else [mix(palette.light, ink, 0.5)] * 3
    for tone, start in zip(glow, (0, 1, 2), strict=True):
        canvas.polygons(panes[start::3] if start else panes[::3] + panes[1::6], tone, 0.95 if dark else 0.6)


def _panes(rng: Rng, x: float, top: float, wide: float, foot: float, size: float, lit: float) -> list[Polygon]:
    across, down = max(1, int(wide / size / 2)), int((foot - top) / size / 2.2)
    step = wide / (across + 0.5)
    chosen = rng.random((max(down, 1), across)) < lit
    return [
        [(px, py), (px + step * 0.55, py), (px + step * 0.55, py + size * 1.1), (px, py + size * 1.1)]
        for j, i in np.argwhere(chosen)
        for px, py in ((x + step * (i + 0.45), top + size * 2.2 * (j + 0.5)),)
        if py + size < foot
    ]


def _signs(canvas: Canvas, brief: Brief, rng: Rng, horizon: float) -> None:
    """Hang lit signs along both sides of the street; they carry bars, not words."""
    w, h = canvas.width, canvas.height
    tones = [brief.palette.accent, brief.palette.light, rgb("#ff5d8f"), rgb("#ffd166")]
    for k in range(14):
        side = -1 if k % 2 else 1
        share = float(rng.uniform(0.1, 1.0))
        x = w / 2 + side * w * (0.12 + 0.36 * share)
        tall, wide = h * (0.05 + 0.11 * share) * float(rng.uniform(0.7, 1.3)), w * (0.025 + 0.035 * share)
        y = horizon - h * (0.08 + 0.42 * share * float(rng.random()))
        tone = tones[int(rng.integers(0, 4))]
        canvas.glow(x, y, tall * 2.2, tone, 0.35)
        canvas.polygons([[(x - wide / 2, y - tall / 2), (x + wide / 2, y - tall / 2), (x + wide / 2, y + tall / 2), (x - wide / 2, y + tall / 2)]], mix(tone, brief.palette.near, 0.12))
        bars = [[(x - wide * 0.28, y + tall * t), (x + wide * 0.28 * float(rng.uniform(0.3, 1)), y + tall * t), (x + wide * 0.28, y + tall * (t + 0.08)), (x - wide * 0.28, y + tall * (t + 0.08))] for t in (-0.34, -0.16, 0.02, 0.2)]
        canvas.polygons(bars, brief.palette.near, 0.75)


def room(canvas: Canvas, brief: Brief) -> None:
    """Paint a wall, a window with the world behind it, and what stands about."""
    rng, h, w, palette = brief.rng("room"), canvas.height, canvas.width, brief.palette
    warm = brief.has("warm") or "room" in brief.places
    wall = mix(palette.inks[3] if palette.dark else palette.haze, rgb("#b5654a") if warm else palette.light, 0.35 if warm else 0.3)
    floor_y = h * 0.8
    canvas.fill_rows(ramp((shade(wall, -0.05), wall), np.linspace(0, 1, h, dtype=np.float32)))
    side = float(rng.choice((-1, 1)))
    ww, wh = min(w * 0.42, h * 0.52), min(h * 0.52, w * 0.62)
    wx, wy = w * (0.5 - 0.17 * side) if w > h * 0.9 else w * 0.5, h * 0.4
    box = (int(wx - ww / 2), int(wy - wh / 2), int(wx + ww / 2), int(wy + wh / 2))
    _view(canvas, brief, box)
    frame, u = mix(WHITE, wall, 0.25) if not palette.dark else mix(palette.near, wall, 0.4), canvas.unit
    left, top, right, bottom = box
    bars = [[(a, top - 9 * u), (b, top - 9 * u), (b, bottom + 9 * u), (a, bottom + 9 * u)] for a, b in ((left - 11 * u, left + 3 * u), (right - 3 * u, right + 11 * u), (wx - 3 * u, wx + 3 * u))]
    bars += [[(left - 11 * u, a), (right + 11 * u, a), (right + 11 * u, b), (left - 11 * u, b)] for a, b in ((top - 11 * u, top + 3 * u), (wy - 3 * u, wy + 3 * u))]
    canvas.polygons(bars, frame)
    canvas.shade(canvas.polygons([[(left - 26 * u, bottom), (right + 26 * u, bottom), (right + 26 * u, bottom + 20 * u), (left - 26 * u, bottom + 20 * u)]], mix(frame, palette.light, 0.3)), palette.near, 0.3, 0.3)
    board = mix(palette.near, rgb("#7a4a32"), 0.45)
    light = Sun(w * (0.5 - 0.5 * side), h * 0.2, 1.0)
    if not brief.has("rain", "night"):
        beam = [(wx + side * ww * 0.55, floor_y), (wx + side * ww * 1.25, floor_y), (wx + side * ww * 1.9, h), (wx + side * ww * 0.9, h)]
    else:
        beam = []
    canvas.fill_rows(ramp((board, shade(board, -0.05)), np.linspace(0, 1, h - int(floor_y), dtype=np.float32)), int(floor_y))
    planks = [stroke([(w / 2 + (x - 0.5) * w * 0.9, floor_y), (w / 2 + (x - 0.5) * w * 2.3, h)], [1, 2.5 * u]) for x in np.linspace(0, 1, 12)]
    canvas.polygons([*planks, [(0, floor_y - 7 * u), (w, floor_y - 7 * u), (w, floor_y), (0, floor_y)]], shade(board, -0.07))
    if beam:
        canvas.polygons([beam], palette.light, 0.28)
    _furnish(canvas, brief, rng, side, floor_y, wx, bottom, light, kitchen="kitchen" in brief.places)


def _view(canvas: Canvas, brief: Brief, box: tuple[int, int, int, int]) -> None:
    """Paint a landscape of the same hour behind the window."""
    left, top, right, bottom = box
    outside = Canvas(right - left, bottom - top)
    places = tuple(p for p in brief.places if p in outdoors_places) or ("hills",)
    outdoors.landscape(outside, replace(brief, places=places, things=(), seed=brief.seed + b"view", details=brief.details - {"fog", "warm"}))
    if brief.has("rain"):
        from sandbox.painter.sky import weather

        weather(outside, brief)
    canvas.pixels[:, top:bottom, left:right] = outside.pixels


outdoors_places = ("mountains", "sea", "lake", "hills", "volcano", "dunes", "village")


def _furnish(canvas: Canvas, brief: Brief, rng: Rng, side: float, floor_y: float, wx: float, sill: float, light: Sun, *, kitchen: bool) -> None:
    h, w, palette, unit = canvas.height, canvas.width, brief.palette, canvas.unit
    far = w * (0.5 + 0.3 * side)
    tones = cast.colours(brief)
    cloth = mix(palette.accent, palette.near, 0.2)
    if kitchen:
        top = h * 0.72
        canvas.fill_rows(ramp((mix(palette.near, palette.haze, 0.3), palette.near), np.linspace(0, 1, h - int(top), dtype=np.float32)), int(top))
        canvas.polygons([[(0, top - 12 * unit), (w, top - 12 * unit), (w, top + 14 * unit), (0, top + 14 * unit)]], mix(palette.light, palette.haze, 0.3))
        shelf = h * 0.24
        canvas.polygons([[(far - w * 0.2, shelf), (far + w * 0.22, shelf), (far + w * 0.22, shelf + 9 * unit), (far - w * 0.2, shelf + 9 * unit)]], palette.depth(0.85))
        for k in range(5):
            size = h * float(rng.uniform(0.07, 0.12))
            name = ("cup", "bottle", "vase", "cup", "bottle")[k]
            stand(canvas, name, far - w * 0.16 + k * w * 0.085, shelf, size, {**tones, "coat": palette.inks[1 + k % 4], "ink": palette.depth(0.9)}, side=-side)
        things = brief.at("table") or [Thing("kettle")]
        for k, thing in enumerate(things):
            _on_table(canvas, brief, thing, far - side * k * w * 0.2, top - 8 * unit, h * thing.size * 0.75, light)
        return
    if brief.has("room"):
        if "fireplace" in brief.words:
            _hearth(canvas, brief, rng, far, floor_y)
            far = w * (0.5 - 0.02 * side)
        else:
            hang = [(far - w * 0.07, h * 0.2), (far + w * 0.07, h * 0.2), (far + w * 0.07, h * 0.2 + w * 0.19), (far - w * 0.07, h * 0.2 + w * 0.19)]
            canvas.polygons([hang], mix(palette.light, WHITE, 0.3))
            canvas.disc(far, h * 0.2 + w * 0.095, w * 0.04, palette.accent)
        stand(canvas, "armchair", far + side * w * (0.0 if "fireplace" not in brief.words else -0.1), floor_y + h * 0.1, min(h, w) * 0.4, {**tones, "coat": cloth}, flip=side > 0, side=-side)
    lone = [t for t in brief.at("ground") if t.size < 0.2]
    for k, thing in enumerate(lone[:2]):
        cast.one(canvas, brief, rng, thing, wx + (0.1 - 0.25 * k) * w, sill + 4 * unit, h * thing.size * 1.25, light, 0.97)
    for k, thing in enumerate(t for t in brief.at("table") if t.name != "plant"):
        _on_table(canvas, brief, thing, wx - w * 0.08 + w * 0.15 * k, sill + 3 * unit, h * thing.size * 0.4, light)
    if "plant" in {t.name for t in brief.things} or not lone:
        stand(canvas, "plant", wx - side * w * 0.27, floor_y + h * 0.08, min(h, w) * 0.44, {**tones, "coat": mix(rgb("#5f8f56"), palette.near, 0.35), "accent": mix(palette.accent, palette.near, 0.1)}, side=side)


def _hearth(canvas: Canvas, brief: Brief, rng: Rng, x: float, floor_y: float) -> None:
    """Build a fireplace and light it."""
    u, near = min(canvas.width, canvas.height) / 1000, brief.palette.near
    stone = mix(mix(brief.palette.haze, WHITE, 0.25), near, 0.25)

    def block(l_: float, t: float, r: float, b: float) -> Polygon:
        return [(x + l_ * u, floor_y + t * u), (x + r * u, floor_y + t * u), (x + r * u, floor_y + b * u), (x + l_ * u, floor_y + b * u)]

    canvas.shade(canvas.polygons([block(-120, -900, 120, -380), block(-170, -400, 170, 20)], stone), near, 1.0, 0.4)
    canvas.polygons([block(-195, -425, 195, -385)], shade(stone, 0.08))
    canvas.polygons([[*block(-105, -220, 105, 20)[2:], *ellipse(x, floor_y - 220 * u, 105 * u, 80 * u)[18:]]], shade(near, -0.05))
    canvas.glow(x, floor_y - 70 * u, 480 * u, rgb("#ff9a4a"), 0.6)
    for tone, size in (("#e8562a", 1.0), ("#ff9a3c", 0.7), ("#ffdc7a", 0.42)):
        flames = []
        for dx in (-45, -8, 38):
            tall = float(rng.uniform(120, 190)) * size
            flames.append([(x + (dx + a * size) * u, floor_y - b * tall * u) for a, b in ((-34, 0), (-38, 0.3), (-12, 0.6), (-2, 1.0), (12, 0.62), (36, 0.34), (32, 0))])
        canvas.polygons(flames, rgb(tone))
    canvas.polygons([stroke([(x - 80 * u, floor_y + 2 * u), (x + 70 * u, floor_y - 26 * u)], [26 * u] * 2), stroke([(x + 80 * u, floor_y + 2 * u), (x - 60 * u, floor_y - 24 * u)], [26 * u] * 2)], shade(near, 0.04))


def stilllife(canvas: Canvas, brief: Brief) -> None:
    """Set things on a table before a plain wall, in light that falls from one side."""
    rng, h, w, palette = brief.rng("table"), canvas.height, canvas.width, brief.palette
    side = -1.0 if "left" in brief.words else 1.0 if "right" in brief.words else float(rng.choice((-1, 1)))
    wall = mix(palette.inks[0], palette.haze, 0.35) if not palette.dark else mix(palette.sky[2], palette.haze, 0.3)
    cloth = mix(brief.colours[0], palette.haze, 0.2) if brief.colours else mix(palette.inks[1], palette.haze, 0.25)
    edge = int(h * 0.66)
    canvas.fill_rows(ramp((shade(wall, -0.06), wall), np.linspace(0, 1, edge, dtype=np.float32)))
    canvas.fill_rows(ramp((shade(cloth, 0.02), shade(cloth, -0.12)), np.linspace(0, 1, h - edge, dtype=np.float32)), edge)
    light = mix(palette.light, WHITE, 0.35)
    slant = w * 0.34 * -side
    for k in (0, 1):  # the window's two panes, thrown on the wall
        x0 = w * (0.5 + 0.04 * side) + (k - 0.5) * w * 0.3
        pane = [(x0 - w * 0.125, h * 0.06), (x0 + w * 0.125, h * 0.06), (x0 + w * 0.125 + slant, edge), (x0 - w * 0.125 + slant, edge)]
        canvas.polygons([pane], light, 0.42 if not palette.dark else 0.14)
    canvas.polygons([[(0, edge - 3), (w, edge - 3), (w, edge + 3), (0, edge + 3)]], shade(cloth, -0.1), 0.5)
    things = sorted(brief.at("table"), key=lambda t: -t.size) or [Thing("vase")]
    count = sum(min(t.count, 5) for t in things)
    gap = min(w * 0.27, w * 0.84 / max(count, 1))
    order = sorted(range(count), key=lambda i: abs(i - (count - 1) / 2))
    base = min(h, w) * (0.95 if count < 3 else 0.8)
    sun = Sun(w * (0.5 + 0.6 * side), 0, 1)
    for place, thing in zip(order, (t for t in things for _ in range(min(t.count, 5))), strict=True):
        x = w / 2 + (place - (count - 1) / 2) * gap
        _on_table(canvas, brief, thing, x, h * (0.79 if thing.size > 0.3 or count == 1 else 0.84), base * thing.size, sun)


def _on_table(canvas: Canvas, brief: Brief, thing: Thing, x: float, y: float, tall: float, sun: Sun) -> None:
    """Print one thing with the shadow that it throws away from the light, and what rises from it."""
    palette, side = brief.palette, sun.side(x)
    canvas.polygons([ellipse(x - side * tall * 0.3, y - tall * 0.005, tall * 0.55, tall * 0.06)], palette.near, 0.3)
    canvas.polygons([ellipse(x - side * tall * 0.06, y, tall * 0.32, tall * 0.035)], palette.near, 0.4)
    tones = cast.colours(brief, thing, 0.9)
    if thing.coat() is None:
        tones["coat"] = mix(palette.inks[2], palette.haze, 0.1)
    if "flowers" in brief.details and thing.name == "vase":
        _bouquet(canvas, brief, x, y - tall * 0.92, tall * 0.62)
    stand(canvas, thing.figure, x, y, tall, tones, flip=side < 0, side=side)
    if thing.name in ("cup", "kettle") or thing.name == "candle":
        _steam(canvas, brief, x + (0.0 if thing.name != "kettle" else -0.0) * tall, y - tall * 1.05, tall, candle=thing.name == "candle")


def _bouquet(canvas: Canvas, brief: Brief, x: float, y: float, size: float) -> None:
    rng, palette = brief.rng("bouquet"), brief.palette
    heads = [(x + float(rng.normal(0, 0.42)) * size, y - size * (0.35 + 0.75 * float(rng.random()))) for _ in range(15)]
    green = mix(rgb("#5f8a54"), palette.near, 0.3)
    canvas.polygons([stroke([(x, y + size * 0.1), ((x * 0.6 + a * 0.4), (y + b) / 2), (a, b)], [size * 0.03] * 3) for a, b in heads], green)
    canvas.polygons([ellipse(a + size * 0.1, b + size * 0.22, size * 0.17, size * 0.06, 50 + 80 * (i % 2)) for i, (a, b) in enumerate(heads)], green)
    for i, (a, b) in enumerate(heads):
        tone = (palette.accent, palette.inks[4], mix(palette.accent, WHITE, 0.5), mix(palette.inks[1], WHITE, 0.3))[i % 4]
        s = size * float(rng.uniform(0.12, 0.19))
        drawn = canvas.polygons([ellipse(a, b, s, s * 0.9, 0, 0.13 * np.cos(np.arange(42) * math.tau * 7 / 42))], tone)
        canvas.shade(drawn, shade(tone, -0.15), 0.6, 0.6)
        canvas.disc(a, b, s * 0.28, mix(palette.near, tone, 0.3))


def _steam(canvas: Canvas, brief: Brief, x: float, y: float, tall: float, *, candle: bool) -> None:
    if candle:
        canvas.glow(x, y, tall * 0.9, rgb("#ffcf7a"), 0.6)
        canvas.polygons([ellipse(x, y - tall * 0.04, tall * 0.035, tall * 0.09)], rgb("#ffe7a8"))
        return
    for k, dx in enumerate((-0.1, 0.05)):
        spine = [(x + tall * (dx + 0.1 * math.sin(t * 5 + k * 2)), y - tall * t * 0.85) for t in np.linspace(0, 1, 24)]
        widths = [tall * 0.07 * math.sin(math.pi * t) + 0.5 for t in np.linspace(0, 1, 24)]
        canvas.polygons([stroke(spine, widths)], mix(brief.palette.light, WHITE, 0.6), 0.35)
