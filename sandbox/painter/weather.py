"""What falls or floats in front of everything: rain, snow, fog, fireflies, leaves, lightning."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas, Point
from sandbox.painter.colour import mix, rgb, shade
from sandbox.painter.figures.kit import oval
from sandbox.painter.noise import Rng
from sandbox.painter.terrain import mist
from sandbox.painter.trees import stroke

_DRY = ("space", "underwater", "abstract", "stilllife", "window", "portrait")


def overlay(canvas: Canvas, brief: Brief) -> None:
    """Lay the weather the prompt asks for over the finished scene."""
    if brief.scene in _DRY:
        return
    rng = brief.rng("weather")
    if brief.has("lightning"):
        lightning(canvas, rng)
    if brief.has("fog"):
        air = mix(brief.palette.haze, brief.palette.sky[-1], 0.5)
        for height in (0.5, 0.66, 0.82):
            mist(canvas, rng, canvas.height * height, canvas.height * 0.16, air, 0.5)
    if brief.has("rain"):
        rain(canvas, rng)
    if brief.has("snow"):
        snow(canvas, rng)
    if brief.has("fireflies"):
        fireflies(canvas, rng, 46)
    if brief.has("blossoms") and brief.scene not in ("forest", "city"):
        blossoms(canvas, brief, rng)
    if brief.has("leaves"):
        leaves(canvas, brief, rng)


def rain(canvas: Canvas, rng: Rng) -> None:
    """Draw slanting rain in three depths."""
    sheet = Image.new("L", (canvas.width, canvas.height))
    draw = ImageDraw.Draw(sheet)
    slant = float(rng.uniform(-0.22, 0.22))
    for count, length, tone in ((420, 26, 34), (240, 46, 54), (70, 84, 70)):
        for _ in range(count):
            x, y = float(rng.uniform(-60, canvas.width + 60)), float(rng.uniform(-80, canvas.height))
            reach = length * canvas.unit * float(rng.uniform(0.7, 1.3))
            draw.line((x, y, x + reach * slant, y + reach), fill=tone, width=1 if length < 80 else 2)
    canvas.blend(np.asarray(sheet, np.float32) / np.float32(255), rgb("#e8eef4"))


def snow(canvas: Canvas, rng: Rng) -> None:
    """Let snow fall: many small flakes, a few large soft ones near the eye."""
    sheet = np.zeros((canvas.height, canvas.width), np.float32)
    count = 900
    ys, xs = rng.integers(1, canvas.height - 2, count), rng.integers(1, canvas.width - 2, count)
    strong = rng.uniform(0.35, 0.95, count).astype(np.float32)
    for dy, dx, share in ((0, 0, 1.0), (0, 1, 0.7), (1, 0, 0.7), (1, 1, 0.5)):
        np.maximum.at(sheet, (ys + dy, xs + dx), strong * np.float32(share))
    canvas.blend(sheet, rgb("#ffffff"))
    for _ in range(120):
        radius = float(rng.gamma(2.0, 1.3)) * canvas.unit + 1.2
        canvas.disc(
            float(rng.uniform(0, canvas.width)),
            float(rng.uniform(0, canvas.height)),
            radius,
            rgb("#ffffff"),
            float(rng.uniform(0.35, 0.8)),
            softness=1 + radius * 0.9,
        )


def fireflies(canvas: Canvas, rng: Rng, count: int) -> None:
    """Scatter small warm lights over the lower half."""
    for _ in range(count):
        x, y = float(rng.uniform(0, canvas.width)), canvas.height * float(rng.uniform(0.42, 0.97))
        radius = float(rng.gamma(2.2, 1.0)) * canvas.unit + 0.8
        reach = int(radius * 8) + 2
        ys, xs = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
        away = (xs * xs + ys * ys) / np.float32(radius * radius)
        canvas.add((0.9 / (1 + away * 0.5) ** 1.8).astype(np.float32), rgb("#ffe38a"), int(y) - reach, int(x) - reach)


def leaves(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Let leaves drift through the picture."""
    for shift in (-0.05, 0.0, 0.06):
        shapes = []
        for _ in range(22):
            x, y = float(rng.uniform(0, canvas.width)), float(rng.uniform(0, canvas.height))
            size, angle = float(rng.uniform(4, 11)) * canvas.unit, float(rng.uniform(0, math.tau))
            thin = float(rng.uniform(0.25, 0.6))
            shapes.append(
                [
                    (x + math.cos(angle + a) * size * r, y + math.sin(angle + a) * size * r)
                    for a, r in (
                        (0, 1.3),
                        (0.7, thin),
                        (2.4, thin),
                        (math.pi, 1.0),
                        (-2.4, thin),
                        (-0.7, thin),
                    )
                ]
            )
        canvas.polygons(shapes, shade(brief.palette.accent, shift), 0.9)


