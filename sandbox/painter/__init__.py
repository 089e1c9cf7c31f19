"""Prints a picture for a prompt, as a poster studio would: deterministic, quick, and made to be looked at.

`paint` reads the prompt into a brief (scene, things, palette, seed), lets the scene lay its layers on a sheet of float
planes, sets the words that the prompt quotes, and develops the sheet with grain. What words mean, the palettes and the
outlines are data: `lexicon.toml`, `palettes.toml`, `silhouettes.json`.
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from sandbox.painter import finish, flat, indoors, lettering, outdoors, sky
from sandbox.painter.brief import read
from sandbox.painter.sheet import Sheet
from sandbox.ratios import SIZES

__all__ = ["SCENES", "paint", "png"]

_OUTDOORS: dict[str, Callable[[Sheet], None]] = {
    "landscape": outdoors.landscape,
    "forest": outdoors.forest,
    "hero": outdoors.hero,
    "city": indoors.city,
}
SCENES: dict[str, Callable[[Sheet], None]] = {
    **_OUTDOORS,
    "room": indoors.room,
    "stilllife": indoors.stilllife,
    "space": flat.space,
    "underwater": flat.underwater,
    "portrait": flat.portrait,
    "pattern": flat.pattern,
    "abstract": flat.abstract,
}


def paint(
    prompt: str,
    aspect_ratio: str,
    negative_prompt: str = "",
    variation: int = 0,
    *,
    size: tuple[int, int] | None = None,
) -> Image.Image:
    """Return the picture for a prompt, in one of the seven ratios. Equal arguments give equal pixels."""
    sheet = Sheet(read(prompt, aspect_ratio, negative_prompt, variation), size or SIZES[aspect_ratio])
    SCENES[sheet.brief.scene](sheet)
    if sheet.brief.scene in _OUTDOORS:
        sky.weather(sheet)
    lettering.set_quotes(sheet)
    return finish.develop(sheet)


def png(prompt: str, aspect_ratio: str, negative_prompt: str = "", variation: int = 0) -> bytes:
    """Return `paint` as PNG bytes."""
    return finish.encode(paint(prompt, aspect_ratio, negative_prompt, variation))
