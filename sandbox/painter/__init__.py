"""Paints a picture for a prompt: deterministic, quick, and made to be looked at.

`paint` reads the prompt into a brief (scene, subjects, palette, seeds), lets the scene paint on a canvas of float
planes, lays weather and type over it, and develops it with grain and a vignette.
"""

from __future__ import annotations

from PIL import Image

from sandbox.painter import finish, typography, weather
from sandbox.painter.brief import read
from sandbox.painter.canvas import Canvas
from sandbox.painter.scenes import SCENES
from sandbox.ratios import SIZES

__all__ = ["paint", "png"]


def paint(prompt: str, aspect_ratio: str, negative_prompt: str = "", variation: int = 0) -> Image.Image:
    """Return the picture for a prompt, in one of the seven ratios. Equal arguments give equal pixels."""
    brief = read(prompt, aspect_ratio, negative_prompt, variation)
    canvas = Canvas(*SIZES[aspect_ratio])
    SCENES[brief.scene](canvas, brief)
    weather.overlay(canvas, brief)
    typography.set_quotes(canvas, brief)
    return finish.develop(canvas, brief.rng("grain"))


def png(prompt: str, aspect_ratio: str, negative_prompt: str = "", variation: int = 0) -> bytes:
    """Return `paint` as PNG bytes."""
    return finish.encode(paint(prompt, aspect_ratio, negative_prompt, variation))
