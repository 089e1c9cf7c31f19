"""Head and shoulders from the front; the face is left to the beholder but for brows, lips and the nose's shadow.

Unlike other figures, y = 0 is the chin, and the body reaches below it.
"""

from __future__ import annotations

from collections.abc import Set

from sandbox.painter.figures.kit import Figure, Part, Polygon, curve, limb, mirror, oval
from sandbox.painter.noise import Rng

_FEMININE = frozenset({"woman", "girl", "lady", "queen", "princess", "mother", "grandmother", "geisha", "actress",
                       "witch", "model", "fashion", "beauty"})  # fmt: skip
_MASCULINE = frozenset({"man", "boy", "gentleman", "king", "prince", "father", "grandfather", "wizard", "samurai",
                        "knight", "warrior", "hero", "fisherman", "sailor"})  # fmt: skip
_BEARDED = frozenset({"old", "wizard", "king", "fisherman", "grandfather", "viking", "bearded", "beard", "sailor"})
_CROWNED = frozenset({"queen", "king", "princess", "prince"})
_HATTED = frozenset({"fisherman", "sailor", "detective", "gentleman", "cowboy"})

_LONG, _BUN, _BOB = (
    (curve([(0, -1.06), (-0.38, -0.9), (-0.46, -0.5), (-0.48, 0.0), (-0.52, 0.46), (-0.2, 0.6), (0.2, 0.6),
            (0.52, 0.46), (0.48, 0.0), (0.46, -0.5), (0.38, -0.9)]),),
    (oval(0.0, -1.08, 0.2, 0.19), oval(0, -0.6, 0.37, 0.42)),
    (curve([(0, -1.05), (-0.4, -0.88), (-0.47, -0.5), (-0.44, -0.02), (-0.26, 0.04), (0.26, 0.04), (0.44, -0.02),
            (0.47, -0.5), (0.4, -0.88)]),),
)  # fmt: skip
_SHORT = (oval(0, -0.66, 0.345, 0.36),)
_FACE = curve([(-0.3, -0.62), (-0.29, -0.3), (-0.2, -0.08), (0.0, 0.02), (0.2, -0.08), (0.29, -0.3), (0.3, -0.62),
               (0.18, -0.88), (-0.18, -0.88)])  # fmt: skip
_NECK = limb([(0, -0.2), (0, 0.1), (0, 0.34)], [0.27, 0.24, 0.34])
_NECK_SHADOW = curve([(-0.14, -0.1), (0.14, -0.1), (0.15, 0.1), (0.02, 0.2), (-0.13, 0.06)])
_COLLAR = curve([(-0.17, 0.24), (0.0, 0.33), (0.17, 0.24), (0.1, 0.44), (0.0, 0.56), (-0.1, 0.44)])
_THROAT = curve([(-0.12, 0.22), (0.12, 0.22), (0.07, 0.38), (0.0, 0.46), (-0.07, 0.38)])
_NOSE = curve([(0.02, -0.5), (0.075, -0.3), (0.05, -0.26), (-0.04, -0.265), (0.02, -0.3)])
_CHEEK = curve([(0.16, -0.86), (0.3, -0.62), (0.29, -0.3), (0.2, -0.08), (0.02, 0.02), (0.15, -0.14), (0.22, -0.36),
                (0.22, -0.62)])  # fmt: skip
