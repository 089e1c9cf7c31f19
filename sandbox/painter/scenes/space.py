"""Space: nebulae of warped noise, stars, planets with terminator, bands and rings."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter import cast, figures, sky, terrain
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade, turn
from sandbox.painter.figures.kit import stand
from sandbox.painter.noise import Rng, enlarge, field, smoothstep
from sandbox.painter.sky import Sun

_HUES = (
    ("#1a0b3d", "#6a2fa0", "#ff6fae", "#7fd4ff"),
    ("#04142e", "#0f5c7a", "#4fe0c8", "#ffd7a0"),
    ("#1b0a1f", "#8a2350", "#ff8a5c", "#ffe0a3"),
    ("#070b24", "#2b3fa8", "#8f7bff", "#ffb3d9"),
    ("#0a1220", "#234a6b", "#e0a96d", "#fff0d0"),
)


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint deep space, with planets or a traveller."""
    rng = brief.rng("space")
    hues = _hues(brief, rng)
    canvas.pixels[:] = shade(hues[0], -0.09)[:, None, None]
    galaxy = bool(brief.words & {"galaxy", "milkyway", "spiral"})
    nebula(canvas, rng, hues, strength=0.35 if galaxy else 1.0)
    sky.stars(canvas, rng, canvas.height, density=2.4)
    light = Sun(
        canvas.width * (-0.3 if rng.random() < 0.5 else 1.3),
        canvas.height * float(rng.uniform(-0.3, 0.4)),
        10,
        True,
    )
    landing = bool(brief.words & {"mars", "surface", "landing", "alien", "moon", "explorer"}) or rng.random() < 0.25
    traveller = brief.words & {"astronaut", "cosmonaut"}
    if not brief.words & {"nebula", "galaxy"} or brief.has("planet"):
        _planets(canvas, brief, rng, hues, light, high=landing)
    if galaxy:
        _galaxy(canvas, rng, hues)
    if landing:
        _ground(canvas, brief, rng, hues, light)
    elif traveller:
        _float(canvas, brief, rng)
    cast.in_air(canvas, brief, rng, canvas.height * 0.9, light)


def _hues(brief: Brief, rng: Rng) -> list[Array]:
    hues = [rgb(code) for code in _HUES[int(rng.integers(0, len(_HUES)))]]
    if brief.colour is not None:
        hues[1], hues[2] = mix(shade(brief.colour, -0.2), hues[0], 0.3), brief.colour
    lean = float(rng.uniform(-14, 14))
    return [turn(hue, lean) for hue in hues]


def nebula(canvas: Canvas, rng: Rng, hues: list[Array], *, strength: float = 1.0) -> None:
    """Paint glowing gas: noise whose places are pushed about by other noise."""
    step = 3
    h, w = canvas.height // step + 1, canvas.width // step + 1
    cell = 330 * canvas.unit / step
    push_x = field(rng, h, w, cell=cell, octaves=3, coarse=1) * cell * 0.5
    push_y = field(rng, h, w, cell=cell, octaves=3, coarse=1) * cell * 0.5
    wisps = field(rng, h, w, cell=cell * 0.75, octaves=5, gain=0.58, ridged=True, coarse=1)
    cloud = field(rng, h, w, cell=cell * 1.3, octaves=4, gain=0.5, coarse=1)
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    row, column = (
        np.clip(ys + push_y, 0, h - 1).astype(np.int32),
        np.clip(xs + push_x, 0, w - 1).astype(np.int32),
    )
    wisps, cloud = wisps[row, column], cloud[row, column]
    angle = float(rng.uniform(-0.9, 0.9))
    across = ((xs / w - 0.5) * math.sin(angle) + (ys / h - 0.5) * math.cos(angle)) + cloud * 0.1
    band = np.exp(-((across / 0.3) ** 2))
    body = smoothstep(-0.5, 0.9, cloud) * band
    core = smoothstep(0.15, 1.15, wisps + cloud * 0.5) * band
    heart = smoothstep(0.6, 1.5, wisps + cloud) * band
    dust = smoothstep(0.1, 0.9, -wisps + cloud * 0.4) * band
    for mask, colour, share in ((body, hues[1], 0.95), (core, hues[2], 0.62), (heart, hues[3], 0.7)):
        canvas.add(
            enlarge((mask * share * strength).astype(np.float32), canvas.height, canvas.width).clip(0, 1),
            colour,
        )
    canvas.blend(
        enlarge((dust * 0.42).astype(np.float32), canvas.height, canvas.width).clip(0, 1),
        shade(hues[0], -0.05),
    )


