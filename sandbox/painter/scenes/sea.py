"""The sea: a path of light, headlands and islands, boats, a lighthouse, a beach with palms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sandbox.painter import cast, figures, sky, terrain, trees, water
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas, cover
from sandbox.painter.colour import mix, rgb, shade
from sandbox.painter.figures.kit import silhouette, stand
from sandbox.painter.noise import Rng, line, smoothstep
from sandbox.painter.sky import Sun
from sandbox.painter.trees import Polygon


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint a seascape."""
    rng = brief.rng("sea")
    shore = int(canvas.height * float(rng.uniform(0.54, 0.62)))
    sun = sky.paint_sky(canvas, brief, shore, size=1.15)
    cast.in_air(canvas, brief, rng, shore, sun)
    _distance(canvas, brief, rng, shore)
    beach = bool(brief.words & {"beach", "tropical", "palm", "sand", "surf", "surfer", "paradise", "seaside"})
    lighthouse = brief.has("lighthouse")
    if not lighthouse and not beach and rng.random() < 0.5:
        _cliffs(canvas, brief, rng, shore, sun)
    if brief.has("bridge"):
        _bridge(canvas, brief, rng, shore)
    calm = 0.78 if brief.has("reflection") else float(rng.uniform(0.2, 0.5))
    spot = _afloat_far(canvas, brief, rng, shore, sun)
    water.lay(canvas, brief, shore, sun, calm=calm)
    _afloat(canvas, brief, rng, shore, sun, spot)
    if lighthouse:
        _lighthouse(canvas, brief, rng, shore, sun)
    if beach:
        _beach(canvas, brief, rng, sun)
    elif any(
        brief.has(name)
        for name in ("person", "couple", "cat", "fox", "wolf", "heron", "tree", "house", "cabin", "castle")
    ):
        _headland(canvas, brief, rng, sun)


def _distance(canvas: Canvas, brief: Brief, rng: Rng, shore: int) -> None:
    air = sky.haze_colour(brief)
    for layer in range(int(rng.integers(1, 4))):
        ridge = terrain.crags(
            rng,
            canvas,
            shore + canvas.height * 0.03,
            canvas.height * (0.1 - 0.025 * layer),
            330 * canvas.unit,
        )
        tone = mix(air, brief.palette.depth(0.2 + 0.16 * layer), 0.75)
        canvas.below(ridge, tone, mix(tone, air, 0.75), canvas.height * 0.1)


def _cliffs(canvas: Canvas, brief: Brief, rng: Rng, shore: int, sun: Sun) -> None:
    side = -1 if sun.x > canvas.width / 2 else 1
    air = sky.haze_colour(brief)
    for layer, (near, reach) in enumerate(((0.5, 0.46), (0.72, 0.28))):
        x = canvas.columns() / canvas.width
        inward = (1 - x) if side > 0 else x
        rough = line(rng, canvas.width, cell=130 * canvas.unit, octaves=6, sharp=True)
        body = smoothstep(reach, reach * 0.45, inward + rough * 0.035)
        height = canvas.height * (0.17 + 0.1 * layer)
        ridge = shore + 4 - height * body * (0.82 + 0.16 * rough)
        lit = mix(brief.palette.depth(near), brief.palette.light, 0.3)
        terrain.rock(
            canvas,
            rng,
            ridge.astype(np.float32),
            sun,
            lit=lit,
            dark=brief.palette.depth(near),
            foot=mix(lit, air, 0.75),
            depth=height * 1.7,
        )


def _bridge(canvas: Canvas, brief: Brief, rng: Rng, shore: int) -> None:
    """Hang a suspension bridge across the view."""
    deck = shore - canvas.height * 0.05
    top = shore - canvas.height * 0.3
    tone = mix(
        brief.palette.accent if brief.has("bridge") and brief.colour is not None else brief.palette.depth(0.8),
        brief.palette.haze,
        0.15,
    )
    shapes: list[Polygon] = [
        [
            (-5, deck),
            (canvas.width + 5, deck),
            (canvas.width + 5, deck + 7 * canvas.unit),
            (-5, deck + 7 * canvas.unit),
        ]
    ]
    towers = [canvas.width * 0.22, canvas.width * 0.78]
    for x in towers:
        w = 8 * canvas.unit
        shapes += [
            [(x - w * 2.0, top), (x - w, top), (x - w, shore + 4), (x - w * 2.0, shore + 4)],
            [(x + w, top), (x + w * 2.0, top), (x + w * 2.0, shore + 4), (x + w, shore + 4)],
        ]
        shapes += [
            [
                (x - w * 2, top + k * (deck - top) / 4),
                (x + w * 2, top + k * (deck - top) / 4),
                (x + w * 2, top + k * (deck - top) / 4 + w),
                (x - w * 2, top + k * (deck - top) / 4 + w),
            ]
            for k in range(4)
        ]
    for left, right in (
        (-canvas.width * 0.34, towers[0]),
        (towers[0], towers[1]),
        (towers[1], canvas.width * 1.34),
    ):
        cable = [
            (left + (right - left) * t, top + (deck - 8 - top) * (1 - (2 * t - 1) ** 2))
            for t in np.linspace(0, 1, 40).tolist()
        ]
        shapes.append(trees.stroke(cable, [3.2 * canvas.unit] * 40))
        shapes += [[(x, y), (x + 1.3, y), (x + 1.3, deck), (x, deck)] for x, y in cable[2:-2:2]]
    canvas.polygons(shapes, tone)