_LIPS = curve([(-0.085, -0.14), (-0.025, -0.165), (0.0, -0.155), (0.025, -0.165), (0.085, -0.14), (0.0, -0.1)])
_BROW = limb([(-0.2, -0.51), (-0.13, -0.55), (-0.06, -0.525)], [0.012, 0.03, 0.018])
_LID = limb([(-0.19, -0.425), (-0.13, -0.4), (-0.07, -0.42)], [0.01, 0.024, 0.01])
_BEARD = (
    Part("hair", (
        curve([(-0.3, -0.38), (-0.2, -0.18), (-0.1, -0.21), (0.0, -0.19), (0.1, -0.21), (0.2, -0.18), (0.3, -0.38),
               (0.28, -0.06), (0.0, 0.2), (-0.28, -0.06)]),)),
    Part("lip", (curve([(-0.06, -0.135), (0.0, -0.15), (0.06, -0.135), (0.0, -0.11)]),)),
)  # fmt: skip
_CROWN = Part("gold", (
    [(-0.27, -0.86), (-0.33, -1.16), (-0.14, -0.99), (0.0, -1.22), (0.14, -0.99), (0.33, -1.16), (0.27, -0.86)],
))  # fmt: skip
_POINTED_HAT = Part("cloth_dark", (
    curve([(-0.62, -0.72), (-0.3, -0.86), (0.0, -0.88), (0.3, -0.86), (0.62, -0.72), (0.0, -0.66)]),
    [(-0.32, -0.78), (0.08, -1.5), (0.32, -0.78)],
))  # fmt: skip
_BRIMMED_HAT = Part("cloth_dark", (
    curve([(-0.52, -0.78), (-0.3, -0.84), (0.3, -0.84), (0.52, -0.78), (0.0, -0.7)]),
    curve([(-0.32, -0.8), (-0.28, -1.06), (0.0, -1.12), (0.28, -1.06), (0.32, -0.8)]),
))  # fmt: skip
_PARTED = (
    Part("hair", (
        curve([(0.06, -1.0), (-0.2, -0.96), (-0.36, -0.74), (-0.34, -0.42), (-0.27, -0.6), (-0.08, -0.74),
               (0.06, -0.86)]),
        curve([(0.04, -1.0), (0.24, -0.94), (0.36, -0.74), (0.34, -0.42), (0.28, -0.62), (0.16, -0.76),
               (0.05, -0.86)]))),
    Part("hair_light", (limb([(-0.02, -0.95), (-0.2, -0.82), (-0.3, -0.62)], [0.012, 0.03, 0.006]),)),
)  # fmt: skip
_STRAIGHT = (Part("hair", (
    curve([(-0.36, -0.7), (-0.3, -0.56), (0.0, -0.6), (0.3, -0.56), (0.36, -0.7), (0.22, -0.98), (-0.22, -0.98)]),)),
)  # fmt: skip
_CROPPED = (
    Part("hair", (
        curve([(-0.35, -0.5), (-0.38, -0.8), (-0.2, -1.04), (0.12, -1.08), (0.34, -0.92), (0.36, -0.5), (0.29, -0.68),
               (0.14, -0.8), (-0.1, -0.76), (-0.28, -0.7)]),)),
    Part("hair_light", (limb([(-0.24, -0.9), (0.0, -0.99), (0.24, -0.9)], [0.008, 0.035, 0.008]),)),
)  # fmt: skip


def bust(words: Set[str], rng: Rng) -> Figure:
    """Return the person the words describe; what they leave open, chance decides."""
    feminine = _is_feminine(words, rng)
    style = int(rng.integers(0, 3))
    behind = (_LONG, _BUN, _BOB)[style] if feminine else _SHORT
    fringe = (_STRAIGHT if style == 2 else _PARTED) if feminine else _CROPPED
    bearded = not feminine and bool(words & _BEARDED or rng.random() < 0.4)
    parts = (Part("hair", behind), *_body(feminine), *_face(), *fringe, *(_BEARD if bearded else ()), *_headgear(words))
    return Figure(parts, -1.0, 1.0, -1.6, 1.5)


def _is_feminine(words: Set[str], rng: Rng) -> bool:
    feminine, masculine = bool(words & _FEMININE), bool(words & _MASCULINE)
    return feminine if feminine != masculine else bool(rng.random() < 0.5)


def _body(feminine: bool) -> tuple[Part, ...]:
    wide = 0.62 if feminine else 0.76
    half: list[tuple[float, float]] = [(-0.17, 0.24), (-0.4, 0.34), (-wide, 0.52), (-wide - 0.1, 1.4)]
    shoulders = curve([*half, *((-x, y) for x, y in reversed(half)), (0.0, 0.33)])
    return (
        Part("skin", (_NECK,)),
        Part("shade", (_NECK_SHADOW,)),
        Part("cloth", (shoulders,)),
        Part("cloth_dark", (_COLLAR,)),
        Part("skin", (_THROAT,)),
    )


def _face() -> tuple[Part, ...]:
    ears: list[Polygon] = mirror([oval(-0.31, -0.42, 0.05, 0.085)])
    return (
        Part("skin", (_FACE, *ears)),
        Part("shade", (_NOSE, _CHEEK)),
        Part("blush", tuple(mirror([oval(-0.17, -0.27, 0.06, 0.04)]))),
        Part("lip", (_LIPS,)),
        Part("brow", tuple(mirror([_BROW, _LID]))),
    )


def _headgear(words: Set[str]) -> tuple[Part, ...]:
    if words & _CROWNED:
        return (_CROWN,)
    if words & {"wizard", "witch"}:
        return (_POINTED_HAT,)
    return (_BRIMMED_HAT,) if words & _HATTED else ()
