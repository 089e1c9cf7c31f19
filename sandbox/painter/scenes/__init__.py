"""One module per kind of picture; the table below says which scene paints which."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.painter.brief import Brief
from sandbox.painter.canvas import Canvas
from sandbox.painter.scenes import (
    abstract,
    city,
    creature,
    desert,
    forest,
    meadow,
    mountains,
    portrait,
    sea,
    space,
    stilllife,
    underwater,
    window,
)

Scene = Callable[[Canvas, Brief], None]

SCENES: dict[str, Scene] = {
    "abstract": abstract.paint,
    "city": city.paint,
    "creature": creature.paint,
    "desert": desert.paint,
    "forest": forest.paint,
    "meadow": meadow.paint,
    "mountains": mountains.paint,
    "portrait": portrait.paint,
    "sea": sea.paint,
    "space": space.paint,
    "stilllife": stilllife.paint,
    "underwater": underwater.paint,
    "window": window.paint,
}
