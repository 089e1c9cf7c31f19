"""Puts a prompt's subjects into a landscape: on the ground, in the air, on the water."""

from __future__ import annotations

import math

import numpy as np

from sandbox.painter import figures, trees
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.figures.kit import stand
from sandbox.painter.noise import Rng, enlarge, line
from sandbox.painter.sky import Sun

_COATS = {
    "fox": "#c95a24",
    "bird": "#c8553d",
    "owl": "#8a6240",
    "butterfly": "#e07a2f",
    "whale": "#33506b",
    "fish": "#ee7a34",
    "turtle": "#4f8a5b",
}
_SIZES = {
    "cat": 0.09, "rabbit": 0.07, "fox": 0.11, "sheep": 0.07, "elephant": 0.2, "mushroom": 0.13, "cactus": 0.2,
    "horse": 0.16, "camel": 0.16, "castle": 0.26, "temple": 0.26, "tent": 0.09, "windmill": 0.22,
}  # fmt: skip
_LAMP = rgb("#ffd782")


def coat(subject: str) -> Array:
    """Return the colour an animal has by nature."""
    return rgb(_COATS.get(subject, "#a8643c"))


def colours(brief: Brief, near: float = 0.96, subject: str = "") -> dict[str, Array]:
    """Return the colours of a figure's roles at `nearness`, in the picture's own light."""
    palette = brief.palette
    ink = palette.depth(near)
    fur = brief.colour if brief.colour is not None else coat(subject)
    return {
        "ink": ink,
        "coat": mix(fur, ink, 0.42 if palette.dark else 0.18),
        "pale": mix(mix(palette.light, rgb("#ffffff"), 0.35), ink, 0.3 if palette.dark else 0.08),
        "soft": mix(ink, mix(fur, palette.haze, 0.5), 0.3),
        "dark": shade(ink, -0.08),
        "accent": mix(palette.accent, ink, 0.2 if palette.dark else 0.05),
        "window": _LAMP,
        "wall": mix(ink, palette.haze, 0.22),
        "wood": shade(ink, 0.02),
    }


def on_ground(
    canvas: Canvas,
    brief: Brief,
    rng: Rng,
    ground: Array,
    sun: Sun,
    *,
    near: float = 0.96,
    scale: float = 1.0,
    span: tuple[float, float] = (0.2, 0.8),
) -> None:
    """Stand the prompt's people, animals, homes and trees on the line `ground`, in order of size."""
    side = 1.0 if sun.x > canvas.width / 2 else -1.0
    base = min(canvas.height, canvas.width * 1.1) * scale
    spot = float(rng.uniform(*span)) if abs(span[1] - span[0]) > 0.01 else span[0]
    for subject in brief.subjects:
        if subject == "palm" or (
            subject == "tree" and brief.scene not in ("forest",) and not brief.has("palm", "pine")
        ):
            _tree(canvas, brief, rng, subject, spot * canvas.width, ground, base, near, side)
        elif (home := figures.HOMES.get(subject)) is not None:
            tall = base * _SIZES.get(subject, 0.14)
            _home(canvas, brief, home, spot * canvas.width, ground, tall, near)
        else:
            continue
        spot = _elsewhere(rng, spot)
    for subject in brief.subjects:
        figure = figures.ANIMALS.get(subject) or figures.PEOPLE.get(subject) or figures.PLANTS.get(subject)
        if figure is None:
            continue
        tall = base * _SIZES.get(subject, 0.125)
        herd = 3 if subject in ("sheep", "camel", "heron", "cactus", "mushroom") else 1
        for k in range(herd):
            x = (spot + k * 0.11 * scale * (1 if spot < 0.5 else -1)) * canvas.width
            size = tall * (1.0 if k == 0 else float(rng.uniform(0.62, 0.92)))
            _ground_shadow(canvas, brief, x, _at(ground, x), size, near)
            stand(
                canvas,
                figure,
                x,
                _at(ground, x) + size * 0.02,
                size,
                colours(brief, near, subject),
                flip=spot > 0.5,
                rim=(brief.palette.light, side),
            )
        spot = _elsewhere(rng, spot)


