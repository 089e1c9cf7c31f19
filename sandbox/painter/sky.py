"""Skies: gradient, sun or moon with its glow, stars, drifting and billowing clouds, aurora."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, luminance, mix, rgb, shade
from sandbox.painter.noise import Rng, enlarge, field, line, smoothstep

WHITE = rgb("#ffffff")


@dataclass(frozen=True)
class Sun:
    """Where the light comes from; `moon` when it is the cooler of the two."""

    x: float
    y: float
    radius: float
    moon: bool


def paint_sky(
    canvas: Canvas,
    brief: Brief,
    horizon: float,
    *,
    size: float = 1.0,
    height: float | None = None,
    disc: bool = True,
    clouds: bool = True,
) -> Sun:
    """Paint the sky down to `horizon` (y) and return its light; `height` is the sun's, as a share of the sky."""
    rng = brief.rng("sky")
    palette = brief.palette
    canvas.fill_rows(palette.sky_ramp(max(int(horizon), 1)))
    canvas.pixels[:, max(int(horizon), 0) :] = palette.sky[-1][:, None, None]
    sun = _place(canvas, brief, rng, horizon, size, height)
    _tone(canvas, rng, horizon)
    if palette.dark or brief.has("stars"):
        stars(canvas, rng, horizon, density=1.0 if brief.has("stars") or palette.name == "night" else 0.45)
    if brief.has("aurora") or palette.name == "aurora":
        aurora(canvas, rng, horizon, brief)
    light = palette.sun if not sun.moon else mix(palette.sun, palette.light, 0.4)
    glow = 0.34 if sun.moon else 0.55
    canvas.glow(sun.x, sun.y, sun.radius * 9 + 160 * canvas.unit, mix(palette.light, palette.sun, 0.4), glow, 1.6)
    canvas.glow(sun.x, sun.y, sun.radius * 2.6, light, glow * 0.9, 2.0)
    if disc:
        _disc(canvas, brief, rng, sun, light)
    if clouds:
        _weather(canvas, brief, rng, horizon, sun)
    return sun


def _place(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, size: float, height: float | None) -> Sun:
    moon = brief.has("moon", "crescent") or (brief.palette.dark and not brief.has("sun"))
    low = brief.palette.name in ("sunset", "dawn", "rose", "crimson", "tropical")
    share = height if height is not None else float(rng.uniform(0.1, 0.32) if low else rng.uniform(0.4, 0.68))
    third = float(rng.choice([0.3, 0.38, 0.5, 0.62, 0.7]))
    x = canvas.width * (third + float(rng.uniform(-0.04, 0.04)))
    radius = (float(rng.uniform(34, 58)) if not moon else float(rng.uniform(26, 44))) * canvas.unit * size
    return Sun(x, horizon * (1 - share), radius, moon)


def _tone(canvas: Canvas, rng: Rng, horizon: float) -> None:
    """Vary the lightness a little: a mathematically even sky looks printed."""
    if horizon < 8:
        return
    variation = field(rng, int(horizon), canvas.width, cell=420 * canvas.unit, stretch=2.2, octaves=3, coarse=8)
    canvas.pixels[:, : int(horizon)] *= 1 + variation[None] * np.float32(0.035)


def _disc(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun, light: Array) -> None:
    if brief.has("crescent"):
        crescent(canvas, sun, light)
        return
    canvas.disc(sun.x, sun.y, sun.radius, light, 0.97, softness=1.6)
    if not sun.moon:
        return
    reach = int(sun.radius)
    seas = field(rng, 2 * reach, 2 * reach, cell=sun.radius * 0.9, octaves=3, coarse=1)
    ys, xs = np.mgrid[-reach:reach, -reach:reach].astype(np.float32)
    inside = smoothstep(sun.radius, sun.radius * 0.9, np.sqrt(xs * xs + ys * ys))
    canvas.blend(
        inside * smoothstep(0.0, 0.5, seas) * np.float32(0.2),
        brief.palette.haze,
        int(sun.y) - reach,
        int(sun.x) - reach,
    )


