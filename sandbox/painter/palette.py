"""The palettes: a sky from zenith to horizon, the haze of what is far, the ink of what is near, and the lights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sandbox.painter.colour import Array, mix, ramp, rgb, shade, turn


@dataclass(frozen=True)
class Palette:
    """One mood. `sun` is the disc, `light` what it falls on, `accent` the one colour that speaks up."""

    name: str
    sky: tuple[Array, ...]
    sun: Array
    haze: Array
    near: Array
    light: Array
    accent: Array
    dark: bool = False

    def sky_ramp(self, n: int) -> Array:
        """Return `n` sky colours from zenith to horizon."""
        return ramp(self.sky, np.linspace(0, 1, n, dtype=np.float32))

    def depth(self, nearness: float) -> Array:
        """Return the colour of land at `nearness` from 0 (horizon) to 1 (in front of us)."""
        return mix(self.haze, self.near, nearness)

    def turned(self, degrees: float) -> Palette:
        """Return the palette with every hue turned a little."""
        return replace(
            self,
            sky=tuple(turn(c, degrees) for c in self.sky),
            haze=turn(self.haze, degrees),
            near=turn(self.near, degrees),
            light=turn(self.light, degrees / 2),
            accent=turn(self.accent, degrees),
        )

    def with_accent(self, colour: Array) -> Palette:
        """Return the palette with another accent."""
        return replace(self, accent=colour)

    def tinted(self, colour: Array, share: float) -> Palette:
        """Return the palette leaning towards a colour a prompt names."""
        return replace(
            self,
            sky=tuple(mix(c, colour, share) for c in self.sky),
            haze=mix(self.haze, colour, share),
            near=mix(self.near, shade(colour, -0.35), share),
            accent=colour,
        )


def _palette(
    name: str, sky: str, sun: str, haze: str, near: str, light: str, accent: str, *, dark: bool = False
) -> Palette:
    stops = tuple(rgb(code) for code in sky.split())
    return Palette(name, stops, rgb(sun), rgb(haze), rgb(near), rgb(light), rgb(accent), dark)


_ALL = (
    _palette(
        "sunset",
        "#2b2d5e #6a3f7d #c4526f #f28a5c #fdcf8a",
        "#fff1c4",
        "#e58d76",
        "#231a3c",
        "#ffb27a",
        "#ff6b4a",
    ),
    _palette(
        "dawn",
        "#6c8fc4 #a5b4d9 #e3bfcf #f8d3bd #fdeccf",
        "#fff8e2",
        "#dcb9c2",
        "#374566",
        "#ffd9b8",
        "#e8788a",
    ),
    _palette(
        "day",
        "#2f7fc1 #5aa5d8 #93c9e6 #c9e6ee #f3f5e6",
        "#fffdf0",
        "#a9cbdc",
        "#1f4f52",
        "#f6e7b4",
        "#f2a541",
    ),
    _palette(
        "dusk",
        "#131a40 #2d2f6b #5f4b93 #a8709f #eaa79b",
        "#ffe3cf",
        "#9a74a3",
        "#14132f",
        "#f0b3a6",
        "#ffb454",
        dark=True,
    ),
    _palette(
        "night",
        "#050a1e #0b1638 #15285a #244379 #41709b",
        "#f6f1dd",
        "#31557f",
        "#050a18",
        "#a9c8e8",
        "#ffd27a",
        dark=True,
    ),
    _palette(
        "autumn",
        "#6f96ab #b3bda9 #e6cf9f #f5d596 #fbe9c4",
        "#fff6df",
        "#dcae72",
        "#47221a",
        "#f6ab45",
        "#cf432a",
    ),
    _palette(
        "winter",
        "#86a9cc #b0c9df #d2e0eb #e8eef3 #fcf5ee",
        "#fffaf2",
        "#c0d2e2",
        "#2f4d6c",
        "#ffffff",
        "#d9534f",
    ),
    _palette(
        "spring",
        "#74bcd6 #a4d8dd #d3ebdc #f2f3dc #fdf1e0",
        "#fffbe6",
        "#b5d9c0",
        "#24604a",
        "#f8e9a1",
        "#f28cb1",
    ),
    _palette(
        "neon",
        "#090420 #1d0b4a #4b1080 #a81f93 #ff4f9e",
        "#ffd166",
        "#8a2aa8",
        "#080417",
        "#35e4e8",
        "#2de2e6",
        dark=True,
    ),
    _palette(
        "pastel",
        "#b4c4ef #d3c8f0 #f0cde4 #fcdcd8 #fff1de",
        "#fffaf0",
        "#d9c5e8",
        "#716fa8",
        "#fff6ee",
        "#f08fae",
    ),
    _palette(
        "noir",
        "#0d0e10 #1f2226 #3b4046 #70777c #bdc0be",
        "#f4f2ec",
        "#858c90",
        "#08090a",
        "#e6e3da",
        "#c8102e",
        dark=True,
    ),
    _palette(
        "gold",
        "#3a2612 #7a4f1d #bc832e #e8b654 #fbe6a2",
        "#fffbe0",
        "#d9a04a",
        "#24160b",
        "#ffe08a",
        "#fff0b8",
    ),
    _palette(
        "emerald",
        "#0b3b3c #15605a #2f8f77 #7cc39a #dff0c0",
        "#fffbd8",
        "#7dbb98",
        "#052822",
        "#d8f5a2",
        "#f4d35e",
    ),
    _palette(
        "ocean",
        "#0d3b66 #1b6592 #3d93b5 #86c5cf #e9f3e4",
        "#fffbe8",
        "#86bccb",
        "#072840",
        "#d5f2ea",
        "#ff8c61",
    ),
    _palette(
        "rose",
        "#5b2a4e #94466b #cf6f86 #eda4a3 #fcdfd2",
        "#fff3e6",
        "#d98a99",
        "#37122f",
        "#ffcfc2",
        "#f9c74f",
    ),
    _palette(
        "desert",
        "#4a86a8 #8fb5b6 #dcd0ab #f4cd94 #fce6ba",
        "#fff7dd",
        "#e2a775",
        "#78321f",
        "#ffc978",
        "#e4572e",
    ),
    _palette(
        "storm",
        "#18222b #31424d #53656f #82919a #c3c8c2",
        "#f3f1e4",
        "#7e8f97",
        "#0f181e",
        "#d5dcd9",
        "#f2c14e",
        dark=True,
    ),
    _palette(
        "vintage",
        "#2c6068 #5c9189 #b5c09a #efd9a7 #f7ead0",
        "#fff3d6",
        "#c2b98d",
        "#27383e",
        "#f2b56b",
        "#d1603d",
    ),
    _palette(
        "tropical",
        "#1b4f86 #2b8cab #63c5b6 #fdd9a4 #ff9f80",
        "#fff4cf",
        "#7cc0b4",
        "#0c3a4a",
        "#ffd9a0",
        "#ff5d73",
    ),
    _palette(
        "crimson",
        "#1a0710 #4a0d1f #8f1a2c #d1432f #f7a35c",
        "#ffe2ad",
        "#b3432f",
        "#14060c",
        "#ff9a5a",
        "#ffd166",
        dark=True,
    ),
    _palette(
        "aurora",
        "#04101f #06263a #0b4a55 #1d7a6b #63b68f",
        "#eafff2",
        "#2b6f72",
        "#030b14",
        "#9ff5c8",
        "#b58cff",
        dark=True,
    ),
    _palette(
        "lavender",
        "#3d3a78 #6a62a8 #9d8dc9 #cfb7dd #f6dde0",
        "#fff5ec",
        "#a99bcc",
        "#2a2452",
        "#ffe0d6",
        "#f7b267",
    ),
)
PALETTES: dict[str, Palette] = {palette.name: palette for palette in _ALL}

CALM = (
    "sunset",
    "dawn",
    "day",
    "dusk",
    "night",
    "autumn",
    "spring",
    "pastel",
    "emerald",
    "ocean",
    "rose",
    "vintage",
    "tropical",
    "lavender",
    "gold",
    "winter",
)
"""Those to choose from when the prompt names no mood."""