def lightning(canvas: Canvas, rng: Rng) -> None:
    """Strike once, from the clouds to the lower third."""
    x, y = canvas.width * float(rng.uniform(0.25, 0.75)), 0.0
    end = canvas.height * float(rng.uniform(0.5, 0.6))
    paths = [[(x, y)]]
    while y < end:
        y += float(rng.uniform(8, 26)) * canvas.unit
        x += float(rng.normal(0, 15)) * canvas.unit
        paths[0].append((x, y))
        if rng.random() < 0.16 and len(paths) < 6:
            paths.append(_fork(rng, x, y, canvas.unit))
    sheet = Image.new("L", (canvas.width * 2, canvas.height * 2))
    draw = ImageDraw.Draw(sheet)
    for index, path in enumerate(paths):
        draw.line(
            [(px * 2, py * 2) for px, py in path],
            fill=255 if index == 0 else 170,
            width=6 if index == 0 else 3,
        )
    canvas.glow(paths[0][len(paths[0]) // 2][0], end * 0.35, 420 * canvas.unit, rgb("#cfd8ff"), 0.4)
    canvas.add(np.asarray(sheet.reduce(2), np.float32) / np.float32(255), rgb("#f6f4ff"))


def _fork(rng: Rng, x: float, y: float, unit: float) -> list[tuple[float, float]]:
    drift = float(rng.choice([-1, 1])) * 13 * unit
    path = [(x, y)]
    for _ in range(int(rng.integers(3, 8))):
        x, y = x + drift + float(rng.normal(0, 8)) * unit, y + float(rng.uniform(8, 20)) * unit
        path.append((x, y))
    return path


def blossoms(canvas: Canvas, brief: Brief, rng: Rng) -> None:
    """Let a flowering branch reach in from an upper corner, and a few petals fall."""
    side = int(rng.choice([-1, 1]))
    size = min(canvas.width, canvas.height)
    x0 = 0.0 if side > 0 else float(canvas.width)
    wood, tips = [], []
    pending = [(x0 - side * 10, size * 0.07, 0.32, size * 0.24, size * 0.028, 0)]
    while pending:
        x, y, angle, length, width, level = pending.pop()
        x1, y1 = x + side * math.cos(angle) * length, y + math.sin(angle) * length
        bow = ((x + x1) / 2, (y + y1) / 2 + length * 0.06)
        wood.append(stroke([(x, y), bow, (x1, y1)], [width, width * 0.8, width * 0.6]))
        tips += [(x + (x1 - x) * t, y + (y1 - y) * t) for t in rng.uniform(0.2, 1.0, 2 + 2 * level).tolist()]
        if level < 3:
            for turn in (-0.5, 0.22) if level else (-0.45, 0.1, 0.6):
                bend = angle + turn + float(rng.normal(0, 0.12))
                pending.append((x1, y1, bend, length * float(rng.uniform(0.55, 0.78)), width * 0.58, level + 1))
    canvas.polygons(wood, mix(rgb("#4a2c2a"), brief.palette.near, 0.4))
    pink = mix(rgb("#f7b7cd"), brief.palette.light, 0.15)
    for tone, share in ((shade(pink, -0.06), 0.45), (pink, 0.35), (shade(pink, 0.05), 0.3)):
        petals = []
        for x, y in tips:
            if rng.random() < share:
                petals += _petals(
                    rng, x + float(rng.normal(0, size * 0.013)), y + float(rng.normal(0, size * 0.013)), size * 0.017
                )
        petals += [
            list(
                oval(
                    float(rng.uniform(0, canvas.width)),
                    float(rng.uniform(0.1, 0.95)) * canvas.height,
                    size * 0.006,
                    size * 0.0036,
                    float(rng.uniform(0, 180)),
                )
            )
            for _ in range(9)
        ]
        canvas.polygons(petals, tone, 0.95)


def _petals(rng: Rng, x: float, y: float, size: float) -> list[list[Point]]:
    turn, size = float(rng.uniform(0, 6)), size * float(rng.uniform(0.7, 1.25))
    return [
        list(
            oval(
                x + math.cos(turn + k * 1.2566) * size * 0.6,
                y + math.sin(turn + k * 1.2566) * size * 0.6,
                size * 0.55,
                size * 0.42,
                math.degrees(turn + k * 1.2566),
            )
        )
        for k in range(5)
    ]
