"""Colours as float RGB from 0 to 1, mixed in OKLab so that gradients stay clean between distant hues."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
"""Colours, masks and fields are float32 throughout; a stray float64 intermediate does no harm."""

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)
_FROM_LMS, _FROM_LAB = np.linalg.inv(_TO_LMS), np.linalg.inv(_TO_LAB)


def rgb(code: str) -> Array:
    """Return the colour of `#rrggbb`."""
    return np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)


WHITE = rgb("#ffffff")


def to_lab(colours: Array) -> Array:
    """Convert RGB (..., 3) to OKLab."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    lab: Array = np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T
    return lab


def from_lab(lab: Array) -> Array:
    """Convert OKLab (..., 3) to RGB, clipped to what a screen shows."""
    linear = np.clip((lab @ _FROM_LAB.T) ** 3 @ _FROM_LMS.T, 0, 1)
    encoded: Array = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    result: Array = encoded.astype(np.float32)
    return result


def mix(first: Array, second: Array, share: float) -> Array:
    """Return `first` with `share` (0 to 1) of `second` in it."""
    return _mixed(first.astype(np.float32).tobytes(), second.astype(np.float32).tobytes(), float(share))


@lru_cache(maxsize=512)  # a picture asks for the same few mixtures again and again
def _mixed(first: bytes, second: bytes, share: float) -> Array:
    a, b = to_lab(np.frombuffer(first + second, np.float32).reshape(2, -1))
    return from_lab((a + (b - a) * np.float32(share)).astype(np.float32))


def ramp(stops: Sequence[Array], n: int) -> Array:
    """Return `n` colours of a gradient through `stops`, as (n, 3)."""
    labs, where = to_lab(np.stack(stops)), np.linspace(0, len(stops) - 1, n, dtype=np.float32)
    lab = np.stack([np.interp(where, np.arange(len(stops)), labs[:, i]) for i in range(3)], axis=-1)
    return from_lab(lab.astype(np.float32))


def shade(colour: Array, lightness: float) -> Array:
    """Return `colour` with its OKLab lightness moved by `lightness`."""
    lab = to_lab(colour).copy()
    lab[..., 0] = np.clip(lab[..., 0] + lightness, 0, 1)
    return from_lab(lab)


def turn(colour: Array, degrees: float) -> Array:
    """Return `colour` with its hue turned."""
    lab = to_lab(colour).copy()
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    lab[..., 1], lab[..., 2] = lab[..., 1] * c - lab[..., 2] * s, lab[..., 1] * s + lab[..., 2] * c
    return from_lab(lab.astype(np.float32))


def luminance(colour: Array) -> float:
    """Return the perceived lightness, 0 to 1."""
    return float(to_lab(colour)[..., 0].mean())


def apart(first: Array, second: Array) -> float:
    """Return how far two colours are from each other, in OKLab."""
    return float(np.sqrt(((to_lab(first) - to_lab(second)) ** 2).sum()))