def _planets(canvas: Canvas, brief: Brief, rng: Rng, hues: list[Array], light: Sun, *, high: bool) -> None:
    base = min(canvas.width, canvas.height)
    x, y = (
        canvas.width * float(rng.uniform(0.36, 0.64)),
        canvas.height * (0.36 if high else float(rng.uniform(0.42, 0.58))),
    )
    radius = base * float(rng.uniform(0.19, 0.29))
    colour = (
        brief.colour
        if brief.colour is not None
        else rgb("#c96a3f")
        if "mars" in brief.words
        else mix(hues[2], hues[3], float(rng.uniform(0.1, 0.9)))
    )
    ringed = bool(brief.words & {"saturn", "ring", "ringed"}) or rng.random() < 0.45
    tilt = float(rng.uniform(-0.45, 0.45))
    if ringed:
        _ring(canvas, x, y, radius, tilt, mix(colour, rgb("#ffffff"), 0.35), front=False)
    planet(canvas, rng, x, y, radius, colour, light, tilt)
    if ringed:
        _ring(canvas, x, y, radius, tilt, mix(colour, rgb("#ffffff"), 0.35), front=True)
    for _ in range(int(rng.integers(1, 4))):
        a, away = float(rng.uniform(0, math.tau)), radius * float(rng.uniform(1.75, 2.3))
        small = radius * float(rng.uniform(0.07, 0.2))
        planet(
            canvas,
            rng,
            x + math.cos(a) * away,
            y + math.sin(a) * away * 0.75,
            small,
            mix(hues[3], hues[1], float(rng.uniform(0.2, 0.8))),
            light,
            tilt,
        )


def planet(canvas: Canvas, rng: Rng, x: float, y: float, radius: float, colour: Array, light: Sun, tilt: float) -> None:
    """Paint a planet lit from `light`, with drifting bands and a rim of atmosphere."""
    reach = int(radius * 1.25) + 3
    n = 2 * reach + 1
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32) / np.float32(radius)
    away = np.sqrt(xs * xs + ys * ys)
    depth = np.sqrt(np.clip(1 - away * away, 0, 1))
    lx, ly = light.x - x, light.y - y
    length = math.hypot(lx, ly) or 1.0
    facing = xs * (lx / length) * 0.86 + ys * (ly / length) * 0.86 + depth * 0.5
    lit = smoothstep(-0.12, 0.85, facing)
    swirl = field(rng, n, n, cell=radius * 0.6, stretch=2.6, octaves=4, coarse=2)
    latitude = ys * math.cos(tilt) - xs * math.sin(tilt) + swirl * 0.09
    bands = 0.5 + 0.5 * np.sin(latitude * float(rng.uniform(6, 15)) + swirl * 1.2)
    pale, deep = mix(shade(colour, 0.1), rgb("#fff3e0"), 0.25), shade(colour, -0.13)
    surface = deep[:, None, None] + (pale - deep)[:, None, None] * bands[None]
    night = shade(mix(colour, rgb("#05060f"), 0.86), -0.03)
    painted = night[:, None, None] + (surface - night[:, None, None]) * lit[None]
    rim = smoothstep(0.72, 1.0, away) * lit
    painted = painted + (1 - painted) * (rim * 0.4)[None] * mix(colour, rgb("#ffffff"), 0.5)[:, None, None]
    top, left = int(y) - reach, int(x) - reach
    halo = np.where(away > 1, np.exp(-(away - 1) * 13), 0) * smoothstep(-0.4, 0.9, facing) * 0.5
    canvas.add(halo.astype(np.float32), mix(colour, rgb("#ffffff"), 0.45), top, left)
    canvas.blend(np.clip((1 - away) * radius + 0.5, 0, 1).astype(np.float32), painted.astype(np.float32), top, left)


