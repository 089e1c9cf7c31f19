"""The palettes of `palettes.toml`, and how one takes up the colours that a prompt names."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sandbox.painter.colour import Array, luminance, mix, ramp, rgb, shade, to_lab, turn


@dataclass(frozen=True)
class Palette:
    """One mood; what each colour is for is written in `palettes.toml`."""

    name: str
    sky: tuple[Array, ...]
    sun: Array
    haze: Array
    near: Array
    light: Array
    accent: Array
    inks: tuple[Array, ...]
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
            inks=tuple(turn(c, degrees) for c in self.inks),
        )

    def with_colours(self, colours: Sequence[Array]) -> Palette:
        """Return the palette with the colours of a prompt as accent and as its most telling inks."""
        accent = max(colours, key=lambda colour: float(np.hypot(*to_lab(colour)[1:])))
        inks = list(self.inks)
        for place, colour in zip((1, 3, 4, 2), colours, strict=False):
            inks[place] = colour
        if luminance(inks[0]) - luminance(min(inks, key=luminance)) < 0.3:
            inks[2] = self.near
        return replace(self, accent=accent, inks=tuple(inks))

    def tinted(self, colour: Array, share: float) -> Palette:
        """Return the palette leaning towards a colour."""
        return replace(
            self,
            sky=tuple(mix(c, colour, share) for c in self.sky),
            haze=mix(self.haze, colour, share),
            near=mix(self.near, shade(colour, -0.35), share),
        )

    def distance(self, colours: Sequence[Array]) -> float:
        """Return how far the palette's inks are from these colours, in OKLab."""
        inks = to_lab(np.stack(self.inks))
        return float(sum(np.sqrt(((inks - to_lab(c)) ** 2).sum(axis=1)).min() for c in colours))


def _load() -> tuple[dict[str, Palette], dict[str, list[str]]]:
    palettes, words = {}, {}
    entries = tomllib.loads(Path(__file__).with_name("palettes.toml").read_text("utf-8"))
    for name, entry in entries.items():
        one = {key: rgb(entry[key]) for key in ("sun", "haze", "near", "light", "accent")}
        sky, inks = (tuple(map(rgb, entry[key])) for key in ("sky", "inks"))
        palettes[name] = Palette(name, sky=sky, inks=inks, dark=entry.get("dark", False), **one)
        for word in entry["words"].split():
            words.setdefault(word, []).append(name)
    return palettes, words


PALETTES, _BY_WORD = _load()
CALM = ("sunset", "dawn", "day", "dusk", "night", "autumn", "spring", "pastel", "emerald", "ocean", "rose", "vintage",
        "tropical", "lavender", "gold", "winter", "bauhaus", "desert")  # fmt: skip
"""Those to choose from when the prompt names no mood."""


def by_words(words: Iterable[str]) -> list[str]:
    """Return the names of the palettes that these words ask for."""
    return [name for word in words for name in _BY_WORD.get(word, ())]