def _ground_shadow(canvas: Canvas, brief: Brief, x: float, y: float, size: float, near: float) -> None:
    """Tie a figure to the ground it stands on."""
    half_x, half_y = int(size * 0.75) + 2, int(size * 0.09) + 2
    ys = np.arange(-half_y, half_y, dtype=np.float32)[:, None] / np.float32(size * 0.05)
    xs = np.arange(-half_x, half_x, dtype=np.float32)[None] / np.float32(size * 0.36)
    shadow = np.exp(-(xs * xs) - ys * ys) * 0.55
    canvas.blend(shadow, shade(brief.palette.depth(near), -0.05), int(y + size * 0.01) - half_y, int(x) - half_x)


def _at(ground: Array, x: float) -> float:
    return float(ground[int(np.clip(x, 0, len(ground) - 1))])


def _elsewhere(rng: Rng, spot: float) -> float:
    return float(np.clip(spot + (0.26 if spot < 0.5 else -0.26) + float(rng.uniform(-0.04, 0.04)), 0.08, 0.92))


def _tree(
    canvas: Canvas,
    brief: Brief,
    rng: Rng,
    kind: str,
    x: float,
    ground: Array,
    base: float,
    near: float,
    side: float,
) -> None:
    palette = brief.palette
    ink = palette.depth(near)
    y = _at(ground, x) + 4
    if kind == "palm":
        for k in range(3):
            px = x + (k - 1) * base * 0.07
            canvas.polygons(
                trees.palm(rng, px, _at(ground, px) + 4, base * float(rng.uniform(0.24, 0.36)), lean=0.25 * (k - 1)),
                ink,
            )
        return
    leaf = (
        palette.accent
        if palette.name in ("autumn", "spring", "rose", "pastel", "crimson")
        else mix(palette.light, rgb("#5f8f4e"), 0.6)
    )
    bare = palette.name in ("winter", "noir", "storm") and not brief.has("flowers")
    trees.broadleaf(
        canvas,
        rng,
        x,
        y,
        base * 0.34,
        wood=shade(ink, -0.02),
        shadow=mix(ink, leaf, 0.18),
        leaf=mix(ink, leaf, 0.55),
        light=mix(leaf, palette.light, 0.35),
        sun_side=side,
        bare=bare,
    )


def _home(
    canvas: Canvas, brief: Brief, figure: figures.Figure, x: float, ground: Array, tall: float, near: float
) -> None:
    y = max(_at(ground, x - tall * 0.4), _at(ground, x + tall * 0.4)) + 1
    if brief.palette.dark:
        canvas.glow(x, y - tall * 0.3, tall * 0.9, _LAMP, 0.3)
    stand(canvas, figure, x, y, tall, colours(brief, near))


def in_air(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, sun: Sun) -> None:
    """Let the prompt's flying things fly: balloons and lanterns in numbers, a dragon alone, birds in a flock."""
    base = min(canvas.height, canvas.width)
    for subject in brief.subjects:
        figure = figures.FLYING.get(subject)
        if figure is None:
            continue
        many = {"balloon": 5, "lantern": 16, "butterfly": 5}.get(subject, 1)
        tall = base * {
            "balloon": 0.2,
            "lantern": 0.085,
            "butterfly": 0.075,
            "dragon": 0.24,
            "ufo": 0.17,
            "rocket": 0.26,
        }.get(subject, 0.16)
        for k in range(many):
            x = canvas.width * (
                float(rng.uniform(0.28, 0.72)) if many == 1 else (k + 0.5 + float(rng.uniform(-0.35, 0.35))) / many
            )
            size = tall * (1.0 if k == 0 else float(rng.uniform(0.3, 0.8)))
            y = max(horizon * float(rng.uniform(0.34, 0.92) if k else rng.uniform(0.5, 0.62)), size * 1.45)
            tones = colours(brief, 0.92, subject)
            if subject == "balloon":
                tones = _balloon_tones(brief, rng, tones)
            if subject == "lantern":
                canvas.glow(x, y - size * 0.5, size * 1.5, _LAMP, 0.4)
            stand(
                canvas,
                figure,
                x,
                y,
                size,
                tones,
                flip=bool(rng.random() < 0.5),
                opacity=1.0 if k == 0 else 0.94,
            )
    if brief.has("flock") or (not brief.palette.dark and rng.random() < 0.3):
        flock(canvas, brief, rng, horizon)