def _ring(canvas: Canvas, x: float, y: float, radius: float, tilt: float, colour: Array, *, front: bool) -> None:
    reach = int(radius * 2.15)
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32) / np.float32(radius)
    u, v = xs * math.cos(tilt) + ys * math.sin(tilt), (-xs * math.sin(tilt) + ys * math.cos(tilt)) / 0.27
    away = np.sqrt(u * u + v * v)
    edge = 2.2 / radius
    mask = smoothstep(1.32, 1.32 + edge * 3, away) * smoothstep(2.08, 2.08 - edge * 3, away)
    grooves = 0.55 + 0.25 * np.sin(away * 34) + 0.2 * np.sin(away * 83 + 1)
    gap = 1 - smoothstep(0.05, 0.015, np.abs(away - 1.74))
    half = smoothstep(-0.01, 0.01, v) if front else smoothstep(0.01, -0.01, v)
    canvas.blend((mask * grooves * gap * half * 0.85).astype(np.float32), colour, int(y) - reach, int(x) - reach)


def _galaxy(canvas: Canvas, rng: Rng, hues: list[Array]) -> None:
    x, y, size = canvas.width * 0.5, canvas.height * 0.48, min(canvas.width, canvas.height) * 0.44
    n = 15000
    arm = rng.integers(0, 2, n) * math.pi
    t = rng.power(0.9, n)
    a = arm + t * 5.4 + rng.normal(0, 0.2 + 0.22 * (1 - t), n)
    px = x + np.cos(a) * t * size
    py = y + (np.sin(a) * t * size * 0.5 + np.cos(a) * t * size * 0.22) + rng.normal(0, 3, n)
    sheet = np.zeros((canvas.height, canvas.width), np.float32)
    np.add.at(
        sheet,
        (py.astype(int).clip(0, canvas.height - 1), px.astype(int).clip(0, canvas.width - 1)),
        rng.uniform(0.2, 0.9, n).astype(np.float32),
    )
    soft = enlarge(enlarge(sheet, canvas.height // 12, canvas.width // 12, smooth=False), canvas.height, canvas.width)
    canvas.add(np.clip(soft * 5, 0, 0.8), hues[2])
    canvas.add(np.clip(sheet, 0, 1), rgb("#fff6ea"))
    canvas.glow(x, y, size * 0.36, hues[3], 0.85, 2.2)


def _ground(canvas: Canvas, brief: Brief, rng: Rng, hues: list[Array], light: Sun) -> None:
    dust = rgb("#a4553a") if "mars" in brief.words else mix(hues[1], rgb("#a9a3b0"), 0.4)
    for layer in range(3):
        near = layer / 2
        ridge = terrain.crags(
            rng,
            canvas,
            canvas.height * (0.78 + 0.1 * layer),
            canvas.height * (0.16 - 0.05 * layer),
            (260 + 180 * layer) * canvas.unit,
        )
        tone = mix(mix(dust, hues[2], 0.25 * (1 - near)), shade(hues[0], -0.06), 0.25 + 0.5 * near)
        terrain.rock(
            canvas,
            rng,
            ridge.astype(np.float32),
            light,
            lit=mix(tone, hues[3], 0.3),
            dark=tone,
            foot=shade(tone, -0.03),
            depth=canvas.height * 0.3,
        )
    figure = (
        figures.ASTRONAUT
        if brief.words & {"astronaut", "cosmonaut", "explorer", "human", "man", "woman", "person"}
        else None
    )
    if figure is not None:
        x = canvas.width * float(rng.uniform(0.34, 0.66))
        tall = min(canvas.width, canvas.height) * 0.2
        stand(canvas, figure, x, float(ridge[int(x)]) + tall * 0.04, tall, cast.colours(brief, 0.95))


def _float(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    tall = min(canvas.width, canvas.height) * 0.36
    tones = cast.colours(brief, 1.0)
    tones.update(pale=rgb("#eef0f4"), soft=rgb("#9aa3b5"), dark=rgb("#131629"), accent=rgb("#ff9f5c"))
    stand(
        canvas,
        figures.ASTRONAUT,
        canvas.width * 0.5,
        canvas.height * 0.5 + tall * 0.5,
        tall,
        tones,
        tilt=float(rng.uniform(-0.4, 0.4)),
    )