def _afloat_far(canvas: Canvas, brief: Brief, rng: Rng, shore: int, sun: Sun) -> float:
    """Draw what floats by the horizon, before the water mirrors it; return the x share for the main vessel."""
    spot = float(
        np.clip(sun.x / canvas.width + float(rng.choice([-1, 1])) * float(rng.uniform(0.14, 0.26)), 0.26, 0.74)
    )
    if brief.has("boat", "ship") or rng.random() < 0.4:
        size = canvas.height * 0.03
        for _ in range(int(rng.integers(1, 4))):
            x = canvas.width * float(rng.uniform(0.08, 0.92))
            stand(
                canvas,
                figures.AFLOAT["boat"],
                x,
                shore + 1,
                size * float(rng.uniform(0.6, 1.1)),
                cast.colours(brief, 0.55),
            )
    return spot


def _afloat(canvas: Canvas, brief: Brief, rng: Rng, shore: int, sun: Sun, spot: float) -> None:
    base = min(canvas.height, canvas.width)
    for subject in ("ship", "boat", "whale"):
        figure = figures.AFLOAT[subject]
        if not brief.has(subject) or (subject == "boat" and brief.has("ship")):
            continue
        tall = base * {"ship": 0.3, "boat": 0.25, "whale": 0.2}[subject]
        x, y = spot * canvas.width, shore + (canvas.height - shore) * float(rng.uniform(0.2, 0.34))
        _mirror_image(canvas, figure, brief, x, y, tall)
        tones = cast.colours(brief, 0.95)
        if subject == "ship":  # sails against the light, or they melt into the sky
            tones["pale"] = mix(tones["pale"], tones["ink"], 0.45)
        stand(canvas, figure, x, y, tall, tones, flip=spot > 0.5)
        foam = mix(brief.palette.light, rgb("#ffffff"), 0.5)
        wake = np.exp(-(((canvas.columns() - x) / (tall * 0.5)) ** 2))[None] * np.exp(
            -(((np.arange(-4, 8)[:, None]) / 2.6) ** 2)
        )
        canvas.blend((wake * 0.55).astype(np.float32), foam, int(y) - 5)
        spot = 1 - spot


def _mirror_image(canvas: Canvas, figure: figures.Figure, brief: Brief, x: float, y: float, tall: float) -> None:
    """Lay a dim, broken image of a vessel on the water under it."""
    mask = silhouette(figure.parts, figure, tall, x > canvas.width / 2)
    foot = int(-figure.top * tall)
    upside = mask[:foot][::-1][: int(tall * 0.7)]
    rows = np.arange(len(upside), dtype=np.float32)
    sway = (np.sin(rows * 0.55 + np.sin(rows * 0.13) * 3) * (1 + rows * 0.05)).astype(int)
    broken = np.stack([np.roll(row, shift) for row, shift in zip(upside, sway, strict=True)])
    fade = np.linspace(0.5, 0, len(upside), dtype=np.float32)[:, None]
    left = int(x - (figure.right if x > canvas.width / 2 else -figure.left) * tall)
    canvas.blend(broken * fade, brief.palette.depth(0.9), int(y), left)


