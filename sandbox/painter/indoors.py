"""Scenes that people built: a city, a room with a window, a table with things on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sandbox.painter import cast, land, outdoors
from sandbox.painter.brief import Thing
from sandbox.painter.colour import WHITE, Array, mix, rgb, shade
from sandbox.painter.shapes import ellipse, stand, stroke
from sandbox.painter.sheet import Point, Polygon, Sheet
from sandbox.painter.sky import paint_sky, weather

_ROOFS: tuple[tuple[Point, ...], ...] = (
    ((0.2, 0), (0.2, 0.35), (0.47, 0.35), (0.49, 1.3), (0.51, 1.3), (0.53, 0.35), (0.8, 0.35), (0.8, 0)),
    ((0.5, 0.8),),
    ((1, 0.45),),
    ((0.25, 0), (0.3, 0.5), (0.7, 0.5), (0.75, 0)),
    (),
    (),
)
_VIEWS = ("mountains", "sea", "lake", "hills", "volcano", "dunes", "village", "forest")


def city(s: Sheet) -> None:
    """Stack rows of towers into the haze; below them a street or water that mirrors their lights."""
    brief, palette, h, w = s.brief, s.palette, s.h, s.w
    street = "street" in brief.places
    wet = street or brief.has("rain", "reflection", "sea", "lake")
    horizon = h * (0.74 if wet else 0.95)
    paint_sky(s, horizon, at=0.5 if street else None, disc=1 if brief.has("rain") else 1.5)
    for k in range(4):
        _row(s, k, horizon, street=street)
        if k < 3:
            tone = mix(palette.haze, palette.accent, 0.25)
            s.glow(w * 0.5, horizon, w * 0.6, tone, 0.34 if palette.dark else 0.16)
            land.mist(s, horizon - h * 0.03, h * (0.16 - 0.03 * k), 0.75 if brief.has("fog") else 0.38)
    if street:
        _signs(s, horizon)
    if wet:
        land.water(s, horizon, calm=True, tint=mix(palette.near, palette.haze, 0.12))
        cast.on_water(s, horizon, [t for t in brief.at("water") if t.name != "bridge"])
    quay = np.full(w, horizon if wet else h * 0.955, np.float32)
    if not wet:
        land.layer(s, quay, 0.97, h * 0.1)
    cast.on_ground(s, quay, brief.at("ground"), scale=0.8)
    cast.in_air(s, horizon * 0.7)


def _row(s: Sheet, k: int, horizon: float, *, street: bool) -> None:
    """Print one row of towers and switch on some of their windows."""
    palette, w, ink = s.palette, s.w, s.palette.depth(0.2 + 0.25 * k)
    evening = palette.dark or palette.name in ("sunset", "rose", "vintage")
    blocks, panes = list[Polygon](), list[Polygon]()
    x, size = -w * s.between(0.0, 0.05), s.u * (2.6 + 1.7 * k)
    while x < w:
        wide = w * s.between(0.035, 0.075) * (1 + 0.3 * k) * (1.0 if w > s.h else 1.5)
        middle = abs((x + wide / 2) / w - 0.5) * 2
        rise = (0.66 - 0.13 * k) * s.between(0.45, 1.0) * (0.25 + 0.95 * middle if street else 1 - 0.35 * middle)
        top = horizon * (1 - rise * (0.8 if k == 3 and not street else 1))
        roof = [(x + a * wide, top - b * wide) for a, b in _ROOFS[int(s.between(0, len(_ROOFS)))]]
        blocks.append([(x, horizon + 2), (x, top), *roof, (x + wide, top), (x + wide, horizon + 2)])
        across = max(1, int(wide / size / 2))
        step = wide / (across + 0.5)
        lit = s.rng.random((max(int((horizon - top) / size / 2.2), 1), across)) < (0.4 if evening else 0.2)
        for j, i in np.argwhere(lit).tolist() if k else ():
            px, py = x + step * (i + 0.45), top + size * 2.2 * (j + 0.5)
            panes.append([(px, py), (px + step * 0.55, py), (px + step * 0.55, py + size * 1.1), (px, py + size * 1.1)])
        x += wide * s.between(1.0, 1.28)
    drawn = s.polygons(blocks, ink)
    s.shade(drawn, mix(ink, palette.light, 0.3), 0.0, -0.9)
    tones = [mix(rgb("#ffd98a"), ink, 0.25), mix(palette.accent, ink, 0.15), mix(palette.light, ink, 0.3)]
    for start, tone in enumerate(tones):
        s.polygons(panes[start::3], tone if evening else mix(palette.light, ink, 0.5), 0.95 if evening else 0.6)


def _signs(s: Sheet, horizon: float) -> None:
    """Hang lit signs along both sides of the street; they carry bars, not words."""
    tones = [s.palette.accent, s.palette.light, rgb("#ff5d8f"), rgb("#ffd166")]
    for k, (share, up, grow) in enumerate(s.rng.uniform((0.1, 0, 0.7), (1.0, 1, 1.3), (10, 3)).tolist()):
        x, y = s.w * (0.5 + (-1) ** k * (0.12 + 0.36 * share)), horizon - s.h * (0.08 + 0.42 * share * up)
        tall, wide, tone = s.h * (0.025 + 0.055 * share) * grow, s.w * (0.0125 + 0.0175 * share), tones[k % 4]
        s.glow(x, y, tall * 3.6, tone, 0.3)
        s.box(x - wide, y - tall, x + wide, y + tall, mix(tone, s.palette.near, 0.12))
        for t in (-0.68, -0.32, 0.04, 0.4):
            s.box(x - wide * 0.56, y + tall * t, x + wide * 0.56, y + tall * (t + 0.16), s.palette.near, 0.75)


def room(s: Sheet) -> None:
    """Paint a wall, a window with the world behind it, and what stands about."""
    brief, palette, h, w, u = s.brief, s.palette, s.h, s.w, s.u
    close, warm = brief.places == ("window",), brief.has("warm") or "room" in brief.places
    wall = palette.inks[3] if palette.dark else palette.haze
    wall = mix(wall, rgb("#b5654a"), 0.35) if warm else mix(wall, palette.light, 0.3)
    floor, side = h * (0.93 if close else 0.8), s.pick(-1, 1)
    s.fill(shade(wall, -0.05), wall)
    wide, tall = (w * 0.62, h * 0.62) if close else (min(w * 0.42, h * 0.52), min(h * 0.52, w * 0.62))
    x = w * 0.5 if close or w < h * 0.9 else w * (0.5 - 0.17 * side)
    left, top, right, bottom = (int(v) for v in (x - wide / 2, h * 0.4 - tall / 2, x + wide / 2, h * 0.4 + tall / 2))
    s.pixels[:, top:bottom, left:right] = _view(s, right - left, bottom - top)
    frame = mix(palette.near, wall, 0.4) if palette.dark else mix(WHITE, wall, 0.25)
    for a in (left - 11 * u, x - 3 * u, right - 3 * u):
        s.box(a, top - 11 * u, a + (14 if a != x - 3 * u else 6) * u, bottom + 9 * u, frame)
    for b in (top - 11 * u, (top + bottom) / 2 - 3 * u):
        s.box(left - 11 * u, b, right + 11 * u, b + (14 if b < top else 6) * u, frame)
    s.box(left - 26 * u, bottom, right + 26 * u, bottom + 20 * u, mix(frame, palette.light, 0.3))
    board = mix(palette.near, rgb("#7a4a32"), 0.45)
    s.fill(board, shade(board, -0.05), top=floor)
    planks = [
        stroke([(w * (0.05 + 0.9 * t), floor), (w * (2.3 * t - 0.65), h)], 1, 2.5 * u) for t in np.linspace(0, 1, 12)
    ]
    s.polygons(planks, shade(board, -0.07))
    s.box(0, floor - 7 * u, w, floor, shade(board, -0.07))
    if not brief.has("rain", "night", "stars"):
        near, far = x + side * wide * 0.55, x + side * wide * 1.25
        s.polygons(
            [[(near, floor), (far, floor), (x + side * wide * 1.9, h), (x + side * wide * 0.9, h)]], palette.light, 0.28
        )
    s.sun = (x, 0.0, 0.0)
    if close:
        cloth = mix(palette.accent, palette.haze, 0.35)
        stand(s, "curtains", x, bottom, tall, {"ink": palette.near, "coat": cloth, "dark": palette.depth(0.85)})
    if "kitchen" in brief.places:
        _kitchen(s, w * (0.5 + 0.3 * side), side)
    else:
        _furnish(s, side, floor, x, bottom + 4 * u, close=close)


def _view(s: Sheet, width: int, height: int) -> Array:
    """Return a landscape of the same hour, as the window shows it."""
    places = tuple(p for p in s.brief.places if p in _VIEWS) or ("hills",)
    seed, details = s.brief.seed + b"view", s.brief.details - {"fog", "warm"}
    brief = replace(s.brief, places=places, things=(), seed=seed, details=details, colours=(), quotes=())
    outside = Sheet(brief, (width, height))
    (outdoors.forest if places[0] == "forest" else outdoors.landscape)(outside)
    weather(outside)
    return outside.pixels


def _kitchen(s: Sheet, x: float, side: float) -> None:
    palette, h, w = s.palette, s.h, s.w
    top, shelf, tones = h * 0.72, h * 0.24, cast.colours(s)
    s.fill(mix(palette.near, palette.haze, 0.3), palette.near, top=top)
    s.box(0, top - 12 * s.u, w, top + 14 * s.u, mix(palette.light, palette.haze, 0.3))
    s.box(x - w * 0.2, shelf, x + w * 0.22, shelf + 9 * s.u, palette.depth(0.85))
    for k, name in enumerate(("cup", "bottle", "vase", "cup", "bottle")):
        at, size = x - w * 0.16 + k * w * 0.085, h * s.between(0.07, 0.12)
        stand(s, name, at, shelf, size, tones | {"coat": palette.inks[1 + k % 4], "ink": palette.depth(0.9)})
    for k, thing in enumerate(s.brief.at("table") or [Thing("kettle")]):
        _on_table(s, thing, x - side * k * w * 0.2, top - 8 * s.u, h * thing.size * 0.75)


def _furnish(s: Sheet, side: float, floor: float, x: float, sill: float, *, close: bool) -> None:
    """Put a chair, a hearth or a picture into the room, and on the sill what the prompt names."""
    brief, palette, h, w, tones = s.brief, s.palette, s.h, s.w, cast.colours(s)
    far, base = w * (0.5 + 0.3 * side), min(s.h, s.w)
    if "room" in brief.places:
        if "fireplace" in brief.words:
            s.glow(far, floor, base * 0.5, rgb("#ff9a4a"), 0.6)
            stone = mix(mix(palette.haze, WHITE, 0.25), palette.near, 0.25)
            stand(s, "fireplace", far, floor, base * 0.9, tones | {"wall": stone, "pale": shade(stone, 0.08)})
            far = w * (0.5 - 0.1 * side)
        else:
            s.box(far - w * 0.07, h * 0.2, far + w * 0.07, h * 0.2 + w * 0.19, mix(palette.light, WHITE, 0.3))
            s.disc(far, h * 0.2 + w * 0.095, w * 0.04, palette.accent)
        cloth = {"coat": mix(palette.accent, palette.near, 0.2)}
        stand(s, "armchair", far, floor + h * 0.1, base * 0.4, tones | cloth, flip=side > 0)
    small = [t for t in brief.at("ground") if t.size < 0.22]
    for k, thing in enumerate(small[:2]):
        cast.one(s, thing, x + (0.1 - 0.25 * k) * w, sill, h * thing.size * (1.9 if close else 1.25), 0.97)
    for k, thing in enumerate(t for t in brief.at("table") if t.name != "plant"):
        _on_table(s, thing, x - w * 0.12 + w * 0.15 * k, sill, h * thing.size * (0.6 if close else 0.4))
    if brief.has("plant") or not (small or close):
        leaf = {"coat": mix(rgb("#5f8f56"), palette.near, 0.35), "accent": mix(palette.accent, palette.near, 0.1)}
        stand(s, "plant", x - side * w * 0.27, floor + h * 0.08, base * 0.44, tones | leaf)


def stilllife(s: Sheet) -> None:
    """Set things on a table before a plain wall, in light that falls from one side."""
    brief, palette, h, w = s.brief, s.palette, s.h, s.w
    side = -1.0 if "left" in brief.words else 1.0 if "right" in brief.words else s.pick(-1, 1)
    wall = mix(palette.sky[2], palette.haze, 0.3) if palette.dark else mix(palette.inks[0], palette.haze, 0.35)
    cloth = mix(brief.colours[0] if brief.colours else palette.inks[1], palette.haze, 0.22)
    edge, slant, s.sun = h * 0.66, -w * 0.34 * side, (w * (0.5 + 0.6 * side), 0.0, 0.0)
    s.fill(shade(wall, -0.06), wall, bottom=edge)
    s.fill(shade(cloth, 0.02), shade(cloth, -0.12), top=edge)
    for x in (w * (0.35 + 0.04 * side), w * (0.65 + 0.04 * side)):  # the window's two panes, thrown on the wall
        a, b = x - w * 0.125, x + w * 0.125
        pane = [(a, h * 0.06), (b, h * 0.06), (b + slant, edge), (a + slant, edge)]
        s.polygons([pane], mix(palette.light, WHITE, 0.35), 0.14 if palette.dark else 0.42)
    s.box(0, edge - 3, w, edge + 3, shade(cloth, -0.1), 0.5)
    things = sorted(brief.at("table"), key=lambda t: -t.size) or [Thing("vase")]
    each = [t for t in things for _ in range(min(t.count, 5))][:7]
    gap, base = min(w * 0.27, w * 0.84 / len(each)), min(h, w) * (0.95 if len(each) < 3 else 0.8)
    order = sorted(range(len(each)), key=lambda i: abs(i - (len(each) - 1) / 2))
    for place, thing in zip(order, each, strict=True):
        x = w / 2 + (place - (len(each) - 1) / 2) * gap
        _on_table(s, thing, x, h * (0.79 if thing.size > 0.3 or len(each) == 1 else 0.84), base * thing.size)


def _on_table(s: Sheet, thing: Thing, x: float, y: float, tall: float) -> None:
    """Print one thing with the shadow that it throws away from the light, and what rises from it."""
    palette, side, tones = s.palette, s.lit(x), cast.colours(s, thing, 0.9)
    s.polygons([ellipse(x - side * tall * 0.3, y - tall * 0.005, tall * 0.55, tall * 0.06)], palette.near, 0.3)
    s.polygons([ellipse(x - side * tall * 0.06, y, tall * 0.32, tall * 0.035)], palette.near, 0.4)
    if thing.coat() is None:
        tones["coat"] = mix(palette.inks[2], palette.haze, 0.1)
    if thing.name == "vase":
        petals = {"accent": palette.accent, "coat": palette.inks[4], "petal": mix(palette.accent, WHITE, 0.5)}
        petals |= {"pale": mix(palette.inks[1], WHITE, 0.3), "leaf": mix(rgb("#5f8a54"), palette.near, 0.3)}
        stand(s, "bouquet", x, y - tall * 0.92, tall * 0.62, tones | petals)
    stand(s, thing.figure, x, y, tall, tones, flip=side < 0)
    if thing.name in ("cup", "kettle"):
        stand(s, "steam", x, y - tall * 1.05, tall * 0.85, {"ink": mix(palette.light, WHITE, 0.6)}, opacity=0.35)
    if thing.name == "candle":
        s.glow(x, y - tall, tall * 0.9, rgb("#ffcf7a"), 0.6)
        s.polygons([ellipse(x, y - tall * 1.07, tall * 0.035, tall * 0.09)], rgb("#ffe7a8"))