def _balloon_tones(brief: Brief, rng: Rng, tones: dict[str, Array]) -> dict[str, Array]:
    options = [brief.palette.accent, rgb("#d9534f"), rgb("#f2a541"), rgb("#3f8f9e"), rgb("#7c5fb0")]
    chosen = options[int(rng.integers(0, len(options)))]
    return {**tones, "accent": mix(chosen, brief.palette.haze, 0.15)}


def flock(canvas: Canvas, brief: Brief, rng: Rng, horizon: float, *, count: int = 0) -> None:
    """Draw a loose flock of distant birds."""
    n = count or int(rng.integers(5, 13))
    cx, cy = canvas.width * float(rng.uniform(0.25, 0.75)), horizon * float(rng.uniform(0.3, 0.6))
    shapes = []
    for _ in range(n):
        x, y = cx + float(rng.normal(0, 90)) * canvas.unit, cy + float(rng.normal(0, 36)) * canvas.unit
        span = float(rng.uniform(7, 20)) * canvas.unit
        lift = span * float(rng.uniform(0.15, 0.55))
        for side in (-1, 1):
            shapes.append(
                [
                    (x, y),
                    (x + side * span * 0.45, y - lift),
                    (x + side * span, y - lift * 0.35),
                    (x + side * span * 0.5, y - lift * 0.62),
                    (x, y + span * 0.1),
                ]
            )
    canvas.polygons(shapes, brief.palette.depth(0.85), 0.9, scale=4)


def grass(canvas: Canvas, rng: Rng, ground: Array, height: float, colour: Array, *, density: float = 1.0) -> None:
    """Let blades of grass stand along the line `ground`."""
    shapes = []
    count = int(canvas.width / 4.5 * density)
    sway = line(rng, canvas.width, cell=260 * canvas.unit, octaves=2)
    for x in rng.uniform(-5, canvas.width + 5, count).tolist():
        column = int(np.clip(x, 0, canvas.width - 1))
        y = float(ground[column]) + 3
        tall = height * float(rng.gamma(4.0, 0.25))
        lean = tall * (0.35 * float(sway[column]) + float(rng.normal(0, 0.2)))
        half = max(0.8, tall * 0.035)
        shapes.append(
            [
                (x - half, y),
                (x + lean * 0.35 - half * 0.7, y - tall * 0.55),
                (x + lean, y - tall),
                (x + lean * 0.35 + half * 0.7, y - tall * 0.55),
                (x + half, y),
            ]
        )
    canvas.polygons(shapes, colour)


def rays(canvas: Canvas, rng: Rng, x: float, y: float, colour: Array, strength: float) -> None:
    """Let shafts of light fan out from (x, y)."""
    step = 4
    ys = np.arange(0, canvas.height, step, dtype=np.float32)[:, None] - np.float32(y)
    xs = np.arange(0, canvas.width, step, dtype=np.float32)[None, :] - np.float32(x)
    angle = np.arctan2(ys, xs)
    fan = line(rng, 720, cell=34, octaves=3).clip(0, 1)
    fan[660:] += (fan[0] - fan[660:]) * np.linspace(0, 1, 60, dtype=np.float32)  # the circle closes
    place = ((angle + math.pi) / math.tau * 719).astype(np.int32)
    away = np.sqrt(xs * xs + ys * ys) / (1.1 * max(canvas.width, canvas.height))
    light = fan[place] * np.clip(1 - away, 0, 1) ** 1.4 * np.float32(strength)
    canvas.add(enlarge(light.astype(np.float32), canvas.height, canvas.width).clip(0, 1), colour)