def _lighthouse(canvas: Canvas, brief: Brief, rng: Rng, shore: int, sun: Sun) -> None:
    side = 1 if sun.x < canvas.width / 2 else -1
    tall = min(canvas.height * 0.42, canvas.width * 0.7)
    x = canvas.width * (0.5 + side * 0.26)
    columns = canvas.columns()
    rough = line(rng, canvas.width, cell=90 * canvas.unit, octaves=6, sharp=True)
    away = (columns - x) * side / canvas.width
    rock = np.where(away > 0, 1 - 0.35 * away, 1 - (away / 0.3) ** 2 * 1.1)
    top = shore + (canvas.height - shore) * 0.16
    ridge = (
        canvas.height * 1.02 - (canvas.height * 1.02 - top) * np.clip(rock, -0.2, 1) + rough * 14 * canvas.unit
    ).astype(np.float32)
    foot = float(ridge[int(np.clip(x, 0, canvas.width - 1))]) + 6
    _beam(canvas, x, foot - tall * 0.81, tall, -side, 0.5 if brief.palette.dark else 0.2)
    stand(canvas, figures.LIGHTHOUSE, x, foot, tall, cast.colours(brief, 0.9), flip=side < 0)
    canvas.glow(x, foot - tall * 0.81, tall * 0.22, rgb("#ffe9b0"), 0.75)
    stand(canvas, figures.HOMES["house"], x + side * tall * 0.27, foot + 8, tall * 0.2, cast.colours(brief, 0.9))
    ink = brief.palette.depth(0.9)
    terrain.rock(
        canvas,
        rng,
        ridge,
        sun,
        lit=mix(ink, brief.palette.light, 0.28),
        dark=ink,
        foot=shade(ink, -0.04),
        depth=canvas.height * 0.3,
    )
    cast.grass(canvas, rng, ridge, 9 * canvas.unit, mix(ink, brief.palette.light, 0.12), density=0.7)


def _beam(canvas: Canvas, x: float, y: float, tall: float, side: int, strength: float) -> None:
    far = x + side * canvas.width
    shape = [(x, y - 2), (far, y - tall * 0.42), (far, y + tall * 0.05), (x, y + 2)]
    drawn = cover([shape], (canvas.width, canvas.height), 2)
    if drawn is None:
        return
    mask, top, left = drawn
    columns = np.arange(left, left + mask.shape[1], dtype=np.float32)
    fade = np.clip(1 - np.abs(columns - x) / (canvas.width * 0.75), 0, 1) ** 1.5
    canvas.add(mask * fade[None] * np.float32(strength), rgb("#fff0c2"), top, left)


def _beach(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun) -> None:
    palette = brief.palette
    x = canvas.columns() / canvas.width
    side = 1 if rng.random() < 0.5 else -1
    lean = (x if side > 0 else 1 - x) ** 1.6
    ridge = (
        canvas.height * (0.97 - 0.13 * lean)
        + line(rng, canvas.width, cell=300 * canvas.unit, octaves=2) * 7 * canvas.unit
    )
    sand = mix(rgb("#ecd2a4"), palette.depth(0.75), 0.62 if palette.dark else 0.25)
    for shift, opacity in ((-16, 0.35), (-7, 0.75)):
        edge = (
            ridge + shift * canvas.unit + line(rng, canvas.width, cell=120 * canvas.unit, octaves=3) * 5 * canvas.unit
        )
        top = max(int(edge.min()) - 2, 0)
        canvas.blend(
            canvas.under(edge.astype(np.float32), top, 3.0) * np.float32(opacity),
            mix(palette.light, rgb("#ffffff"), 0.6),
            top,
        )
    canvas.below(ridge.astype(np.float32), mix(sand, palette.sky[-1], 0.2), shade(sand, -0.08), canvas.height * 0.18)
    ground = ridge.astype(np.float32) + canvas.height * 0.03
    edge_x = 0.82 if side > 0 else 0.18
    for k in range(2 + int(rng.integers(0, 2))):
        px = canvas.width * (edge_x + side * 0.06 * k)
        tall = canvas.height * float(rng.uniform(0.42, 0.58))
        canvas.polygons(
            trees.palm(
                rng,
                px,
                float(ground[int(np.clip(px, 0, canvas.width - 1))]),
                min(tall, canvas.width * 0.6),
                lean=-side * float(rng.uniform(0.1, 0.4)),
            ),
            palette.depth(0.95),
        )
    others = replace(brief, subjects=tuple(name for name in brief.subjects if name not in ("palm", "tree")))
    cast.on_ground(canvas, others, rng, ground, sun, span=(0.3, 0.6))


def _headland(canvas: Canvas, brief: Brief, rng: Rng, sun: Sun) -> None:
    side = 1 if sun.x < canvas.width / 2 else -1
    x = canvas.columns() / canvas.width
    inward = (x if side > 0 else 1 - x) - 0.25
    ridge = (
        canvas.height * (1.0 - 0.2 * np.clip(inward, -0.4, 1) ** 1.0)
        + line(rng, canvas.width, cell=200 * canvas.unit) * 7
    )
    ground = ridge.astype(np.float32)
    ink = brief.palette.depth(0.96)
    cast.grass(canvas, rng, ground, 14 * canvas.unit, ink)
    canvas.below(ground, ink, shade(ink, -0.03), canvas.height * 0.2)
    place = 0.72 if side > 0 else 0.28
    cast.on_ground(canvas, brief, rng, ground, sun, span=(place, place), scale=1.15)
