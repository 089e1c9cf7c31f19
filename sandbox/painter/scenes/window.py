"""A room with a view: wall, window, sill, curtain, a plant, perhaps a cat."""

from __future__ import annotations

import numpy as np

from sandbox.painter import cast, figures, flowers
from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.colour import Array, mix, rgb, shade
from sandbox.painter.figures.kit import stand
from sandbox.painter.lathe import turned
from sandbox.painter.noise import Rng, field, line
from sandbox.painter.scenes import city, meadow, mountains, sea
from sandbox.painter.trees import stroke

_VIEWS = {"city": city.paint, "sea": sea.paint, "mountains": mountains.paint, "meadow": meadow.paint}
_HINTS = {
    "city": {"city", "tokyo", "paris", "york", "office", "cafe", "studio", "skyline", "street", "desk"},
    "sea": {"sea", "ocean", "beach", "balcony"},
    "mountains": {"mountain", "mountains", "snow", "winter", "cabin"},
    "meadow": {"garden", "field", "summer", "spring"},
}


def paint(canvas: Canvas, brief: Brief) -> None:
    """Paint a view through a window from a warm room."""
    rng = brief.rng("window")
    view = next((name for name, hints in _HINTS.items() if hints & brief.words), str(rng.choice(sorted(_VIEWS))))
    _VIEWS[view](canvas, brief)
    palette = brief.palette
    wall = mix(mix(palette.near, rgb("#6b3f35"), 0.45), palette.haze, 0.12 if palette.dark else 0.28)
    left, right = canvas.width * 0.16, canvas.width * 0.84
    top, sill = canvas.height * 0.09, canvas.height * 0.74
    _wall(canvas, rng, wall, (int(left), int(top), int(right), int(sill)))
    _frame(canvas, wall, left, top, right, sill)
    _curtains(canvas, brief, rng, left, right, top, sill)
    _sill(canvas, brief, rng, wall, left, right, sill)


def _wall(canvas: Canvas, rng: Rng, wall: Array, opening: tuple[int, int, int, int]) -> None:
    left, top, right, sill = opening
    mask = np.ones((canvas.height, canvas.width), np.float32)
    mask[top:sill, left:right] = 0
    xs = (canvas.columns()[None] / canvas.width - 0.5) * 2
    ys = (canvas.rows() / canvas.height - 0.45) * 2
    glow = np.clip(1.15 - np.sqrt(xs * xs + ys * ys) * 0.42, 0.4, 1.2)
    plaster = 1 + field(rng, canvas.height, canvas.width, cell=160 * canvas.unit, octaves=4, coarse=4) * 0.025
    canvas.blend(mask, (wall[:, None, None] * (glow * plaster)[None]).clip(0, 1).astype(np.float32))


def _frame(canvas: Canvas, wall: Array, left: float, top: float, right: float, sill: float) -> None:
    wood = mix(shade(wall, -0.1), rgb("#3a241c"), 0.35)
    w = 15 * canvas.unit
    bars = [
        (left - w, top - w, right + w, top + w * 0.3),
        (left - w, top, left + w * 0.3, sill),
        (right - w * 0.3, top, right + w, sill),
        ((left + right) / 2 - w * 0.4, top, (left + right) / 2 + w * 0.4, sill),
        (left, top + (sill - top) * 0.36 - w * 0.3, right, top + (sill - top) * 0.36 + w * 0.3),
    ]
    canvas.polygons([[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in bars], wood)
    canvas.polygons([[(a, b), (a + 2, b), (a + 2, d), (a, d)] for a, b, c, d in bars], mix(wood, rgb("#ffe2b8"), 0.3))


def _curtains(canvas: Canvas, brief: Brief, rng: Rng, left: float, right: float, top: float, sill: float) -> None:
    tone = mix(brief.colour if brief.colour is not None else brief.palette.accent, rgb("#f4e6d2"), 0.45)
    if brief.palette.dark:
        tone = mix(tone, brief.palette.near, 0.42)
    bottom = int(sill + canvas.height * 0.14)
    rows = canvas.rows(0, bottom)
    drop = rows / bottom
    x = canvas.columns()[None]
    folds = line(rng, canvas.width, cell=44 * canvas.unit, octaves=2)[None] * 0.5 + 0.5
    for side in (-1, 1):
        edge = (
            left + (right - left) * (0.1 + 0.07 * np.sin(drop * 2.6))
            if side < 0
            else right - (right - left) * (0.1 + 0.07 * np.sin(drop * 2.6 + 0.4))
        )
        inside = np.clip((edge - x) * (1 if side < 0 else -1) / 1.5 + 0.5, 0, 1)
        outside = (
            np.clip((x - (left - canvas.width * 0.09)) / 1.5, 0, 1)
            if side < 0
            else np.clip((right + canvas.width * 0.09 - x) / 1.5, 0, 1)
        )
        dark, pale = shade(tone, -0.14), shade(tone, 0.05)
        colour = dark[:, None, None] + (pale - dark)[:, None, None] * folds[None]
        canvas.blend(
            (inside * outside * 0.96).astype(np.float32),
            np.broadcast_to(colour, (3, bottom, canvas.width)).astype(np.float32),
        )
    rod = stroke(
        [
            (left - canvas.width * 0.11, top - 30 * canvas.unit),
            (right + canvas.width * 0.11, top - 30 * canvas.unit),
        ],
        [9 * canvas.unit] * 2,
    )
    canvas.polygons([rod], rgb("#2a1c18"))


def _sill(canvas: Canvas, brief: Brief, rng: Rng, wall: Array, left: float, right: float, sill: float) -> None:
    wood = mix(shade(wall, 0.03), rgb("#9a6a48"), 0.4)
    reach = 34 * canvas.unit
    canvas.polygons(
        [
            [
                (left - reach, sill),
                (right + reach, sill),
                (right + reach * 1.3, sill + reach),
                (left - reach * 1.3, sill + reach),
            ]
        ],
        mix(wood, brief.palette.light, 0.2),
    )
    canvas.polygons(
        [
            [
                (left - reach * 1.3, sill + reach),
                (right + reach * 1.3, sill + reach),
                (right + reach * 1.3, sill + reach * 1.5),
                (left - reach * 1.3, sill + reach * 1.5),
            ]
        ],
        shade(wood, -0.1),
    )
    base = min(canvas.width, canvas.height)
    foot = sill + reach * 0.62
    spots = [0.3, 0.7] if rng.random() < 0.5 else [0.7, 0.3]
    pot_x = left + (right - left) * spots[0]
    flowers.sprig(canvas, rng, pot_x, foot - base * 0.1, base * 0.24, rgb("#5f8a5a"), -0.4)
    flowers.sprig(canvas, rng, pot_x, foot - base * 0.1, base * 0.2, rgb("#4d7a50"), 0.7)
    turned(
        canvas,
        [(0.4, 0), (0.56, 1.0)],
        pot_x,
        foot,
        base * 0.11,
        rgb("#b9694a"),
        side=1.0,
        gloss=0.1,
        smooth=False,
    )
    other = left + (right - left) * spots[1]
    if brief.has("cat") or (not brief.subjects and rng.random() < 0.6):
        stand(
            canvas,
            figures.ANIMALS["cat"],
            other,
            foot,
            base * 0.26,
            cast.colours(brief, 1.0),
            rim=(brief.palette.light, 1.0),
        )
        return
    turned(
        canvas,
        [(0.34, 0), (0.5, 0.1), (0.62, 1.0)],
        other,
        foot,
        base * 0.1,
        rgb("#ede3d6"),
        side=1.0,
        mouth=rgb("#7a4a2c"),
    )