def crescent(canvas: Canvas, sun: Sun, light: Array) -> None:
    """Paint the moon as a crescent."""
    reach = int(sun.radius) + 3
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    full = np.clip(sun.radius - np.sqrt(xs * xs + ys * ys) + 0.5, 0, 1)
    shadow = np.sqrt((xs - sun.radius * 0.48) ** 2 + (ys + sun.radius * 0.2) ** 2) - sun.radius * 0.92
    canvas.blend(full * np.clip(shadow / 1.5 + 0.5, 0, 1), light, int(sun.y) - reach, int(sun.x) - reach)


def stars(canvas: Canvas, rng: Rng, horizon: float, *, density: float = 1.0) -> None:
    """Scatter stars above `horizon`: many faint, few bright, thinning towards the horizon."""
    bottom = max(int(horizon), 4)
    count = int(700 * density * canvas.width * bottom / 1_000_000) + 20
    xs = rng.uniform(2, canvas.width - 4, count).astype(int)
    ys = np.clip(rng.power(0.75, count) * bottom * 0.94, 2, canvas.height - 4).astype(int)
    power = (rng.pareto(2.6, count) * 0.22 + 0.12).clip(0, 1).astype(np.float32)
    fade = (1 - ys / bottom * 0.75).astype(np.float32)
    sheet = np.zeros((canvas.height, canvas.width), np.float32)
    np.maximum.at(sheet, (ys, xs), power * fade)
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        np.maximum.at(sheet, (ys + dy, xs + dx), (power * fade) ** 2 * np.float32(0.45))
    canvas.add(sheet[:bottom], rgb("#fffaf0"))
    for i in np.argsort(power)[-max(3, count // 90) :]:
        spark = float(power[i] * fade[i])
        _sparkle(canvas, float(xs[i]), float(ys[i]), (4 + 5 * spark) * canvas.unit, spark)


def _sparkle(canvas: Canvas, x: float, y: float, radius: float, strength: float) -> None:
    reach = int(radius * 2) + 2
    ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    away = (xs * xs + ys * ys) / np.float32(radius * radius)
    canvas.add(
        (strength * 0.7 / (1 + away * 6) ** 2).astype(np.float32),
        rgb("#eef4ff"),
        int(y) - reach,
        int(x) - reach,
    )


def aurora(canvas: Canvas, rng: Rng, horizon: float, brief: Brief) -> None:
    """Hang curtains of northern light in the upper sky."""
    step = 4
    width, height = canvas.width // step, max(int(horizon) // step, 8)
    rows = np.arange(height, dtype=np.float32)[:, None]
    for index, colour in enumerate((rgb("#4dffb0"), rgb("#38d9c4"), rgb("#a974ff"))):
        foot = height * (0.5 + 0.12 * index) + line(rng, width, cell=width * 0.6, octaves=3) * height * 0.3
        rays = 0.55 + 0.45 * line(rng, width, cell=16, octaves=3)
        tall = height * (0.36 + 0.14 * line(rng, width, cell=width * 0.3, octaves=2))
        up = (foot[None] - rows) / np.maximum(tall[None], 4)
        curtain = np.where(up > 0, np.exp(-up * 2.2), np.exp(up * 16)) * rays[None].clip(0.05, 1)
        light = enlarge(curtain.astype(np.float32) * np.float32(0.62 - 0.12 * index), int(horizon), canvas.width)
        canvas.add(light.clip(0, 1), colour)


def _weather(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun) -> None:
    wanted = brief.has("clouds", "rain", "lightning") or brief.palette.name == "storm"
    draw = float(rng.random())
    if wanted or draw < 0.6:
        drifting(canvas, brief, rng, horizon, sun, amount=1.25 if wanted else float(rng.uniform(0.45, 0.9)))
    if brief.has("clouds") or (draw > 0.5 and not brief.palette.dark):
        billows(canvas, brief, rng, horizon, sun)


def drifting(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun, *, amount: float) -> None:
    """Lay long drifting clouds over the sky, lit from the sun's side."""
    bottom = max(int(horizon), 8)
    shape = field(rng, bottom, canvas.width, cell=170 * canvas.unit, stretch=3.4, octaves=5, gain=0.52, coarse=4)
    rise = np.linspace(0.25, -0.1, bottom, dtype=np.float32)[:, None]
    density = smoothstep(0.32 - 0.3 * amount, 1.0, shape + rise * np.float32(0.6))
    towards = -6 if sun.y < bottom * 0.4 else 6
    lit = np.clip(0.55 + (shape - np.roll(shape, towards, axis=0)) * 3.2, 0, 1)
    palette = brief.palette
    shadow = mix(palette.sky[1], palette.haze, 0.5)
    bright = mix(palette.light, WHITE, 0.15 if palette.dark else 0.45)
    if palette.dark:
        bright = mix(bright, palette.sky[-1], 0.55)
    colour = shadow[:, None, None] + (bright - shadow)[:, None, None] * lit[None]
    fade = np.linspace(0.35, 1, bottom, dtype=np.float32)[:, None] ** 0.7
    canvas.blend(density * fade * np.float32(0.42 + 0.2 * min(amount, 1)), colour)


def billows(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun) -> None:
    """Stack banks of round summer clouds above the horizon, each fading into haze below."""
    palette = brief.palette
    tall = float(rng.uniform(0.16, 0.34)) * min(horizon, 700 * canvas.unit)
    for layer in range(3):
        nearness = layer / 2
        ridge = horizon - tall * (0.62 - 0.27 * nearness) - _bumps(rng, canvas, tall * (1.0 - 0.3 * nearness))
        top = max(int(ridge.min()) - 2, 0)
        bottom = int(horizon)
        if bottom - top < 4:
            continue
        mask = canvas.under(ridge, top, softness=1.6)[: bottom - top]
        deep = np.clip((canvas.rows(top, bottom) - ridge[None]) / np.float32(tall * 0.9), 0, 1)
        mask *= (1 - deep) ** 1.3 * np.float32(0.62 + 0.16 * nearness)
        crown = mix(palette.light, WHITE, 0.5 if not palette.dark else 0.0)
        foot = mix(palette.haze, palette.sky[-2], 0.5)
        colour = crown[:, None, None] + (foot - crown)[:, None, None] * np.sqrt(deep)[None]
        canvas.blend(mask, colour.astype(np.float32), top)


def _bumps(rng: Rng, canvas: Canvas, tall: float) -> Array:
    """Return the outline of a cloud bank: the union of circles sitting on a swelling base."""
    x = canvas.columns()
    swell = smoothstep(-0.35, 0.8, line(rng, canvas.width, cell=canvas.width * 0.4, octaves=2)) * tall * 0.75
    outline = swell.copy()
    for _ in range(int(canvas.width / (30 * canvas.unit))):
        centre = float(rng.uniform(-0.05, 1.05)) * canvas.width
        seat = float(swell[int(np.clip(centre, 0, canvas.width - 1))])
        radius = float(rng.uniform(0.12, 0.34)) * tall * (0.3 + seat / tall)
        inside = np.clip(radius * radius - (x - centre) ** 2, 0, None)
        outline = np.maximum(outline, np.where(inside > 0, seat * 0.92 + np.sqrt(inside), 0))
    return outline.astype(np.float32)


def haze_colour(brief: Brief) -> Array:
    """Return the colour air takes near the horizon."""
    return mix(brief.palette.sky[-1], brief.palette.haze, 0.45)


def is_bright(brief: Brief) -> bool:
    """Say whether the sky by the horizon is light enough for dark ink."""
    return luminance(shade(brief.palette.sky[-1], 0)) > 0.62
