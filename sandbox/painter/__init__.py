"""Prints a picture for a prompt, as a poster studio would: deterministic, quick, and made to be looked at.

`paint` reads the prompt into a brief (scene, things, palette, seeds), lets the scene lay its layers on a canvas of float
planes, sets the words that the prompt quotes, and develops the sheet with grain. What the words mean, the palettes and the
outlines are data: `lexicon.toml`, `palettes.toml`, `silhouettes.json`.
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from sandbox.painter import finish, flat, indoors, lettering, outdoors, sky
from sandbox.painter.brief import Brief, read
from sandbox.painter.canvas import Canvas
from sandbox.ratios import SIZES

__all__ = ["SCENES", "paint", "png"]

SCENES: dict[str, Callable[[Canvas, Brief], None]] = {
    "landscape": outdoors.landscape,
    "forest": outdoors.forest,
    "hero": outdoors.hero,
    "city": indoors.city,
    "room": indoors.room,
    "stilllife": indoors.stilllife,
    "space": flat.space,
    "underwater": flat.underwater,
    "portrait": flat.portrait,
    "pattern": flat.pattern,
    "abstract": flat.abstract,
}
_OUTDOORS = ("landscape", "forest", "hero", "city")


def paint(prompt: str, aspect_ratio: str, negative_prompt: str = "", variation: int = 0) -> Image.Image:
    """Return the picture for a prompt, in one of the seven ratios. Equal arguments give equal pixels."""
    return draw(read(prompt, aspect_ratio, negative_prompt, variation), SIZES[aspect_ratio])


def draw(brief: Brief, size: tuple[int, int]) -> Image.Image:
    """Return the picture for a brief, in any size."""
    canvas = Canvas(*size)
    SCENES[brief.scene](canvas, brief)
    if brief.scene in _OUTDOORS:
        sky.weather(canvas, brief)
    lettering.set_quotes(canvas, brief)
    return finish.develop(canvas, brief.rng("grain"))


def png(prompt: str, aspect_ratio: str, negative_prompt: str = "", variation: int = 0) -> bytes:
    """Return `paint` as PNG bytes."""
    return finish.encode(paint(prompt, aspect_ratio, negative_prompt, variation))
