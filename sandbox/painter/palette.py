"""The palettes of `palettes.toml`, and how one takes up the colours that a prompt names."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sandbox.painter.colour import Array, apart, luminance, mix, rgb, shade, to_lab, turn


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
        scheme = len(colours) > 1
        colours = [c for c in colours if apart(c, self.inks[0]) > 0.09] or list(colours)
        accent = max(colours, key=lambda colour: float(np.hypot(*to_lab(colour)[1:])))
        inks = list(self.inks)
        if scheme:  # several colours: nothing else comes in but their own shades
            tones = [*colours, *(shade(c, -0.16) for c in colours), *(mix(c, inks[0], 0.5) for c in colours)]
            inks = [inks[0], *tones[:2], tones[len(colours)], tones[2]]
        else:
            inks[1], inks[3] = colours[0], shade(colours[0], -0.22)
        if luminance(inks[0]) - luminance(min(inks, key=luminance)) < 0.3:
            inks[2] = self.near
        return replace(self, accent=accent, inks=tuple(inks))

    def distance(self, colours: Sequence[Array]) -> float:
        """Return how far the palette's inks are from these colours, in OKLab."""
        return sum(min(apart(ink, colour) for ink in self.inks) for colour in colours)


def _load() -> tuple[dict[str, Palette], dict[str, list[str]]]:
    palettes, words = dict[str, Palette](), dict[str, list[str]]()
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
